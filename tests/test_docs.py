"""The documents say what is: help texts, exit codes, variables and commands are compared with the code."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from ruamel.yaml import YAML
from support import Finished, here

from generator.request.settings import variables
from generator.runner.cli import main as runner_main
from generator.shared import errors

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

top = here.parent
_VARIABLES = re.compile(r"(\| variable \| \|\n\|---\|---\|\n)(?:\| .*\n)*")
_BLOCK = re.compile(r"<!-- help: (?P<command>[^>]+) -->\n(?:```\n.*?\n```\n)?", re.DOTALL)


def test_the_reference_has_the_help_of_every_command(
    packmill: Callable[..., Finished],
    capsys: pytest.CaptureFixture[str],
    golden: Callable[[Path, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "120")

    def help_of(match: re.Match[str]) -> str:
        program, *words = match["command"].split()
        if program == "packmill":
            text = packmill(*words, "--help").out
        else:
            with pytest.raises(SystemExit):
                runner_main([*words, "--help"])
            text = capsys.readouterr().out
        return f"<!-- help: {match['command']} -->\n```\n{text.strip()}\n```\n"

    reference = top / "docs" / "reference.md"
    golden(reference, _BLOCK.sub(help_of, reference.read_text(encoding="utf-8")))


def test_the_readme_has_every_exit_code() -> None:
    readme = (top / "README.md").read_text(encoding="utf-8")
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.PackmillError)
    ]

    for kind in kinds:
        if kind is not errors.PackmillError:
            assert re.search(rf"^\| {kind.exit_code} \|", readme, re.MULTILINE), kind


def test_the_reference_has_every_variable_as_the_help_has_it(golden: Callable[[Path, str], None]) -> None:
    reference = top / "docs" / "reference.md"
    table = "".join(f"| `{name}` | {text.replace('<', '&lt;')} |\n" for name, text in variables.items())
    text = reference.read_text(encoding="utf-8")

    assert len(_VARIABLES.findall(text)) == 1
    golden(reference, _VARIABLES.sub(lambda head: head[1] + table, text))


def test_the_form_for_a_pipeline_describes_variables_as_the_help_does() -> None:
    fields = YAML(typ="safe").load(top / ".gitlab-ci.yml")["variables"]

    assert len(fields) > 10
    for name, field in fields.items():
        assert field["description"] == variables[name][0].upper() + variables[name][1:], name


def test_the_readme_s_example_cell_is_the_example_s() -> None:
    readme = (top / "README.md").read_text(encoding="utf-8")
    cell = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    example = (top / "examples/city-temperatures/process.ipynb").read_text(encoding="utf-8").replace('\\"', '"')

    assert cell is not None
    for line in cell[1].splitlines():
        assert line.rstrip() in example, line


def test_the_readme_s_links_lead_somewhere() -> None:
    for document in (top / "README.md", top / "CONTRIBUTING.md", *(top / "docs").glob("*.md")):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_the_example_is_read_as_the_readme_says(packmill: Callable[..., Finished]) -> None:
    finished = packmill("inspect", top / "examples/city-temperatures")

    assert finished.code == 0
    assert "the city to highlight" in finished.out
    assert "warnings" not in finished.out


def test_the_reference_has_every_way_that_a_run_can_end() -> None:
    from generator.shared import failures

    reference = (top / "docs" / "reference.md").read_text(encoding="utf-8")
    kinds = [
        kind for kind in vars(failures).values() if isinstance(kind, type) and issubclass(kind, failures.RunFailedError)
    ]

    for kind in kinds:
        if kind is not failures.RunFailedError:
            assert f"| `{kind.reason}` |" in reference
            if kind is not failures.InterruptedRunError:
                assert re.search(rf"^\| {kind.exit_code} \| `{kind.reason}` \|", reference, re.MULTILINE), kind


def test_every_test_that_the_security_page_names_exists() -> None:
    page = (top / "docs" / "security.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/]+\.py)((?:::\w+)+)`", page)

    assert len(named) > 50
    parsed = {file: ast.parse((top / "tests" / file).read_text(encoding="utf-8")) for file in {one for one, _ in named}}
    for file, names in named:
        body = parsed[file].body
        for name in names.split("::")[1:]:  # each in the one before it, so that pytest takes the name as it is
            found = [one for one in body if isinstance(one, ast.FunctionDef | ast.ClassDef) and one.name == name]
            assert found, f"{file}{names}"
            body = found[0].body


def test_every_row_of_the_security_page_names_its_tests() -> None:
    page = (top / "docs" / "security.md").read_text(encoding="utf-8")
    tables = re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE)

    assert len(tables) > 10
    for table in tables:
        head, _, *rows = table.splitlines()
        assert re.search(r"\| tests? \|$", head), head
        for row in rows:
            cells = re.split(r"(?<!\\)\|", row.strip("|"))
            assert len(cells) == head.count("|") - 1, row
            named = re.findall(r"`[\w/]+\.py((?:::\w+)+)`", cells[-1])
            assert named, row
            assert all(re.match(r"(Test|test_)", name) for one in named for name in one.split("::")[1:]), row


def test_the_architecture_s_map_lists_the_top_of_the_generator() -> None:
    page = (top / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.split("\n## Map\n")[1].split("\n|---|---|---|\n")[1].split("\n\n")[0]
    rooms = [room for row in table.splitlines() for room in re.findall(r"`([^`]+)`", row.split("|")[1])]

    there = [
        path.name + "/" * path.is_dir()
        for path in (top / "generator").iterdir()
        if path.suffix == ".py" or any(path.glob("**/*.py"))
    ]
    assert sorted(rooms) == sorted(there)


def test_the_architecture_s_first_answers_name_files_that_exist() -> None:
    page = (top / "docs" / "architecture.md").read_text(encoding="utf-8")
    questions = re.findall(r"^\| [^|]+\? \|(.*)\|$", page, re.MULTILINE)

    assert len(questions) == 11
    for answer in questions:
        for path in re.findall(r"`([^`]+)`", answer):
            assert (top / "generator" / path).exists(), path


def test_every_dependency_has_a_row_that_says_why() -> None:
    project = tomllib.loads((top / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    page = (top / "docs" / "dependencies.md").read_text()

    rows = re.findall(r"^\| ([\w.-]+) \|", page, re.MULTILINE)
    assert sorted(name for name in rows if name != "package") == sorted(Requirement(one).name for one in wanted)


def test_the_findings_readme_lists_every_finding() -> None:
    page = (top / "findings" / "README.md").read_text(encoding="utf-8")

    listed = re.findall(r"^\| \[([^\]]+)\]\(\1\) \|", page, re.MULTILINE)
    assert sorted(listed) == sorted(path.name for path in (top / "findings").glob("*.sh"))


def test_the_commands_in_the_docs_exist(packmill: Callable[..., Finished]) -> None:
    known = set(re.findall(r"^    ([a-z]+) ", packmill("--help").out, re.MULTILINE))

    for document in (top / "README.md", *(top / "docs").glob("*.md")):
        blocks = re.findall(r"^ *```\n(.*?)^ *```", document.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
        used = {name for block in blocks for name in re.findall(r"^ *packmill ([a-z]+)", block, re.MULTILINE)}
        assert used <= known, document.name


def test_the_contributing_page_names_files_that_exist() -> None:
    page = (top / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Plain English")[0]
    paths = set(re.findall(r"`((?:[\w-]+/)+[\w.-]*)`", page))

    assert len(paths) > 30
    for path in paths:
        assert (top / path).exists() or (top / "generator" / path).exists(), path
