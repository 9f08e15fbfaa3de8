"""Any notebook has an interface and documents, or one clear error: no traceback, no hang, and none of its code runs."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import re
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import pytest
import yaml
from document_context import context_of_process
from effects import watched_effects
from hypothesis import HealthCheck, Phase, given, settings
from notebook_texts import cells, configurations, metadata_files, notebooks, text_notebooks, write_repository
from support import here, notebook

from generator.build.inspect import describe, table
from generator.documents.package import package
from generator.process.process import Process, read_process
from generator.shared.errors import PackmillError

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_EXAMPLES = int(os.environ.get("PACKMILL_FUZZ_EXAMPLES", "2000"))
"""Cells, and of the other kinds a share of this number: 5,000 in all. `make fuzz` tries more, and others each time."""
_SECONDS = 5.0
"""The most that a notebook may take, many times what the slowest one takes."""
_FUZZED = settings(
    max_examples=_EXAMPLES,
    derandomize="PACKMILL_FUZZ_EXAMPLES" not in os.environ,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],  # to find a smaller notebook takes minutes
)
_ENDINGS = (".py", ".md", ".qmd", ".Rmd")
_DOCUMENTED = 20
"""All documents are written and read for one notebook of this number: that takes a hundred times as long."""


@pytest.fixture(autouse=True, scope="module")
def _imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Import and compile first: a module that is imported later would count as code that runs."""
    for name in ("notebook", "metadata", "process", "documents", "crates"):
        for module in pkgutil.walk_packages([str(here.parent / "generator" / name)], f"generator.{name}."):
            importlib.import_module(module.name)
    folder = tmp_path_factory.mktemp("text")
    read_process(folder, write_repository(folder, b'# %% tags=["parameters"]\n', ".py"))


@settings(_FUZZED, max_examples=_EXAMPLES * 3 // 4)  # each has such a cell, too, and takes longer
@given(notebooks())
def test_a_notebook_of_any_form(data: bytes) -> None:
    _check(data, ".ipynb")


@_FUZZED
@given(cells())
def test_a_notebook_with_any_parameters_cell(cell: tuple[str, str]) -> None:
    language, text = cell
    _check(json.dumps(notebook(text, language=language)).encode(), ".ipynb")


@pytest.mark.parametrize("ending", _ENDINGS)
@settings(_FUZZED, max_examples=_EXAMPLES // 8)
@given(text_notebooks())
def test_a_text_notebook(ending: str, text: bytes) -> None:
    _check(text, ending)


@settings(_FUZZED, max_examples=_EXAMPLES // 8)
@given(configurations())
def test_a_script_with_any_configuration(text: bytes) -> None:
    _check(b"echo $1\n", ".sh", {"algorithm_config.yml": text})


@settings(_FUZZED, max_examples=_EXAMPLES // 8)
@given(metadata_files())
def test_a_repository_with_any_metadata(files: dict[str, bytes]) -> None:
    _check(json.dumps(notebook("x = 1")).encode(), ".ipynb", files)


def _check(data: bytes, ending: str, files: Mapping[str, bytes] = MappingProxyType({})) -> None:
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        name = write_repository(folder, data, ending)
        begin = time.process_time()
        with watched_effects() as effects, contextlib.suppress(PackmillError):
            _read_and_describe(folder, name, with_documents=zlib.crc32(data + repr(files).encode()) % _DOCUMENTED == 0)
        assert effects == []
        assert time.process_time() - begin < _SECONDS


def _read_and_describe(folder: Path, name: str, *, with_documents: bool) -> None:
    process = read_process(folder, name)
    described = describe(process, ())
    _check_text(table(described))
    json.dumps(described, ensure_ascii=False).encode()
    if with_documents:
        _write_documents(process)


def _write_documents(process: Process) -> None:
    context = context_of_process(process, emits=("airflow", "maap", "ro-crate"))
    for path, content in package(context, environment=(), image_digest=None, tools={}).items():
        text = content if isinstance(content, str) else content.decode()
        _check_text(text)
        if path.endswith(".json"):
            json.loads(text, parse_constant=_refuse)
        elif path.endswith((".cwl", ".yml")):
            yaml.load(text, yaml.CSafeLoader)


def _check_text(text: str) -> None:
    text.encode()
    assert not _CONTROLS.search(text)


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")
