"""A default of a stage-in that no package can carry is a warning, which no folded section of a log hides."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Finished, commit_all, write_notebook

from generator.documents import missing_examples
from generator.documents.examples import has_pointers
from generator.package.inputs import missing_values
from generator.package.job_file import read_yaml
from generator.process.process import read_process

_NOT_RUN = "; use a small example in the repository as the default, or a pipeline's check cannot run the process"
_POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 9\n"


@pytest.fixture
def inspect(repository: Path, packmill: Callable[..., Finished]) -> Callable[[str], list[str]]:
    """The warnings of a parameters cell in ``work/``, next to ``ok.csv`` and ``dir/``."""

    def of(cell: str) -> list[str]:
        write_notebook(repository / "work/process.ipynb", cell)
        (repository / "work/ok.csv").write_text("1")
        (repository / "work/big.csv").write_bytes(bytes(2 * 1024**2))
        (repository / "work/dir").mkdir(exist_ok=True)
        (repository / "work/dir/ok.csv").write_text("1")
        (repository / "work/lfs").mkdir(exist_ok=True)
        (repository / "work/lfs/pointer.csv").write_text(_POINTER)
        (repository / "work/lfs/ok.csv").write_text("1")
        (repository / "work/linked").mkdir(exist_ok=True)
        (repository / "work/linked/a").unlink(missing_ok=True)
        (repository / "work/linked/a").symlink_to("../ok.csv")
        (repository / "work/out.csv").unlink(missing_ok=True)
        (repository / "work/out.csv").symlink_to("/etc/hostname")
        done = packmill("inspect", repository, "--process", "work/process.ipynb", "--json")
        return [f"{one['line']}: {one['message']}" for one in done.json()["warnings"] if one["line"]]

    return of


@pytest.mark.parametrize(
    ("default", "problem"),
    [
        ("'missing.csv'", "its default 'missing.csv' is not in the repository (work/missing.csv)"),
        ("{'path': 'missing.csv'}", "its default 'missing.csv' is not in the repository (work/missing.csv)"),
        ("[{'class': 'File', 'path': '../up.csv'}]", "its default '../up.csv' is not in the repository (up.csv)"),
        ("'../../up.csv'", "its default '../../up.csv' is outside of the repository"),
        ("'/data/x.csv'", "its default '/data/x.csv' is outside of the repository"),
        ("'~/x.csv'", "its default '~/x.csv' is outside of the repository"),
        ("'out.csv'", "its default 'out.csv' is outside of the repository"),
        ("'big.csv'", "its default 'big.csv' is too large for the package"),
        ("'lfs/pointer.csv'", "its default 'lfs/pointer.csv' has Git LFS files that could not be fetched"),
        ("'lfs/'", "its default 'lfs/' has Git LFS files that could not be fetched"),
        ("'missing/'", "its default 'missing/' is not in the repository (work/missing)"),
        (
            "'linked/'",
            "its default 'linked/' is empty, too large for the package, or has links or names that are not portable",
        ),
        (
            "['https://me:geheim@a.example/x.csv?key=1']",
            "its default 'https://a.example/x.csv?' is an address, which a pipeline does not fetch",
        ),
        ("[{'url': 's3://bucket/x.csv'}]", "its default names no file"),
        ("''", "its default names no file"),
    ],
)  # fmt: skip
def test_a_default_that_is_not_in_the_package_is_a_warning(
    default: str, problem: str, inspect: Callable[[str], list[str]], repository: Path, tmp_path: Path,
    packmill: Callable[..., Finished],
) -> None:  # fmt: skip
    assert inspect(f"n = 1\ntable = {default}  # type: stage-in") == [f"2: table: {problem}{_NOT_RUN}"]

    commit_all(repository)
    built = packmill("build", repository, "--no-image", "--process", "work/process.ipynb", "--output", tmp_path / "out")

    assert f"warning: work/process.ipynb line 2: table: {problem}{_NOT_RUN}\n" in built.err
    assert missing_values(Path(built.out.strip())) == ["table"]


@pytest.mark.parametrize(
    "cell",
    [
        "table = 'ok.csv'  # type: stage-in",
        "table = [{'path': 'ok.csv'}, {'path': 'dir/ok.csv'}]  # type: stage-in",
        "table = 'dir/'  # type: stage-in",
        "table = []  # type: stage-in",
        "table = None  # type: stage-in",
        "table = 'missing.csv'  # type: File",
        "table: str",
        "table = ''  # secret",
    ],
)
def test_other_inputs_give_no_warning(cell: str, inspect: Callable[[str], list[str]]) -> None:
    assert inspect(cell) == []


def test_a_run_on_some_of_several_files_is_told_apart(inspect: Callable[[str], list[str]]) -> None:
    [said] = inspect("table = ['ok.csv', 'a.csv']  # type: stage-in")

    assert "its default 'a.csv' is not in the repository (work/a.csv); " in said
    assert said.endswith("a pipeline's check runs the process without it")


def test_of_many_files_three_are_named(inspect: Callable[[str], list[str]]) -> None:
    said = inspect("table = ['1', '2', '3', '4', '5']  # type: stage-in")

    assert len(said) == 4
    assert said[-1] == "1: table: 2 more files of its default are not in the package"


def test_files_beyond_the_limit_of_all_together_are_too_large(
    repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    """Each is small enough, and one file counts once; 4,000 spellings of one path made a package of 4 GiB."""
    names = [f"{number}.tif" for number in range(17)]
    for name in names:
        (repository / name).write_bytes(bytes(1024**2))
    write_notebook(repository / "process.ipynb", f"table = {['./0.tif', *names]}  # type: stage-in")
    commit_all(repository)

    built = packmill("build", repository, "--no-image", "--output", tmp_path / "out")

    package = Path(built.out.strip())
    carried = [f"example/{number}_{number}.tif" for number in range(16)]
    assert "line 1: table: its default '16.tif' is too large for the package; a pipeline's check" in built.err
    assert [one["path"] for one in read_yaml((package / "inputs.yml").read_text())["table"]] == [carried[0], *carried]
    assert {path.relative_to(package).as_posix() for path in (package / "example").iterdir()} == set(carried)


def test_inputs_yml_names_no_file_that_is_missing(
    repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    """cwltool makes an empty folder of a missing one, and the run succeeds."""
    lines = (
        "a = 'my in/'  # type: stage-in",
        "b = 'gone/'  # type: stage-in",
        "c = 's3://bucket/c/'  # type: stage-in[Directory]",
        "d = 'gone.csv'  # type: stage-in",
    )
    write_notebook(repository / "process.ipynb", "\n".join(lines))
    (repository / "my in").mkdir()
    (repository / "my in/x.csv").write_text("1")
    commit_all(repository)

    package = Path(packmill("build", repository, "--no-image", "--output", tmp_path / "out").out.strip())

    job = (package / "inputs.yml").read_text(encoding="utf-8")
    assert read_yaml(job) == {
        "a": {"class": "Directory", "path": "example/0_my_in"},  # cwltool refuses spaces
        "b": None,
        "c": "s3://bucket/c/",
        "d": None,
    }
    assert (package / "example/0_my_in/x.csv").is_file()
    assert "# for example {class: Directory, path: gone/}\nb: null" in job
    assert missing_values(package) == ["b", "c", "d"]


def test_a_pipeline_shows_the_warning_outside_of_its_sections(
    repository: Path, tmp_path: Path, packmill: Callable[..., Finished], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_notebook(repository / "process.ipynb", "table = 'missing.csv'  # type: stage-in")
    commit_all(repository)
    monkeypatch.setenv("GITLAB_CI", "true")

    built = packmill("build", repository, "--no-image", "--output", tmp_path / "out")

    folded = re.sub(r"section_start:.*?section_end:", "", built.err, flags=re.DOTALL)
    assert "section_start" in built.err
    assert "warning: process.ipynb line 1: table: its default 'missing.csv' is not in the repository" in folded


def test_a_folder_that_many_inputs_have_as_their_default_is_looked_through_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Path] = []
    monkeypatch.setattr(missing_examples, "has_pointers", lambda place: bool(seen.append(place)))
    write_notebook(tmp_path / "a.ipynb", "\n".join(f"n{number} = 'in/'  # type: stage-in" for number in range(9)))
    (tmp_path / "in").mkdir()

    remarks = missing_examples.missing_examples(tmp_path, read_process(tmp_path, "a.ipynb"))

    assert (len(remarks), seen) == (9, [tmp_path / "in"])


def test_a_large_folder_is_looked_through_for_pointers_up_to_a_limit(tmp_path: Path) -> None:
    """Thousands of stage-ins may have it as their default."""
    for number in range(1001):
        (tmp_path / str(number)).touch()
    first, *_, last = next(os.walk(tmp_path))[2]  # in the order of the file system
    (tmp_path / last).write_text(_POINTER)

    assert not has_pointers(tmp_path)

    (tmp_path / first).unlink()

    assert has_pointers(tmp_path)
