"""Every validator accepts the documents of the example and of eleven repositories; docs/platforms.md has the table."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from support import commit_all, folders, here

from generator.cli import main
from generator.package.oracles import oracles
from generator.package.validation import Verdict, validate

top = here.parent
_TABLE = re.compile(r"(<!-- validators: table -->\n)(?:\|.*\n)*")
_VERSIONS = re.compile(r"(<!-- validators: versions -->\n)(?:\|.*\n)*")
_example = top / "examples" / "city-temperatures"
_contents = {
    "arrays": "lists, an optional number, an object; `CITATION.cff`",
    "awkward-texts": "names and texts with quotes, colons, brackets, umlauts; a notebook in a folder; `pyproject.toml`",
    "bash-script": "a shell script with `algorithm_config.yml`",
    "colab": "the forms of Colab (`#@param`)",
    "earth-science-types": "dates, a box, GeoJSON, numbers with bounds and units",
    "enums": "choices, lists of choices, choices with a slash",
    "example": "the bundled example: a stage-in, a picture and a table",
    "ipython2cwl": "the annotations of ipython2cwl, in a notebook in a folder",
    "r-notebook": "R; `codemeta.json`",
    "resources": "cores, memory, disk, time and a GPU; a secret",
    "several-stage-ins": "three stage-ins, one optional; several files as an output",
    "unity-notebook": "a Unity notebook: a metadata cell, a folder with a STAC catalog",
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not Path(sys.prefix, "validators/bin/python").exists(), reason="scripts/test-validators was not run"
    ),
]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Verdict]]:
    """The verdicts of all validators, each of which runs once for all packages."""
    folder = tmp_path_factory.mktemp("platforms")
    packages = folder / "packages #1"  # every validator reads paths with a character that URLs reserve
    _build(_example, "example", packages, ())
    for case in folders("platforms"):
        options = (case / "options").read_text() if (case / "options").exists() else ""
        _build(case / "repository", case.name, packages, shlex.split(options))
    yield validate(packages)
    shutil.rmtree(folder)


def _build(repository: Path, name: str, packages: Path, options: Sequence[str]) -> None:
    copy = packages.parent / "ada" / name
    shutil.copytree(repository, copy)
    commit_all(copy)
    with redirect_stdout(StringIO()) as printed:
        code = main(["build", str(copy), "--no-image", "--output", str(packages.parent / "built"), *options])
    assert code == 0, name
    shutil.copytree(printed.getvalue().strip(), packages / name)


def test_every_validator_accepts_every_document_without_a_warning(verdicts: list[Verdict]) -> None:
    refused = [f"{one.oracle}: {one.document}: {one.problem or one.warning}" for one in verdicts if one.result != "ok"]

    assert not refused, "\n".join(refused)
    assert {one.oracle for one in verdicts} == {one.name for one in oracles} - {"roc-validator"}  # needs the network
    assert {one.document.partition("/")[0] for one in verdicts} == set(_contents)


def test_the_page_about_platforms_has_the_results(verdicts: list[Verdict], golden: Callable[[Path, str], None]) -> None:
    page = top / "docs" / "platforms.md"
    text = page.read_text(encoding="utf-8")

    assert len(_TABLE.findall(text)) == len(_VERSIONS.findall(text)) == 1
    text = _TABLE.sub(lambda head: head[1] + _table(verdicts), text)
    golden(page, _VERSIONS.sub(lambda head: head[1] + _versions(), text))


def _table(verdicts: Sequence[Verdict]) -> str:
    judged = {one.oracle for one in verdicts}
    names = [one.name for one in oracles if one.name in judged]
    lines = [f"| repository | {' | '.join(names)} |", f"|{'---|' * (len(names) + 1)}"]
    for case, contents in sorted(_contents.items(), key=lambda item: item[0] != "example"):
        found = [
            [one for one in verdicts if one.document.startswith(f"{case}/") and one.oracle == name] for name in names
        ]
        lines.append(f"| **{case}**: {contents} | {' | '.join(map(_cell, found))} |")
    return "".join(f"{line}\n" for line in lines)


def _cell(verdicts: Sequence[Verdict]) -> str:
    """Give the number of accepted documents, or the first fault."""
    bad = [one for one in verdicts if one.result != "ok"]
    if bad:
        return f"{bad[0].result}: {bad[0].problem or bad[0].warning}".replace("|", "\\|").partition("\n")[0]
    return f"{len(verdicts)} ok" if verdicts else "–"


def _versions() -> str:
    pins = (here / "helpers/validators/requirements.txt").read_text(encoding="utf-8")
    named = [line.split("==")[0].split(">=")[0] for line in _required() if not line.startswith("pyyaml")]
    found = {name: re.search(rf"^{name}==(\S+)", pins, re.MULTILINE) for name in [*named, "cwltool", "cwl-utils"]}
    assert all(found.values())
    rows = [f"| {name} | {match[1]} |\n" for name, match in found.items() if match]
    return "| validator | version |\n|---|---|\n" + "".join(rows)


def _required() -> list[str]:
    text = (here / "helpers/validators/requirements.in").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_the_tests_use_the_validators_that_the_extra_installs() -> None:
    project = (top / "pyproject.toml").read_text(encoding="utf-8")
    extra = re.search(r'^validate = \["(.*)"\]$', project, re.MULTILINE)

    assert extra is not None
    assert {*_required()} == {*extra[1].split('", "'), "pyyaml>=6"}
    assert '"pyyaml>=6"' in project
