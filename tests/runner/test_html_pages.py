"""Pages of ``--html``: outputs are shown without a network, and those that a page cannot show are named."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright
from support import Folder

pytestmark = pytest.mark.slow

_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_PLOTLY = "application/vnd.plotly.v1+json"
_FIGURE = {"data": [{"type": "scatter", "x": [1], "y": [2], "name": "</script><b>&amp;"}], "layout": {}}
_PROGRAM = """\
(function (root, factory) {
  if (typeof define === "function" && define.amd) define([], factory);
  else if (typeof module === "object" && module.exports) module.exports = factory();
  else window.Plotly = factory();
}(this, function () {
  return {newPlot: (id, figure) => { document.getElementById(id).textContent = "drawn: " + figure.data[0].name; }};
}));
"""
"""A stand-in for plotly.js, in the form in which most versions of it are."""


@pytest.fixture
def here(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def _shows(bundle: dict[str, object]) -> str:
    return f"display({bundle!r}, raw=True)"


def _kernel_with_plotly(folder: Path) -> None:
    """A kernel in an environment that has plotly."""
    environment = folder / "environment"
    packages = environment / "lib/python3.12/site-packages/plotly/package_data"
    spec = environment / "share/jupyter/kernels/plots"
    for created in (packages, spec, environment / "bin"):
        created.mkdir(parents=True)
    (packages / "plotly.min.js").write_text(_PROGRAM)
    python = environment / "bin/python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    argv = ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "language": "python"}))


@pytest.mark.skipif(_CHROMIUM is None, reason="no Chromium is installed")
def test_figures_of_plotly_are_drawn_without_a_network(here: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    _kernel_with_plotly(here.folder)
    monkeypatch.setenv("JUPYTER_PATH", str(here.folder / "environment/share/jupyter"))
    here.write(_shows({_PLOTLY: _FIGURE}), _shows({_PLOTLY: _FIGURE, "text/plain": "Figure"}), kernel="plots")

    done = here.run("in.ipynb", "out.ipynb", "--html")

    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=_ARGUMENTS)
        context = browser.new_context(offline=True)
        page = context.new_page()
        page.goto((here.folder / "out.html").as_uri())
        drawn = [page.locator(f"#packmill-plotly-{number}").inner_text() for number in (1, 2)]
        browser.close()
    assert drawn == ["drawn: </script><b>&amp;"] * 2
    assert json.loads((here.folder / "out.ipynb").read_text())["cells"][0]["outputs"][0]["data"] == {_PLOTLY: _FIGURE}


@pytest.mark.parametrize(
    "bundle",
    [
        {_PLOTLY: _FIGURE},
        {"application/vnd.vegalite.v5+json": {"mark": "bar"}, "text/plain": "<VegaLite 5 object>"},
        {"application/vnd.jupyter.widget-view+json": {"model_id": "gone", "version_major": 2, "version_minor": 0}},
    ],
)
def test_an_output_that_a_page_cannot_show_is_named(bundle: dict[str, object], here: Folder) -> None:
    kind = next(iter(bundle))
    here.write(_shows(bundle))

    done = here.run("in.ipynb", "out.ipynb", "--html")

    assert done.returncode == 0, done.stderr
    line = f"warning: the HTML page cannot show outputs of type {kind}; the executed notebook has them"
    assert line in done.stderr.splitlines()
    assert "UserWarning" not in done.stderr
    page = (here.folder / "out.html").read_text()
    assert f"A page cannot show this output ({kind}); the executed notebook has it." in page
    assert "text/plain" not in bundle or "<pre>&lt;VegaLite 5 object&gt;</pre>" in page


def test_json_and_other_pictures_are_shown_and_glued_values_are_not(here: Folder) -> None:
    point = {"type": "Point", "coordinates": [1, "<b>"]}
    here.write(
        _shows({"application/geo+json": point, "text/plain": "<GeoJSON object>"}),
        _shows({"image/gif": "R0lGODlhAQABAAAAACw="}),
        "from packmill import glue\nglue('secret-name', 1)\nglue('word', 'x')",
        "class Page:\n    def _repr_html_(self): return '<i>own</i>'\nPage()",
    )

    done = here.run("in.ipynb", "out.ipynb", "--html")

    assert done.returncode == 0, done.stderr
    assert "arning" not in done.stderr
    page = (here.folder / "out.html").read_text()
    assert '"Point"' in page
    assert "&lt;b&gt;" in page
    assert 'src="data:image/gif;base64,R0lGODlhAQABAAAAACw="' in page
    assert "<i>own</i>" in page
    assert "A page cannot show" not in page


def test_a_page_with_formulas_asks_no_other_host(here: Folder) -> None:
    here.write("from IPython.display import Math\nMath(r'\\frac{1}{2}')")

    done = here.run("in.ipynb", "out.ipynb", "--html")

    assert done.returncode == 0, done.stderr
    page = (here.folder / "out.html").read_text()
    assert "<mfrac>" in page
    assert not re.findall(r"(?:src|href)=.?https?:", page)
