"""The answer of a lookup, read as strictly as any output of a process that has read a stranger's repository."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from generator.shared.safe_text import printable

_MOST, _MOST_ROWS, _LONGEST = 300, 500, 300
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
_FAILED = "the repository could not be looked up: it is too large, or its files cannot be read"


@dataclass(frozen=True, kw_only=True, slots=True)
class Interface:
    """The interface of one process; ``inputs`` and ``outputs`` are rows of text, as a form shows them."""

    process: str
    language: str = ""
    kernel: str = ""
    environment: tuple[str, ...] = ()
    inputs: tuple[dict[str, str], ...] = ()
    outputs: tuple[dict[str, str], ...] = ()
    remarks: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a repository offers; ``problem`` is why the search ended, if it did not find everything."""

    default: str = ""
    branches: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    commit: str = ""
    processes: tuple[str, ...] = ()
    more: int = 0
    interfaces: tuple[Interface, ...] = ()
    problem: str = ""


def read_answer(text: bytes) -> Answer:
    """Read the output of ``packmill ci look-up``."""
    try:
        found = json.loads(text)
        return Answer(
            default=next(iter(_names([found.get("default")])), ""),
            branches=_names(found.get("branches")),
            tags=_names(found.get("tags")),
            commit=_text(found.get("commit")),
            processes=_names(found.get("processes")),
            more=int(found.get("more") or 0),
            interfaces=tuple(map(_interface, found.get("interfaces") or ())),
            problem=_problem(found.get("problem")),
        )
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
        return Answer(problem=_FAILED)


def _interface(one: dict[str, Any]) -> Interface:
    if one.get("problem"):
        return Interface(process=_text(one["process"]), problem=_problem(one["problem"]))
    inputs = [*map(_input, one["inputs"]), *(_input(item, kind="staged in") for item in one["stage_in"])]
    return Interface(
        process=_text(one["process"]),
        language=_text(one["language"]),
        kernel=_text(one["kernel"]),
        environment=_names(one["environment"]),
        inputs=tuple(inputs[:_MOST_ROWS]),
        outputs=tuple(map(_output, one["outputs"][:_MOST_ROWS])),
        remarks=tuple(map(_remark, one["warnings"][:_MOST_ROWS])),
    )


def _input(one: dict[str, Any], *, kind: str = "") -> dict[str, str]:
    shown = " | ".join(map(str, one.get("symbols") or ())) or str(one.get("format") or one["type"])
    words = [f"{shown}[]" if one.get("array") else shown]
    words += [kind] if kind else []
    words += ["optional"] if one.get("optional") else []
    words += ["secret"] if one.get("secret") else []
    words += [f"{sign} {one[key]}" for key, sign in _BOUNDS.items() if key in one]
    words += [f"in {one['unit']}"] if one.get("unit") else []
    default = None if one.get("secret") else one.get("default")
    is_required = default is None and not one.get("optional") and not one.get("secret")
    text = "" if default is None else default if isinstance(default, str) else json.dumps(default, ensure_ascii=False)
    return {
        "name": _text(one["name"]),
        "type": _text(", ".join(words)),
        "default": _text("required" if is_required and not one.get("dynamic") else text),
        "doc": _text(one.get("doc")),
    }


def _output(one: dict[str, Any]) -> dict[str, str]:
    return {name: _text(one.get(key)) for name, key in (("name", "name"), ("type", "type"), ("file", "glob"))} | {
        "doc": _text(one.get("doc"))
    }


def _remark(one: dict[str, Any]) -> str:
    line = one.get("line")
    return f"line {int(line)}: {_text(one['message'])}" if line else _text(one["message"])


def _problem(found: Any) -> str:
    """Return the message of an error as ``PackmillError.to_dict`` has it, without the output of git below it."""
    return _text(found.get("reason") or found.get("message")) if found else ""


def _names(found: Any) -> tuple[str, ...]:
    """Return names that a form can send back unchanged."""
    names = [one for one in list(found or ()) if isinstance(one, str) and one.isprintable() and len(one) <= _LONGEST]
    return tuple(one for one in names[:_MOST] if one)


def _text(found: Any) -> str:
    text = printable(" ".join(str(found if found is not None else "").split()))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
