"""Files and folders next to a notebook that this user may not read."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from generator.repository.checkout import read_text, repository_files
from generator.shared.errors import RepositoryError


def _closed(name: str, whole: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that fails for a path of this name as the system does; root may read everything."""

    def refuse(path: Path) -> NoReturn:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    return lambda path: refuse(path) if path.name == name else whole(path)


@pytest.mark.parametrize("name", ["requirements.txt", "LICENSE", "CITATION.cff"])
def test_a_file_that_is_closed_to_the_user_is_an_error_that_names_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_text("numpy")
    monkeypatch.setattr(Path, "read_bytes", _closed(name, Path.read_bytes))

    with pytest.raises(RepositoryError, match=f"^{name}: cannot be read: Permission denied; check its permissions$"):
        read_text(tmp_path, name)


def test_a_folder_that_is_closed_to_the_user_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "binder").mkdir()
    monkeypatch.setattr(Path, "iterdir", _closed("binder", Path.iterdir))

    with pytest.raises(RepositoryError, match=r"binder: cannot be listed: Permission denied; check its permissions$"):
        repository_files(tmp_path)
