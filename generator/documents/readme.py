"""``README.md`` of a package: how to run it, for its recipients."""

from __future__ import annotations

from collections.abc import Iterator

from generator.documents.context import DocumentContext
from generator.documents.cwl.application import workflow_id
from generator.documents.cwl.platform_inputs import is_json_text
from generator.documents.cwl.process import shown_type
from generator.documents.cwl.scatter import scatter_id, scattered_inputs
from generator.notebook.parameters import Missing
from generator.request.resources import describe_resources
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
            "type": _cell(shown_type(one)).replace("\\[\\]", "[]"),
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
    texts = [one for one in interface.values if is_json_text(one)]
    return render(
        "package/README.md",
        context=context,
        code=_code,
        title=_cell(context.title),
        description=_cell(context.metadata.description, limit=1000),
        about=[(name, _cell(value)) for name, value in _about(context)],
        inputs=inputs,
        outputs=outputs,
        value=_example(context),
        staged=", ".join(f"`{one.id}`" for one in interface.stage_ins),
        delivered=bool(interface.outputs),
        workflow=workflow_id(context),
        scattered=", ".join(f"`{name}`" for name in scattered_inputs(context)),
        scattered_several=len(scattered_inputs(context)) > 1,
        scatter=scatter_id(context),
        texts=", ".join(f"`{one.id}`" for one in texts),
        texts_several=len(texts) > 1,
    )


def _about(context: DocumentContext) -> Iterator[tuple[str, str]]:
    """Yield the rows of the table about the process, each with a value."""
    metadata = context.metadata
    people = {"author": metadata.author, "contributor": metadata.contributor, "publisher": metadata.publisher}
    yield "version", metadata.version
    for name, persons in people.items():
        if persons:
            yield name, ", ".join(f"{one.name} <{one.email}>" if one.email else one.name for one in persons)
    texts = {
        "license": metadata.license,
        "citation": metadata.citation,
        "documentation": metadata.software_help,
        "keywords": ", ".join(metadata.keywords),
    }
    yield from ((name, text) for name, text in texts.items() if text)
    if resources := describe_resources(context.process.resources):
        yield "resources", resources


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


def _cell(text: str, *, limit: int = 120) -> str:
    """Format text as a table cell that repository content cannot break out of."""
    plain = " ".join(text.split())
    plain = plain if len(plain) <= limit else plain[: limit - 3] + "..."
    for mark in "\\`|<>[]*_":
        plain = plain.replace(mark, f"\\{mark}")
    return plain
