"""The registry of documents: which emitters it has, and which documents they write for a process."""

from __future__ import annotations

import json
from pathlib import Path

from document_context import context_of as _context

import generator.documents
from generator.documents import readme
from generator.documents.package import catalogs, emitters, optional_emitters, package
from generator.request.build import optional_documents

_STAGING = {"stage_in.cwl", "cache_workflow.cwl", "stage_out.cwl", "workflow.cwl"}


def test_every_emitter_is_registered() -> None:
    folder = Path(generator.documents.__file__).parent
    modules = {file.stem for file in folder.rglob("*.py") if "\ndef emit(" in file.read_text(encoding="utf-8")}

    assert modules == {emitter.__name__.rpartition(".")[2] for emitter in (*emitters, *optional_emitters.values())}


def test_requests_and_emitters_agree_on_the_optional_documents() -> None:
    assert (*optional_emitters, *catalogs) == optional_documents


def test_no_two_emitters_write_the_same_document() -> None:
    context = _context("tile = 'x.tif'  # type: stage-in\nplot = 'x.png'  # type: stage-out")
    names = [name for emitter in (*emitters, *optional_emitters.values()) for name in emitter.emit(context)]

    assert len(names) == len(set(names))
    assert set(names) > _STAGING


def test_a_process_that_stages_nothing_has_no_staging_documents() -> None:
    files = package(_context("n = 1"), environment=(), image_digest=None, tools={})

    assert not _STAGING & set(files)
    assert json.loads(files["package.json"])["documents"] == sorted(files)


def test_a_deposited_package_s_descriptor_has_the_address_of_its_document() -> None:
    files = package(_context("n = 1", address="https://x.org/p"), environment=(), image_digest=None, tools={})

    assert '"href": "https://x.org/p/application.cwl"' in files["applicationDescriptor.json"]


def test_a_type_of_the_author_s_words_stays_in_its_column_of_the_readme() -> None:
    cell = 'a = 1.0  # type: float [a|b <script>] x\nb = "x"  # type: Literal["x", "y"]\nc = [1]  # type: int[]'
    text = readme.readme_md(_context(cell))

    assert r"| `a` | float a\|b \<script\> | 1.0 | x |" in text
    assert r"| `b` | x \| y | 'x' |" in text
    assert "| `c` | int[] |" in text
