"""Check that an image's ``start`` script or ENTRYPOINT runs the commands that it gets, before a run depends on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from generator.containers import engine, image_notes
from generator.image.config import launched, start_script
from generator.shared.errors import RunnerCheckError

_ADVICE = 'end it with: exec "$@"'
_PLAIN, _AWKWARD = ("some", "words"), ("two  words", "", "*", '"quotes"', "'$HOME'")
_EXIT_CODE = 42
_TIMED_OUT = 124


def check_launch(reference: str) -> None:
    """Run a command through the image's ``start`` script or ENTRYPOINT; images without one are not started.

    Raises:
        RunnerCheckError: the command does not run, gets other words, or its exit code is lost.
    """
    present = engine.inspect(reference)
    script = _describe_script(present.config) if present else ""
    if present is None or not script or image_notes.recall(present.id, "launch") is not None:
        return
    words = _AWKWARD if start_script(present.config) else _PLAIN
    code, out, err = engine.run_in(reference, ("packmill-runner", "check", "--launch", *words))
    problem = _find_problem(code, out, err, words)
    if problem:
        raise RunnerCheckError(f"{script}: {problem}")
    image_notes.note(present.id, "launch", {})


def _describe_script(config: Mapping[str, Any]) -> str:
    """Name what starts the image's commands, empty if only packmill's own program does."""
    if words := launched(config):
        return f"ENTRYPOINT {json.dumps(words)}"
    started = [word.partition("=")[2] for word in config.get("Env") or () if word.startswith("R2D_ENTRYPOINT=")]
    return start_script(config) or "".join(started[:1])


def _find_problem(code: int, out: str, err: str, words: tuple[str, ...]) -> str:
    if code == _TIMED_OUT:
        return f"did not end; {_ADVICE}"
    answers = [line for line in out.splitlines() if line.startswith('{"launch":')]
    if not answers and code != 0:
        output = "".join(f"\n  {line}" for line in (err or out).strip().splitlines()[-12:])
        return f"failed with exit code {code} before it ran the command; correct it, and {_ADVICE}{output}"
    if not answers:
        return f"does not run the command that it gets; {_ADVICE}"
    if answers[-1] != json.dumps({"launch": list(words)}):
        return f"changes the command that it gets; {_ADVICE}"
    if code != _EXIT_CODE:
        return f"ends with exit code {code} instead of the command's, so a failed run would pass; {_ADVICE}"
    return ""
