"""Stream outputs that arrive in pieces, joined as the notebook stores them."""

from __future__ import annotations

from typing import Any


class Text(list[str]):
    """A text in parts, joined when it is written: a million prints cost a million, not their square."""

    def __init__(self, text: str) -> None:
        super().__init__((text,))

    def __str__(self) -> str:
        return "".join(self)


def plain_output(output: dict[str, Any]) -> dict[str, Any]:
    """Return an output whose texts are plain strings."""
    text = output.get("text")
    return {**output, "text": str(text)} if isinstance(text, Text) else output


def append_stream(outputs: list[Any], output: dict[str, Any]) -> bool:
    """Append a text to its stream, stdout before stderr; return False if it starts a new stream at the end."""
    first = len(outputs)
    while first and outputs[first - 1]["output_type"] == "stream":
        first -= 1
    for other in outputs[first:]:
        if other["name"] == output["name"]:
            if isinstance(other["text"], Text):
                other["text"].extend(output["text"])
            else:
                other["text"] += str(output["text"])
            return True
    if output["name"] == "stdout":
        outputs.insert(first, output)
        return True
    return False
