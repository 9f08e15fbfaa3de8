"""What a client asks for when it executes a process (``execute.yaml``): values, outputs, the form of the results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from generator.runner.server.ogc.errors import invalid_value
from generator.shared.suggestions import did_you_mean

_MODES = ("value", "reference")
_RESPONSES = ("raw", "document")


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultsRequest:
    """Which results a client wants, in which form; kept with the run for ``GET /jobs/{id}/results``."""

    outputs: Mapping[str, str] | None = None
    """Transmission mode by output id, ``value`` or ``reference``; None is all outputs by value."""
    response: str | None = None
    """``raw`` or ``document``; None is the standard's default."""

    def to_dict(self) -> dict[str, Any]:
        """Return the request as JSON."""
        return {"outputs": None if self.outputs is None else dict(self.outputs), "response": self.response}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> ResultsRequest:
        """Read the JSON of `to_dict`."""
        return cls(outputs=document.get("outputs"), response=document.get("response"))


@dataclass(frozen=True, kw_only=True, slots=True)
class ExecuteRequest:
    """An execute request; ``inputs`` are as the client sent them."""

    inputs: Mapping[str, Any]
    results: ResultsRequest


def parse_request(body: Mapping[str, Any], known_outputs: Mapping[str, str]) -> ExecuteRequest:
    """Parse the body of an execute request.

    Args:
        body: the request.
        known_outputs: the media types of the process's outputs by id; of an output with several types, ``*/*``.

    Raises:
        ProblemError: 400 (InvalidParameterValue), with what is wrong.
    """
    if "subscriber" in body:
        raise invalid_value("'subscriber': callbacks are not supported; follow the job at its address in 'Location'")
    inputs = body.get("inputs") or {}
    if not isinstance(inputs, Mapping):
        raise invalid_value("'inputs': write an object with a value for each input")
    response = body.get("response")
    if response is not None and response not in _RESPONSES:
        raise invalid_value(f"'response': {response!r} is not 'raw' or 'document'")
    outputs = _outputs(body.get("outputs"), known_outputs)
    return ExecuteRequest(inputs=inputs, results=ResultsRequest(outputs=outputs, response=response))


def _outputs(given: Any, known: Mapping[str, str]) -> dict[str, str] | None:
    if given is None or given == {}:
        return None
    if isinstance(given, list) and all(isinstance(name, str) for name in given):
        given = {name: {} for name in given}  # a habit of clients
    if not isinstance(given, Mapping):
        raise invalid_value("'outputs': write an object with an object for each output, such as {\"scraps\": {}}")
    return {name: _mode(name, wanted, known) for name, wanted in given.items()}


def _mode(name: str, wanted: Any, known: Mapping[str, str]) -> str:
    """Return the transmission mode of an output."""
    if name not in known:
        raise invalid_value(f"output {name!r}: the process has no such output{did_you_mean(name, known)}")
    if not isinstance(wanted, Mapping):
        raise invalid_value(f"output {name!r}: write an object, such as {{}}")
    _check_format(name, wanted.get("format"), known[name])
    mode = wanted.get("transmissionMode", "value")
    if mode not in _MODES:
        raise invalid_value(f"output {name!r}: its transmissionMode {mode!r} is not 'value' or 'reference'")
    return str(mode)


def _check_format(name: str, wanted: Any, media_type: str) -> None:
    """Check that a client wants an output as the notebook writes it: nothing is converted."""
    given = wanted.get("mediaType") if isinstance(wanted, Mapping) else None
    if given is None or media_type == "*/*":
        return
    if not isinstance(given, str) or given.partition(";")[0].strip().lower() not in (media_type, "*/*"):
        raise invalid_value(f"output {name!r}: is available as {media_type}, not as {given!r}")
