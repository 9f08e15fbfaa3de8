"""Sources of a Dockerfile that the engine fetches by itself, from the host's network, where no rule for builds holds.

Errs on the safe side: every line may begin an instruction, and both escape characters continue one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_FRONT_END = re.compile(r"(docker\.io/)?docker/dockerfile(:[\w.-]+)?(@sha256:[0-9a-f]{64})?")
_SYNTAX = re.compile(r"^\s*(?:#|//)\s*syntax\s*=\s*(.*?)\s*$", re.IGNORECASE | re.MULTILINE)
_ADD = re.compile(r"\s*(?:ONBUILD\s+)*ADD\s+(.*)", re.IGNORECASE | re.DOTALL)
_CONTINUES = re.compile(r"[\\`][ \t]*$")
_MOST_LINES = 100
"""Lines of an instruction that are looked at; people's ADD have one or two."""
_FLAG = re.compile(r"--[a-z-]+(=\S*)?\s+")


def engine_sources(text: str) -> tuple[str, ...]:
    """Lines by which the engine itself would fetch from an address, or may: those with variables count."""
    syntax = [line[0].strip() for line in _SYNTAX.finditer(text) if not _FRONT_END.fullmatch(line[1])]
    json_syntax = ["{"] if text.lstrip("\ufeff \t\r\n").startswith("{") else []
    adds = [line for line in _instructions(text) if (add := _ADD.fullmatch(line)) and _may_be_remote(add[1])]
    return tuple(dict.fromkeys((*syntax, *json_syntax, *(" ".join(line.split()) for line in adds))))


def _may_be_remote(words: str) -> bool:
    """Whether the words of an ADD can name anything but files: an address has a colon, which can be hidden thus."""
    while flag := _FLAG.match(words):
        words = words[flag.end() :]
    return bool(re.search(r"[:$\\`@]|github\.com/", words, re.IGNORECASE))


def _instructions(text: str) -> Iterator[str]:
    """Every line that may begin an ADD, with those that continue it (Dockerfile reference, "escape")."""
    lines = [line for line in re.split(r"\r?\n", text.lstrip("\ufeff")) if not re.match(r"\s*(#|$)", line)]
    for number, line in enumerate(lines):
        if line.lstrip()[:1].lower() in ("a", "o"):
            yield _continued(lines[number : number + _MOST_LINES + 1])


def _continued(lines: list[str]) -> str:
    """An instruction's lines as one; one that is too long keeps its escape character, and so is refused."""
    joined = ""
    for line in lines[:_MOST_LINES]:
        joined += _CONTINUES.sub("", line)
        if not _CONTINUES.search(line):
            return joined
    return joined if len(lines) <= _MOST_LINES else f"{joined}\\"
