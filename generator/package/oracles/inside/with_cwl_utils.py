"""The parser and the packer of ``cwl-utils``, on which cwl-loader, runcrate and transpiler-mate are built."""

from __future__ import annotations

from pathlib import Path

from cwl_utils.pack import pack
from cwl_utils.parser import load_document_by_uri, load_document_by_yaml


def judge(path: str) -> tuple[list[str], list[str]]:
    """Parse the document, pack it, and parse the packed one."""
    uri = Path(path).as_uri()
    load_document_by_uri(uri, load_all=True)
    if "SchemaDefRequirement" not in Path(path).read_text(encoding="utf-8"):  # cwl-pack cannot resolve a step's types
        load_document_by_yaml(pack(uri), uri, load_all=True)
    return [], []
