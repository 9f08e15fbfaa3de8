"""Widgets of a notebook without a browser: their state is kept, and output widgets collect outputs.

jupyter-widgets' messaging (packages/schema/messages.md) and widget-state schema, version 2.
"""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from generator.runner.document.streams import Text, append_stream
from generator.runner.kernels.messages import Message

MOST_UPDATES = 400
"""Updates of widgets that a kernel gets while it runs a cell, and as many at its end."""
_STATE_KIND = "application/vnd.jupyter.widget-state+json"


class Widgets:
    """All widgets of one run, by comm id."""

    def __init__(self, reply: Callable[..., Any]) -> None:
        self._updates = _Updates(reply)
        self._states: dict[str, dict[str, Any]] = {}
        self._buffers: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = defaultdict(dict)
        self._collectors: dict[str, _Collector] = {}
        self._stacks: dict[str, list[_Collector]] = defaultdict(list)

    def take(self, message: Message) -> None:
        """Handle a ``comm_open``, ``comm_msg`` or ``comm_close``."""
        data = message.content.get("data")
        comm = str(message.content.get("comm_id"))
        if not isinstance(data, dict) or not isinstance(data.get("state"), dict):
            return  # another program's comm
        self._states.setdefault(comm, {}).update(data["state"])
        for path, buffer in zip(data.get("buffer_paths") or (), message.buffers, strict=False):
            encoded = base64.b64encode(buffer).decode()
            self._buffers[comm][tuple(path)] = {"data": encoded, "encoding": "base64", "path": path}
        kind = (data["state"].get("_model_module"), data["state"].get("_model_name"))
        if message.kind == "comm_open" and kind == ("@jupyter-widgets/output", "OutputModel"):
            self._collectors[comm] = _Collector(comm, self._states[comm], self._updates)
        elif comm in self._collectors and "msg_id" in data["state"]:
            self._follow(self._collectors[comm], data["state"]["msg_id"])

    def _follow(self, collector: _Collector, request: str) -> None:
        """Enter or leave a collector: ``with output:`` sends the id of the cell's request, then an empty one."""
        if request:
            self._stacks[request].append(collector)
        elif collector.request and collector in self._stacks[collector.request]:
            self._stacks[collector.request].remove(collector)
        collector.request = request

    def takes(self, message: Message, output: dict[str, Any]) -> bool:
        """Check whether an output widget collects this output, and add it if so."""
        stack = self._stacks.get(message.parent)
        if stack:
            stack[-1].add(output, message.parent)
        return bool(stack)

    def clears(self, message: Message) -> bool:
        """Check whether the message clears an output widget, and clear it if so."""
        stack = self._stacks.get(message.parent)
        if stack:
            stack[-1].clear(wait=bool(message.content.get("wait")), parent=message.parent)
        return bool(stack)

    def resume(self) -> None:
        """Send the updates that waited for the kernel, which is idle now."""
        self._updates.resume()

    def state(self) -> dict[str, Any]:
        """Return the notebook's ``metadata.widgets``."""
        models = {comm: self._model(comm, state) for comm, state in self._states.items() if "_model_name" in state}
        return {_STATE_KIND: {"state": models, "version_major": 2, "version_minor": 0}}

    def _model(self, comm: str, state: dict[str, Any]) -> dict[str, Any]:
        names = {key: state.get(f"_{key}") for key in ("model_name", "model_module", "model_module_version")}
        model = {**names, "state": state}
        if self._buffers.get(comm):
            model["buffers"] = list(self._buffers[comm].values())
        return model


class _Collector:
    """An output widget: outputs in its ``with`` block become its state, here and in the kernel."""

    def __init__(self, comm: str, state: dict[str, Any], updates: _Updates) -> None:
        self._comm = comm
        self._state = state
        self._updates = updates
        self._to_clear = False
        self.request = ""

    def add(self, output: dict[str, Any], parent: str) -> None:
        if self._to_clear:
            self._state["outputs"], self._to_clear = [], False
        if isinstance(output.get("text"), Text):
            output = {**output, "text": str(output["text"])}
        outputs = [dict(one) for one in self._state.get("outputs") or ()]
        if output["output_type"] != "stream" or not append_stream(outputs, output):
            outputs.append(output)
        self._publish(outputs, parent)

    def clear(self, *, wait: bool, parent: str) -> None:
        if wait:
            self._to_clear = True
        else:
            self._publish([], parent)

    def _publish(self, outputs: list[dict[str, Any]], parent: str) -> None:
        self._state["outputs"] = outputs
        self._updates.send(self._comm, outputs, parent)


class _Updates:
    """Updates of widgets, which a kernel may not read before its cell ends.

    Beyond a number, the newest update of each widget waits for that: sending would wait at the limit of ZeroMQ's queue,
    1,000 messages, and the time limit of the cell with it.
    """

    def __init__(self, reply: Callable[..., Any]) -> None:
        self._reply = reply
        self._sent = 0
        self._waiting: dict[str, tuple[list[dict[str, Any]], str]] = {}

    def send(self, comm: str, outputs: list[dict[str, Any]], parent: str) -> None:
        if self._sent >= MOST_UPDATES:
            self._waiting[comm] = outputs, parent
            return
        self._waiting.pop(comm, None)
        self._sent += 1
        data = {"method": "update", "state": {"outputs": outputs}, "buffer_paths": []}
        self._reply("comm_msg", {"comm_id": comm, "data": data}, parent=parent)

    def resume(self) -> None:
        waiting, self._waiting, self._sent = self._waiting, {}, 0
        for comm, (outputs, parent) in waiting.items():
            self.send(comm, outputs, parent)
