"""The executed notebook as a page: rendered by a process of its own, since notebooks may be hostile.

``python -m generator.runner.server.pages.executed NOTEBOOK NEW PAGE`` is that process; it renames
NEW to PAGE when it is complete.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

from generator.runner.server.runs.folder import RunFolder
from generator.shared import durable_files

_LARGEST = 50_000_000
"""Bytes of a notebook that is rendered."""
_SECONDS, _MEMORY = 60, 4 << 30
_MOST_WAITING = 20
_at_once = asyncio.Semaphore(2)
_waiting = 0


class NotShownError(Exception):
    """The notebook is not rendered; the message tells why."""


async def executed_page(folder: RunFolder) -> Path:
    """Return the page of a run's executed notebook, rendered once and kept in the run's folder.

    Raises:
        NotShownError: there is no notebook, or it cannot be rendered.
    """
    notebook, page = folder.notebook(), folder.path / "notebook.html"
    if notebook is None:
        raise NotShownError("The run has no executed notebook.")
    if notebook.stat().st_size > _LARGEST:
        raise NotShownError("This notebook is too large to be shown. Download it instead.")
    if not page.is_file():
        await _render_in_turn(notebook, page)
    return page


async def _render_in_turn(notebook: Path, page: Path) -> None:
    global _waiting  # noqa: PLW0603 - the processes of one server are counted
    if _waiting == _MOST_WAITING:
        raise NotShownError("Other notebooks are being rendered. Reload this page in a moment.")
    _waiting += 1
    try:
        async with _at_once:
            if not page.is_file():
                await _render(notebook, page)
    finally:
        _waiting -= 1


async def _render(notebook: Path, page: Path) -> None:
    new = page.with_name(f".{os.urandom(6).hex()}.html")
    try:
        code = await _run(notebook, new, page)
    finally:  # a process that a limit ends leaves a part, and each reload of the page would add one
        with suppress(OSError):
            new.unlink(missing_ok=True)
    if code != 0:
        raise NotShownError("This notebook cannot be rendered. Download it instead.")


async def _run(*paths: Path) -> int:
    """Run the process with limits, and return its exit code; it has ended afterwards.

    Raises:
        NotShownError: it takes too long.
    """
    command = (sys.executable, *(("-I",) if sys.flags.isolated else ()), "-m", __name__, *map(str, paths))
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, start_new_session=True)
    try:
        return await asyncio.wait_for(process.wait(), _SECONDS)
    except asyncio.TimeoutError:
        raise NotShownError("Rendering this notebook takes too long. Download it instead.") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def render(notebook: Path, new: Path, page: Path) -> None:
    """Write the page of a notebook, which gets its name when it is complete."""
    from generator.runner.document.document import read_document
    from generator.runner.execution.html import html_page
    from generator.runner.execution.page_outputs import PageOutputs

    document = read_document(notebook.read_bytes(), notebook.name)
    text = html_page(document, PageOutputs(None), report_mode=False, say=lambda _: None)
    new.write_bytes(text)
    durable_files.replace(new, page)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    render(*map(Path, sys.argv[1:]))
