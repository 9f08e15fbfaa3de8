"""Pages of notebooks: rendered by a process with limits, once, and kept as long as what they show."""

from __future__ import annotations

import json
import os
import re
import threading
from pathlib import Path
from typing import Any

import pytest
import requests
from ci_service import ACCESS, Service
from support import notebook
from waiting import wait_until

from generator.service.notebooks.pages import BusyError, NotebookPages, NotShown, RenderLimits
from generator.service.store.job_folders import JobFolder

_MARKDOWN = {"cell_type": "markdown", "metadata": {}, "source": "plain words " * 8000}


def _notebook(*cells: dict[str, Any], outputs: list[dict[str, Any]] | None = None) -> bytes:
    document = notebook("1")
    document["cells"][0]["outputs"] = outputs or []
    document["cells"] += cells
    return json.dumps(document).encode()


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    """A job that has left something."""
    made = JobFolder(tmp_path / "job")
    made.path.mkdir()
    made.artifacts.touch()
    return made


def _rendered(folder: JobFolder, document: bytes, **limits: int) -> Path | NotShown:
    return NotebookPages(RenderLimits(**limits)).page(folder, document).result(timeout=60)


def test_a_notebook_is_rendered_once_and_kept_beside_the_artifacts(folder: JobFolder) -> None:
    first = _rendered(folder, _notebook(_MARKDOWN))
    assert isinstance(first, Path)
    assert first.parent == folder.pages
    text = first.read_text(encoding="utf-8")
    assert "plain words plain words" in text
    first.write_text("kept")

    again = _rendered(folder, _notebook(_MARKDOWN))

    assert again == first
    assert first.read_text() == "kept"
    assert _rendered(folder, _notebook()) != first
    folder.remove_artifacts()
    assert not folder.pages.exists()


def test_long_sources_and_outputs_are_cut_with_a_note(folder: JobFolder) -> None:
    outputs: list[dict[str, Any]] = [
        {"output_type": "stream", "name": "stdout", "text": "s" * 5000},
        {"output_type": "display_data", "metadata": {}, "data": {"text/html": "<b>h</b>" * 900, "text/plain": "t"}},
        {"output_type": "display_data", "metadata": {}, "data": {"image/png": "A" * 8000}},
    ]
    page = _rendered(folder, _notebook(_MARKDOWN, outputs=outputs), text=1000, output=500, cells=2)
    assert isinstance(page, Path)
    text = page.read_text(encoding="utf-8")

    assert "95000 more characters are not shown" in text
    assert "4500 more characters are not shown" in text
    assert "not shown: text/html, 7200 characters" in text
    assert "<b>h</b>" not in text
    cells = _rendered(folder, _notebook(*([_MARKDOWN] * 5)), text=1000, cells=3)
    assert isinstance(cells, Path)
    assert "3 more cells are not shown" in cells.read_text(encoding="utf-8")


def test_formulas_are_typeset_without_a_script_or_another_host(folder: JobFolder) -> None:
    markdown = {"cell_type": "markdown", "metadata": {}, "source": "costs \\$5, $a<b$\n\n$$\\frac{1}{2}$$ and `$c$`"}
    latex = {"text/latex": r"$\displaystyle \sqrt{x}$", "text/plain": "sqrt(x)"}
    page = _rendered(
        folder, _notebook(markdown, outputs=[{"output_type": "display_data", "metadata": {}, "data": latex}])
    )
    assert isinstance(page, Path)
    body = page.read_text(encoding="utf-8").partition("<body")[2]

    assert len(re.findall("<math ", body)) == 3
    assert "<mo>&lt;</mo>" in body
    assert "costs $5" in body
    assert "<code>$c$</code>" in body
    assert "sqrt(x)" not in body
    assert not re.findall(r"(?:src|href)=.?https?:", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"cpu": 1, "text": 1 << 20}, "takes too long"),
        ({"seconds": 1, "text": 1 << 20}, "takes too long"),
        ({"page": 1000}, "page would be too large"),
        ({"memory": 100 << 20, "text": 1 << 20}, "too much memory|could not be rendered"),
    ],
)
def test_what_exceeds_a_limit_is_not_shown(folder: JobFolder, limits: dict[str, int], reason: str) -> None:
    """An ordinary notebook with many cells, and limits that are too low for it."""
    found = _rendered(folder, _notebook(*([_MARKDOWN] * 60)), **limits)

    assert isinstance(found, NotShown)
    assert re.search(reason, found.reason)
    kept = list(folder.pages.iterdir())
    assert [path.suffix for path in kept] == [".failed"]
    kept[0].write_text("kept")
    assert _rendered(folder, _notebook(*([_MARKDOWN] * 60)), **limits) == NotShown("kept")


@pytest.mark.parametrize("text", [b"", b"{}", b"[1]", b'{"cells": 3, "nbformat": 4, "nbformat_minor": 5}', b"\xff"])
def test_what_is_no_notebook_is_not_shown(folder: JobFolder, text: bytes) -> None:
    found = _rendered(folder, text)

    assert isinstance(found, NotShown)


def test_few_are_rendered_at_once_and_few_wait(folder: JobFolder) -> None:
    pages = NotebookPages(at_once=1, waiting=1)
    first = pages.page(folder, _notebook(_MARKDOWN))
    assert pages.page(folder, _notebook(_MARKDOWN)) is first
    wait_until(pages._queue.empty, message="the thread takes it")
    second = pages.page(folder, _notebook())

    with pytest.raises(BusyError):
        pages.page(folder, _notebook(_MARKDOWN, _MARKDOWN))
    assert isinstance(first.result(timeout=60), Path)
    assert isinstance(second.result(timeout=60), Path)


def test_the_process_that_renders_is_given_nothing_of_the_services_environment(
    folder: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACKMILL_GIT_TOKEN", "secret-of-the-operator")
    rendering = NotebookPages().page(folder, _notebook(*([_MARKDOWN] * 20)))
    found = b""
    while not rendering.done() and b"HOME=" not in found:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if b"notebooks/program.py" in (process / "cmdline").read_bytes() and _is_mine(process):
                    found = (process / "environ").read_bytes()
            except OSError:
                continue
    rendering.result(timeout=60)

    assert b"HOME=" in found
    assert b"secret-of-the-operator" not in found
    assert b"HOME=" + os.environ["HOME"].encode() + b"\0" not in found


def _is_mine(process: Path) -> bool:
    return f"PPid:\t{os.getpid()}\n" in (process / "status").read_text()


def _left(service: Service, file: Path, document: bytes) -> int:
    """A job that has left a notebook; its number."""
    file.write_bytes(document)
    number = service.trigger(script=f"mkdir out; cp {file} out/0.ipynb")
    assert service.wait(number) == "success"
    return int(service.jobs(number)["one"]["id"])


def _session(service: Service) -> requests.Session:
    session = requests.Session()
    session.post(f"{service.url}/-/sign-in", data={"token": ACCESS}, timeout=60)
    return session


def test_other_requests_are_answered_while_notebooks_are_rendered(service: Service, tmp_path: Path) -> None:
    cells = [_MARKDOWN | {"source": "plain words " * 300} for _ in range(300)]
    job = _left(service, tmp_path / "x", _notebook(*cells))
    session, other = _session(service), _session(service)
    answers: list[requests.Response] = []
    address = f"{service.url}/ada/toy/-/jobs/{job}"
    asking = threading.Thread(target=lambda: answers.append(session.get(f"{address}/notebook/out/0.ipynb", timeout=60)))
    asking.start()
    answered = 0
    while asking.is_alive():
        assert other.get(f"{service.url}/ada/toy/-/pipelines/new", timeout=60).status_code == 200
        answered += 1
    asking.join()

    assert answers[0].status_code == 200
    assert "plain words" in answers[0].text
    assert answers[0].headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert answered >= 5
    assert (service.data / "jobs" / str(job) / "pages").is_dir()
    assert service.ask("POST", f"/jobs/{job}/erase").status_code == 201
    assert not (service.data / "jobs" / str(job) / "pages").exists()


def test_a_notebook_that_is_not_shown_can_be_fetched(service: Service, tmp_path: Path) -> None:
    job = _left(service, tmp_path / "x", b'{"cells": "none"}')
    address = f"{service.url}/ada/toy/-/jobs/{job}"
    answer = _session(service).get(f"{address}/notebook/out/0.ipynb", timeout=60)

    assert answer.status_code == 200
    assert "not a valid notebook" in answer.text
    assert f'href="/ada/toy/-/jobs/{job}/files/out/0.ipynb"' in answer.text
    assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
