"""Text of users stays text in everything that packmill writes. docs/security.md lists all places and their tests."""

from __future__ import annotations

import csv
import io
import shlex
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import mistune
import pytest
from document_context import context_of
from prometheus_client.parser import text_string_to_metric_families
from support import Finished, commit_all, git, write_notebook

from generator.build.next_steps import next_steps
from generator.build.pipeline import Built
from generator.ci.checks import CheckResult, junit
from generator.documents import readme
from generator.image.dockerfiles import image_dockerfile
from generator.metadata.metadata import Metadata, Person
from generator.package import image_presence
from generator.package.map.journal import Ended
from generator.package.map.results import write_results
from generator.package.map.rows import PlannedRow
from generator.progress import Progress
from generator.repository.address import parse_repository
from generator.repository.fetch import fetch
from generator.repository.source import Source
from generator.resources import data_folder
from generator.runner.server.operation.metrics import Metrics, Snapshot
from generator.service.api.artifacts import member
from generator.shared.errors import ImageBuildError, RunError
from generator.subprocesses import commands

MARKUP = (
    "<img src=x><script>1</script> ![a](https://x.example/p.png) [b](javascript:1) | `c` **d** _e_ {{ 7*7 }} $(f) # g"
)
TERMINAL = "a\x1b]0;title\x07\x1b[2J\rsection_end:1:a\x1b[0K\n\x9bb"


def test_a_readme_has_no_markup_of_a_repository() -> None:
    context = context_of('n = 1  # type: int how many\nt = "x"')
    one, two = context.process.interface.inputs
    interface = replace(
        context.process.interface, inputs=(replace(one, doc=MARKUP), replace(two, doc=MARKUP, default=MARKUP))
    )
    person = Person(name=MARKUP, email="ada@example.org")
    metadata = Metadata(name=MARKUP, description=MARKUP, author=(person,), license=MARKUP, keywords=(MARKUP,))
    process = replace(context.process, interface=interface, metadata=metadata, path="a`b|<i>c.ipynb")

    text = readme.readme_md(replace(context, process=process))
    page = ElementTree.fromstring(f"<page>{mistune.html(text)}</page>")

    assert {one.tag for one in page.iter()} <= set("page h1 h2 p code pre table thead tbody tr th td strong em".split())
    assert {len(row) for table in page.iter("table") for row in table.iter("tr")} <= {2, 4}
    assert text.count("{{ 7\\*7 }}") == 8


CONFIGURATIONS: tuple[dict[str, Any], ...] = (
    {"User": "root\nCOPY --from=private.example.org/ada/trees / /"},
    {"WorkingDir": "/work\nADD https://private.example.org/x /"},
    {"WorkingDir": '/work";$(touch marker);"'},
    {"Env": ["REPO_DIR=/a`touch marker`"]},
    {"WorkingDir": "/a\\"},
)


@pytest.mark.parametrize("config", CONFIGURATIONS, ids=["user", "folder", "shell", "variable", "continuation"])
def test_a_base_image_s_configuration_adds_nothing_to_a_dockerfile(config: dict[str, Any]) -> None:
    with pytest.raises(ImageBuildError, match="characters that a Dockerfile or a shell may read"):
        dockerfile(config)


def test_usual_configurations_of_images_are_accepted() -> None:
    text = dockerfile({"User": "1000:1000", "WorkingDir": "/srv/größe (2)/a-b_c.d"})

    assert text.splitlines()[-1] == "USER 1000:1000"
    assert '"/srv/größe (2)/a-b_c.d"' in text


def dockerfile(config: dict[str, Any]) -> str:
    time = datetime(2026, 2, 3, tzinfo=timezone.utc)
    address = "https://example.org/ada/trees"
    source = Source(
        address=address, owner="ada", name="trees", checkout="main", commit="a" * 40, message="x", time=time
    )
    own: dict[str, Any] = {"environment": "e", "runner": "r", "inside": True, "image_key": "k", "metadata": Metadata()}
    return image_dockerfile(config, source, **own)


@pytest.mark.parametrize("cell", ["name = 'x\\x9b31m\\u202ey'", "name = 1  # type: 'x\x9b31m\u202ey'"])
def test_json_that_is_printed_has_no_command_of_a_terminal(
    cell: str, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    """Terminals take some characters that JSON leaves as they are for commands, or for another direction of writing."""
    write_notebook(tmp_path / "process.ipynb", cell)

    finished = packmill("inspect", tmp_path, "--json")

    assert finished.out.replace("\n", "").isprintable()
    assert "31m" in finished.out


def test_a_report_for_gitlab_is_xml_for_any_name() -> None:
    text = junit(
        [CheckResult(package=TERMINAL, name=f"]]>{MARKUP}", seconds=1, problem=f"{TERMINAL}]]>", exit_code=20)]
    )

    (case,) = ElementTree.fromstring(text).iter("testcase")
    assert case.get("name") == f"]]>{MARKUP}"
    assert "\x1b" not in text


def test_neither_a_title_nor_a_detail_forges_a_section_or_commands_a_terminal() -> None:
    out = io.StringIO()
    progress = Progress(out=out, sections=True)
    with progress.step(TERMINAL):
        progress.say(TERMINAL)
        progress.warn(TERMINAL)

    marks = [line for line in out.getvalue().split("\n") if "\x1b" in line]
    assert [line.split(":")[0] for line in marks] == ["\x1b[0Ksection_start", "\x1b[0Ksection_end"]
    assert out.getvalue().count("\r") == 2
    assert not {"\x07", "\x9b"} & set(out.getvalue())


FORMULAS = ("=1+1", "+1", "-1", "@a", "\t=1", "\r=1", "\n=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff201")


@pytest.mark.parametrize("text", FORMULAS, ids=[ascii(text[0]) for text in FORMULAS])
def test_no_cell_of_a_table_begins_a_formula(text: str, tmp_path: Path) -> None:
    row = PlannedRow(number=1, values={text: text}, given={text: text})
    write_results(tmp_path, [(row, "1", Ended(state="failed", message=text, scraps={f"{text}b": text, "c": [text]}))])

    with (tmp_path / "results.csv").open(newline="", encoding="utf-8") as file:
        cells = [cell for line in csv.reader(file) for cell in line]
    assert [cell for cell in cells if cell.startswith(tuple(one[0] for one in FORMULAS))] == []
    assert cells.count(f"'{text}") == 4


def test_a_commit_of_packmill_holds_no_command_for_a_host(
    repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    bare = tmp_path / "packages.git"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    write_notebook(repository / "process.ipynb", "n = 1  # type: int")
    commit_all(
        repository, "Closes #5, ada/x!7 [skip ci] ***NO_CI*** @ada https://x.example/issues/1\nSigned-off-by: a <b>"
    )

    built = packmill("build", repository, "--no-image", "--output", tmp_path / "out", "--publish", bare)

    assert built.code == 0, built.err
    message = git(bare, "log", "-1", "--format=%B", "main")
    assert 'Built from "Closes 5, ada/x 7 skip ci NO_CI ada https x.example/issues/1"' in message
    assert git(bare, "log", "-1", "--format=%(trailers)", "main") == ""


@pytest.mark.parametrize("name", ["a b", "$(touch marker)", "it's", 'q"uote', "-x", "ä;rm"])
def test_a_command_that_is_shown_has_a_folder_as_one_word(name: str) -> None:
    folder = Path("packages", name)
    shown = next_steps(built(folder), has_image=False).splitlines()[-1]

    assert shlex.split(shown.partition("  #")[0]) == ["packmill", "validate", str(folder)]


@pytest.mark.parametrize("name", ["a;$(id)", "it's"])
def test_the_command_for_a_missing_image_has_the_package_as_one_word(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package's folder has the name of a branch of a stranger's repository."""
    missing = commands.Finished(command=(), code=1, stdout="", stderr="Error: No such image: x")
    monkeypatch.setattr(image_presence, "run", lambda *_, **__: missing)

    with pytest.raises(RunError) as refused:
        image_presence.require_own_image(
            f"{image_presence.own_prefix}environment:1", options=(), package=Path("packages", name)
        )

    command = str(refused.value).partition("what that writes: ")[2].splitlines()[0]
    assert shlex.split(command) == ["packmill", "rebuild", f"packages/{name}"]


def built(folder: Path) -> Built:
    fields: dict[str, Any] = dict.fromkeys(Built.__dataclass_fields__, "")
    return Built(**{**fields, "folder": folder, "packages": (folder,)})


@pytest.mark.parametrize("name", ['a"b.txt', "a\r\nSet-Cookie: x=1.txt", "größe.txt", "a;b=c.txt", "a/../b.txt"])
def test_a_name_in_an_archive_adds_no_header(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, "x")

    answer = member(tmp_path / "a.zip", name)

    assert answer.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''")
    assert not set('\r\n";/') & set(answer.headers["Content-Disposition"].removeprefix("attachment; "))
    assert "set-cookie" not in answer.headers


def test_the_path_of_a_notebook_stays_one_label_of_a_metric() -> None:
    metrics, path = Metrics(), 'a"} 1\npackmill_forged{x="\\.ipynb'
    metrics.count_run({"notebook": path, "state": "failed", "reason": "cell-error"})

    snapshot = Snapshot(**dict.fromkeys(Snapshot.__dataclass_fields__, 0))
    families = list(text_string_to_metric_families(metrics.text(snapshot).decode()))
    (runs,) = (family for family in families if family.name == "packmill_runs")
    assert {sample.labels["notebook"] for sample in runs.samples} == {path}
    assert not any("forged" in family.name for family in families)


def test_a_local_repository_of_any_name_has_git_s_settings(tmp_path: Path) -> None:
    folder = tmp_path / 'a"b\\c [core] d'
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    commit_all(folder)

    found = fetch(parse_repository(str(folder)), None, tmp_path / "checkout")

    assert (found.folder / "a.txt").read_text() == "a"


def test_no_template_of_a_page_turns_escaping_off() -> None:
    """But for lines of a log and pictures of workflows, which are escaped where they are made."""
    runner = Path(__file__).parents[2] / "generator" / "runner" / "server" / "pages" / "templates"
    folders = (data_folder("templates") / "pages", runner)
    unescaped = {
        (path.name, line.strip())
        for folder in folders
        for path in folder.rglob("*.html")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "| safe" in line or "|safe" in line or "autoescape" in line
    }

    assert {name for name, _ in unescaped} == {"job.html", "package.html"}
    assert len(unescaped) == 4
