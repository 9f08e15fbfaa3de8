"""Check the single values of a request: commit, process, registry, image reference."""

from __future__ import annotations

import posixpath
import re

from generator.shared.errors import ProcessError, UsageError


def check_commit(text: str) -> str:
    """A whole commit id.

    Raises:
        UsageError: it is none.
    """
    if not re.fullmatch(r"[0-9a-f]{40,64}", text):
        raise UsageError(f"{text!r} is no commit: all of its digits are needed")
    return text


def process_name(process: str) -> str:
    """A path inside the repository, posix, of a known kind.

    Raises:
        ProcessError: it leaves the repository, or is neither a notebook nor a shell script.
    """
    plain = posixpath.normpath(process.strip())
    if plain.startswith(("/", "..")) or plain == "." or not plain.isprintable():
        raise ProcessError(f"{process!r}: a process is a path inside the repository, relative to its top")
    if not plain.endswith((".ipynb", ".sh")):
        raise ProcessError(f"{process!r}: a process is a notebook (.ipynb) or a shell script (.sh)")
    return plain


def check_registry(text: str) -> str:
    """A registry, with the path below it where images go (distribution/reference, "domain").

    Raises:
        UsageError: it is none; a user and a password do not belong there.
    """
    plain = text.removeprefix("https://").rstrip("/")
    host, _, path = plain.partition("/")
    is_host = re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?", host)
    is_registry = host == "localhost" or "." in host or ":" in host
    if not is_host or not is_registry or (path and not re.fullmatch(r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*", path)):
        shown = re.sub(r".*@", "", plain)
        raise UsageError(f"{shown!r} is no registry: write it as registry.example.org/group, without user and password")
    return plain


def check_reference(text: str) -> str:
    """An image's name as asked for, if it can be one (distribution/reference).

    Raises:
        UsageError: it cannot.
    """
    word = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
    host, tag, digest = r"(?:[A-Za-z0-9.-]+(?::\d+)?/)?", r"(?::\w[\w.-]{0,127})?", r"(?:@sha256:[0-9a-f]{64})?"
    if not re.fullmatch(rf"{host}{word}(?:/{word})*{tag}{digest}", text):
        raise UsageError(f"{text!r} is no name of an image: write it as registry.example.org/name:tag")
    if re.match(r"localhost/packmill(?![a-z0-9._-])", text):
        raise UsageError(f"{text!r}: names that start so are packmill's own, of what images are made of")
    return text


default_process = "process.ipynb"
