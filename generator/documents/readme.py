"""``README.md`` of a package: how to run it, for its recipients."""

from __future__ import annotations

from generator.documents.context import DocumentContext
from generator.documents.cwl.process import shown_type
from generator.notebook.parameters import Missing
from generator.resources import render
from generator.shared.safe_text import printable


def emit(context: DocumentContext) -> dict[str, str]:
    """Return ``README.md``."""
    return {"README.md": readme_md(context)}


def readme_md(context: DocumentContext) -> str:
    """Return the text of ``README.md``."""
    interface = context.process.interface
    inputs = [
        {
            "name": one.id,
            "type": shown_type(one),
            "default": _cell(
                "needed" if one.required else "" if isinstance(one.default, Missing) else repr(one.default)
            ),
            "doc": _cell(one.doc),
        }
        for one in interface.inputs
    ]
    outputs = [
        {
            "name": one.id,
            "type": f"{one.type}{'[]' if one.array else ''}",
            "glob": _code(one.glob),
            "doc": _cell(one.doc),
        }
        for one in interface.outputs
    ]
    return render(
        "package/README.md",
        context=context,
        code=_code,
        title=_cell(context.title),
        inputs=inputs,
        outputs=outputs,
        value=_example(context),
        staged=", ".join(f"`{one.id}`" for one in interface.stage_ins),
        delivered=bool(interface.outputs),
    )


def _example(context: DocumentContext) -> str | None:
    """Return an example for ``-p``: the default of the first plain input."""
    for one in context.process.interface.values:
        if one.hint.secret:
            continue
        if isinstance(one.default, int | float | str) and not isinstance(one.default, bool) and not one.hint.array:
            text = str(one.default)
            if text and text.isprintable() and all(c.isalnum() or c in "._-" for c in text):
                return f"{one.id}={text}"
    return None


def _code(text: str) -> str:
    """Format text as inline code in a table; the text cannot end the code span."""
    plain = printable(text).replace("`", "'").replace("|", "\\|")
    return f"`{plain}`"


def _cell(text: str) -> str:
    """Format text as a table cell that repository content cannot break out of."""
    plain = " ".join(text.split())
    plain = plain if len(plain) <= 120 else plain[:117] + "..."
    for mark in "\\`|<>[]*_":
        plain = plain.replace(mark, f"\\{mark}")
    return plain
