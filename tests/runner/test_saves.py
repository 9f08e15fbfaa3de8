"""Saves of the executed notebook at a disk or a file server that fails for a moment."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from support import notebook

from generator.runner.document.document import join_text, read_document
from generator.runner.document.saving import Saver
from generator.runner.execution.progress import Progress


class Place:
    """A place of a notebook whose first writes fail."""

    def __init__(self, *numbers: int) -> None:
        self.left = list(numbers)
        self.text = ""

    def write(self, parts: Iterable[bytes]) -> None:
        if self.left:
            number = self.left.pop(0)
            raise OSError(number, os.strerror(number), "out.ipynb")
        self.text = join_text(parts)


@pytest.fixture
def saver() -> Callable[[Place], Saver]:
    text = json.dumps(notebook("n = 1")).encode()
    return lambda place: Saver(read_document(text, "in.ipynb"), place.write)


def _progress(saver: Saver, said: list[str]) -> Progress:
    task: Any = SimpleNamespace(saver=saver)
    console: Any = SimpleNamespace(say=said.append)
    return Progress(task, record=SimpleNamespace(), console=console, injected=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EMFILE])
def test_a_save_during_a_run_that_fails_for_a_moment_is_a_warning(number: int, saver: Callable[[Place], Saver]) -> None:
    said: list[str] = []

    _progress(saver(Place(number)), said).save()

    assert len(said) == 1
    assert "not saved at the moment" in said[0]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.ENOENT])
def test_a_full_disk_or_a_place_that_is_gone_ends_the_run(number: int, saver: Callable[[Place], Saver]) -> None:
    with pytest.raises(OSError, match=os.strerror(number)):
        _progress(saver(Place(number)), []).save()


def test_the_last_save_is_tried_again(saver: Callable[[Place], Saver]) -> None:
    place = Place(errno.EIO, errno.ESTALE)

    saver(place).save_at_the_end()

    assert json.loads(place.text)["cells"]


def test_the_last_save_on_a_full_disk_is_tried_once_with_the_space_of_finished_cells(
    saver: Callable[[Place], Saver],
) -> None:
    place = Place(errno.ENOSPC, errno.ENOSPC, errno.ENOSPC)

    with pytest.raises(OSError, match="No space left"):
        saver(place).save_at_the_end()
    assert place.left == [errno.ENOSPC]
