"""Inputs, outputs and steps: each has a label and a doc, because platforms refuse a document that lacks one."""

from __future__ import annotations

from typing import Any

from generator.documents.text import prose


def port(kind: Any, text: str, doc: str = "") -> dict[str, Any]:
    """Return an input or an output of this type; the label is its doc, too, when there is no other."""
    return {"type": kind, **described(text, doc)}


def described(text: str, doc: str = "") -> dict[str, Any]:
    """Return a label, and a doc that is never empty (OGC 20-089r1, /req/app-pck/wf-inputs)."""
    return {"label": text, "doc": prose(doc or text)}
