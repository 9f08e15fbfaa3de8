"""Conversion of a kernel's messages to cell outputs (nbformat 4.5; Jupyter's messaging, "Messages on IOPub").

Streams are merged: between two other outputs a cell has at most one text of stdout and one of stderr, in this order,
so that two runs differ only in times.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any, Protocol

from generator.runner.document.streams import Text, append_stream
from generator.runner.kernels.messages import Message

Cell = MutableMapping[str, Any]


class Cells(Protocol):
    """The cells of a running notebook; they may be stored on disk between two uses."""

    def __len__(self) -> int: ...

    def cell(self, index: int) -> Cell:
        """Return the cell, to be read and changed."""


class Outputs:
    """Adds messages to cells as outputs."""

    def __init__(self, cells: Cells, *, reply: Callable[..., Any]) -> None:
        """``reply`` sends a message to the kernel's shell channel, as a front end with widgets does."""
        self._cells = cells
        self._owners: dict[str, int] = {}
        self._displays: dict[str, list[tuple[int, int]]] = {}
        self._shown: dict[int, set[str]] = {}
        """The displays of each cell."""
        self.updated: set[int] = set()
        """Cells whose displays were changed after they were shown."""
        self._to_clear: set[int] = set()
        self._reply = reply
        self._widgets: Any = None

    def expect(self, request: str, index: int) -> None:
        """Assign the messages of a request to a cell."""
        self._owners[request] = index

    def owner(self, message: Message) -> int | None:
        """Return the index of the cell that a message belongs to."""
        return self._owners.get(message.parent)

    def take(self, message: Message) -> dict[str, Any] | None:
        """Add a message to its cell and return the new output, if any."""
        index = self.owner(message)
        if index is None:
            return None
        cell = self._cells.cell(index)
        content = message.content
        if "execution_count" in content:
            cell["execution_count"] = content["execution_count"]
        if message.kind in ("status", "execute_input"):
            note_time(cell, message)
            if self._widgets and content.get("execution_state") == "idle":
                self._widgets.resume()
        if message.kind.startswith("comm_"):
            self._widget_message(message)
            return None
        display = (content.get("transient") or {}).get("display_id")
        if display and message.kind in ("execute_result", "display_data", "update_display_data"):
            self._update(display, content)
        if message.kind == "clear_output":
            self._clear(message, index, cell)
            return None
        output = to_output(message)
        if output is None or (self._widgets and self._widgets.takes(message, output)):
            return None
        self._add(index, cell, output, display)
        return output

    def _add(self, index: int, cell: Cell, output: dict[str, Any], display: str | None) -> None:
        if index in self._to_clear:
            self._to_clear.remove(index)
            self._empty(index, cell)
        if display:
            self._displays.setdefault(display, []).append((index, len(cell["outputs"])))
            self._shown.setdefault(index, set()).add(display)
        if output["output_type"] != "stream" or not append_stream(cell["outputs"], output):
            cell["outputs"].append(output)

    def _update(self, display: str, content: dict[str, Any]) -> None:
        """Update all outputs of a display id, in every cell."""
        for index, position in self._displays.get(display, ()):
            output = self._cells.cell(index)["outputs"][position]
            output.update(_bundle(content))
            self.updated.add(index)

    def _empty(self, index: int, cell: Cell) -> None:
        del cell["outputs"][:]
        for display in self._shown.pop(index, ()):
            self._displays[display] = [place for place in self._displays[display] if place[0] != index]

    def _clear(self, message: Message, index: int, cell: Cell) -> None:
        if self._widgets and self._widgets.clears(message):
            return
        if message.content.get("wait"):
            self._to_clear.add(index)
        else:
            self._empty(index, cell)

    def _widget_message(self, message: Message) -> None:
        if self._widgets is None:
            from generator.runner.execution.widgets import Widgets

            self._widgets = Widgets(self._reply)
        self._widgets.take(message)

    def widget_state(self) -> dict[str, Any] | None:
        """Return the notebook's ``metadata.widgets``, or None without widgets."""
        state: dict[str, Any] | None = self._widgets.state() if self._widgets else None
        return state


def to_output(message: Message) -> dict[str, Any] | None:
    """Convert a message to an output; None for other messages.

    Raises:
        KeyError, TypeError: a part of the output is missing, or not of its type in nbformat.
    """
    content = message.content
    if message.kind == "stream":
        return {"output_type": "stream", "name": content["name"], "text": Text(str(content["text"]))}
    if message.kind == "display_data":
        return {"output_type": "display_data", **_bundle(content)}
    if message.kind == "execute_result":
        count = content.get("execution_count")
        return {"output_type": "execute_result", "execution_count": count, **_bundle(content)}
    if message.kind == "error":
        return {"output_type": "error", **{key: content.get(key) for key in ("ename", "evalue", "traceback")}}
    return None


def _bundle(content: dict[str, Any]) -> dict[str, Any]:
    """Return data and metadata of a display; of other types, they would end each save."""
    found = {"data": content["data"], "metadata": content.get("metadata") or {}}
    for name, value in found.items():
        if not isinstance(value, dict):
            raise TypeError(f"its {name} is not an object")
    return found


def note_time(cell: Cell, message: Message) -> None:
    """Note a time in the cell's ``metadata.execution`` (nbformat, "Cell metadata")."""
    times = cell["metadata"].setdefault("execution", {})
    if message.kind == "status":
        times[f"iopub.status.{message.content['execution_state']}"] = message.time
    elif message.time:
        times["iopub.execute_input" if message.kind == "execute_input" else "shell.execute_reply"] = message.time
