"""What a build ends with: the path for programs, and for people the commands that come next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support import Finished, commit_all, write_notebook

from generator.build.next_steps import next_steps
from generator.build.pipeline import Built


def test_a_build_ends_with_the_commands_that_run_and_validate_the_package(
    repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    write_notebook(repository / "process.ipynb", "year: int\nname = 'x'")
    commit_all(repository)
    folder = tmp_path / "my packages"
    finished = packmill("build", repository, "--no-image", "--output", folder)
    package = folder / "ada" / "trees" / "main"

    assert finished.out == f"{package}\n"
    assert finished.err.splitlines()[-2:] == ["Next:", f"  packmill validate '{package}'  # validate its documents"]

    built = Built(
        folder=package, packages=(package,), image="", image_built=True, changed=True, processes=(), commit="0" * 40
    )
    assert next_steps(built, has_image=True).splitlines()[1] == (
        f"  packmill run '{package}' --outdir results -p year=VALUE  # run it"
    )


def test_json_is_all_that_a_program_gets(repository: Path, tmp_path: Path, packmill: Callable[..., Finished]) -> None:
    write_notebook(repository / "process.ipynb", "n = 1")
    commit_all(repository)

    assert "Next:" not in packmill("build", repository, "--no-image", "--output", tmp_path / "p", "--json").err
