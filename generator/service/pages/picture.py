"""Draw a CWL document as SVG: inputs on the left, then steps, outputs on the right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

_MOST_VISITS = 100_000
"""Steps times their connections that are followed to arrange the steps; anyone may have written the document."""
_WIDTH, _HEIGHT, _ACROSS, _DOWN, _MARGIN = 190, 40, 90, 16, 12


@dataclass(frozen=True, slots=True)
class Node:
    """A box: its class (input, step, output), its texts and its position."""

    kind: str
    label: str
    note: str
    x: int = 0
    y: int = 0


@dataclass(frozen=True, slots=True)
class Graph:
    """Boxes by name, and the connections between them."""

    nodes: Mapping[str, Node]
    edges: tuple[tuple[str, str], ...]


def graph_of(document: Mapping[str, Any], *, title: str) -> Graph:
    """Return the graph of a CommandLineTool or a Workflow (CWL v1.2)."""
    inputs = {f"in/{name}": Node("input", name, _type(value)) for name, value in _entries(document, "inputs")}
    outputs = {f"out/{name}": Node("output", name, _type(value)) for name, value in _entries(document, "outputs")}
    if document.get("class") != "Workflow":
        step = {"step/": Node("step", title, str(document.get("class", "")))}
        edges = [*((name, "step/") for name in inputs), *(("step/", name) for name in outputs)]
        return Graph({**inputs, **step, **outputs}, tuple(edges))
    steps = dict(_entries(document, "steps"))
    nodes = {f"step/{name}": Node("step", name, _run_target(value)) for name, value in steps.items()}
    found = [
        (_node(source, steps), f"step/{name}")
        for name, value in steps.items()
        for _, port in _entries(value, "in")
        for source in _sources(port, "source")
    ]
    for name, value in _entries(document, "outputs"):
        found += [(_node(source, steps), f"out/{name}") for source in _sources(value, "outputSource")]
    known = {**inputs, **nodes, **outputs}
    return Graph(known, tuple(dict.fromkeys((a, b) for a, b in found if a in known and b in known)))


def _entries(document: Mapping[str, Any], key: str) -> list[tuple[str, Any]]:
    """Read a list of named objects in either form of CWL (SALAD, "Identifier maps")."""
    value = document.get(key) if isinstance(document, dict) else None
    if isinstance(value, dict):
        return [(str(name), one) for name, one in value.items()]
    listed = value if isinstance(value, list) else []
    return [(str(one.get("id", "")).rpartition("#")[2], one) for one in listed if isinstance(one, dict)]


def _type(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else value
    if isinstance(kind, list):
        return " | ".join(_type({"type": one}) for one in kind if one != "null") + ("?" if "null" in kind else "")
    if isinstance(kind, dict):
        of = f"{_type({'type': kind.get('items')})}[]" if kind.get("type") == "array" else str(kind.get("type"))
        return " | ".join(map(str, kind["symbols"])) if isinstance(kind.get("symbols"), list) else of
    return str(kind).rpartition("/")[2]  # a record type is an address in its document: #workflow/S3


def _run_target(value: Any) -> str:
    run = value.get("run") if isinstance(value, dict) else None
    return run.rpartition("/")[2] if isinstance(run, str) else ""


def _sources(port: Any, key: str) -> list[str]:
    value = port.get(key) if isinstance(port, dict) else port
    return [str(one) for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


def _node(source: str, steps: Mapping[str, Any]) -> str:
    """Return the box of a source: a step for its output, or an input of the workflow."""
    plain = source.rpartition("#")[2]
    step = plain.partition("/")[0]
    return f"step/{step}" if "/" in plain and step in steps else f"in/{plain}"


def interface_graph(interface: Mapping[str, Any], *, title: str) -> Graph:
    """Return the graph of a notebook with the inputs and outputs that it declares, without staging and its ports."""
    listed = [*interface.get("inputs", ()), *interface.get("stage_in", ())]
    inputs = {f"in/{one['name']}": Node("input", str(one["name"]), _declared_type(one)) for one in listed}
    listed = interface.get("outputs", ())
    outputs = {f"out/{one['name']}": Node("output", str(one["name"]), _declared_type(one)) for one in listed}
    step = {"step/": Node("step", title, "")}
    edges = [*((name, "step/") for name in inputs), *(("step/", name) for name in outputs)]
    return Graph({**inputs, **step, **outputs}, tuple(edges))


def _declared_type(one: Mapping[str, Any]) -> str:
    return " | ".join(map(str, one.get("symbols") or (one["type"],))) + ("[]" if one.get("array") else "")


def draw(graph: Graph) -> str:
    """Render a graph as HTML with two SVGs: ``across`` for wide windows, and ``down`` for narrow ones.

    Texts are escaped. The stylesheet sets the colors and shows one of the two.
    """
    return f'<div class="picture">{_draw_across(graph)}{_draw_down(graph)}</div>'


def _draw_across(graph: Graph) -> str:
    columns = _columns(graph)
    most = max((len(column) for column in columns), default=1)
    height = 2 * _MARGIN + most * (_HEIGHT + _DOWN) - _DOWN
    width = 2 * _MARGIN + len(columns) * (_WIDTH + _ACROSS) - _ACROSS
    places: dict[str, tuple[int, int]] = {}
    for number, column in enumerate(columns):
        top = (height - len(column) * (_HEIGHT + _DOWN) + _DOWN) // 2
        for row, name in enumerate(column):
            places[name] = (_MARGIN + number * (_WIDTH + _ACROSS), top + row * (_HEIGHT + _DOWN))
    lines = [_draw_line(places[a], places[b]) for a, b in graph.edges]
    return _svg(graph, places, lines, layout="across", width=width, height=height)


def _draw_down(graph: Graph) -> str:
    """Put all boxes in one column, in the order of `_columns`, with the connections as arcs at its right."""
    names = [name for column in _columns(graph) for name in column]
    places = {name: (_MARGIN, _MARGIN + row * (_HEIGHT + _DOWN)) for row, name in enumerate(names)}
    height = 2 * _MARGIN + max(1, len(names)) * (_HEIGHT + _DOWN) - _DOWN
    lines = [_draw_arc(places[a], places[b]) for a, b in graph.edges]
    return _svg(graph, places, lines, layout="down", width=2 * _MARGIN + _WIDTH + _ACROSS, height=height)


def _svg(
    graph: Graph, places: Mapping[str, tuple[int, int]], lines: list[str], *, layout: str, width: int, height: int
) -> str:
    boxes = [_draw_box(node, *places[name]) for name, node in graph.nodes.items()]
    steps = ", ".join(node.label for node in graph.nodes.values() if node.kind == "step")
    return (
        f'<svg class="workflow {layout}" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="The workflow: {escape(steps)}">{"".join(lines)}{"".join(boxes)}</svg>'
    )


def _columns(graph: Graph) -> list[list[str]]:
    """Arrange boxes in columns by their distance from the inputs, with all outputs at the right."""
    depth = {name: 0 for name, node in graph.nodes.items() if node.kind == "input"}
    steps = {name for name, node in graph.nodes.items() if node.kind == "step"}
    depth.update(dict.fromkeys(steps, 1))
    between = [edge for edge in graph.edges if steps.issuperset(edge)]
    most = min(len(steps), _MOST_VISITS // max(1, len(between)))
    for _ in range(most):  # a longest path has no more edges than there are steps
        before = dict(depth)
        for first, second in between:
            depth[second] = max(depth[second], min(depth[first] + 1, len(steps)))
        if depth == before:
            break
    last = max(depth.values(), default=0) + 1
    depth.update({name: last for name, node in graph.nodes.items() if node.kind == "output"})
    found: dict[int, list[str]] = {}
    for name in graph.nodes:
        found.setdefault(depth[name], []).append(name)
    return [found[number] for number in sorted(found)]


def _draw_line(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1 = start[0] + _WIDTH, start[1] + _HEIGHT // 2
    x2, y2 = end[0], end[1] + _HEIGHT // 2
    middle = (x1 + x2) // 2
    return f'<path d="M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}"/>'


def _draw_arc(start: tuple[int, int], end: tuple[int, int]) -> str:
    x, y1, y2 = start[0] + _WIDTH, start[1] + _HEIGHT // 2, end[1] + _HEIGHT // 2
    bend = x + min(_ACROSS, 20 + abs(y2 - y1) // 6)
    return f'<path d="M{x} {y1} C{bend} {y1} {bend} {y2} {x} {y2}"/>'


def _draw_box(node: Node, x: int, y: int) -> str:
    whole = escape(": ".join(filter(None, (node.label, node.note))))
    return (
        f'<g class="{node.kind}" transform="translate({x} {y})"><title>{whole}</title>'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>'
        f'<text x="10" y="17">{escape(_shorten(node.label))}</text>'
        f'<text x="10" y="32" class="note">{escape(_shorten(node.note))}</text></g>'
    )


def _shorten(text: str) -> str:
    return text if len(text) <= 26 else text[:25] + "…"
