"""What a request says, however it says it: query, urlencoded or multipart form, or JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from generator.service.answers import AnswerError, bad_parameter

_LIMIT = 1 << 20
_MOST_VARIABLES = 200
_DEEPEST = 8


async def read_parameters(request: Request) -> dict[str, Any]:
    """The parameters of a request; ``a[b]=c`` of a form becomes a mapping, ``a[]=c`` a list.

    Raises:
        AnswerError: 400 or 413, the body cannot be read.
    """
    given = _nested(request.query_params.multi_items())
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await _body(request)
    if not body:
        return _said(given)
    if kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        try:
            async with request.form(max_files=0, max_fields=1000) as form:
                fields = [(name, value) for name, value in form.multi_items() if not isinstance(value, UploadFile)]
        except (HTTPException, ValueError):
            raise AnswerError(400, {"error": "the form cannot be read"}) from None
        return _said({**given, **_nested(fields)})
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        raise AnswerError(400, {"error": "The body is neither a form nor JSON that can be read"}) from None
    if not isinstance(parsed, dict):
        bad_parameter("a JSON object is needed")
    return _said({**given, **parsed})


def _said(given: dict[str, Any]) -> dict[str, Any]:
    """What was said, if it is text that can be kept: half a surrogate pair is none."""
    try:
        json.dumps(given, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise AnswerError(400, {"error": "a text in the request is not valid Unicode"}) from None
    return given


async def _body(request: Request) -> bytes:
    """The body, which the form's parser then finds there again."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LIMIT:
                raise AnswerError(413, {"message": "413 Payload Too Large"})
    except ClientDisconnect:
        raise AnswerError(400, {"error": "the body did not arrive"}) from None
    request._body = bytes(body)  # noqa: SLF001 - Starlette's own place for a body that was read
    return request._body  # noqa: SLF001


def _nested(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        match = re.fullmatch(r"([^\[\]]+)((?:\[[^\[\]]*\])*)", name)
        if match is None:
            found[name] = value
            continue
        keys = re.findall(r"\[([^\[\]]*)\]", match[2])
        if len(keys) > _DEEPEST:
            bad_parameter("a parameter is nested too deep")
        _put(found, [match[1], *keys], value)
    return found


def _put(target: dict[str, Any], keys: list[str], value: str) -> None:
    """Rack's rules, as far as they are used: ``a[]`` appends, ``a[][b]`` begins a mapping when ``b`` comes again."""
    first, rest = keys[0], keys[1:]
    if not rest:
        target[first] = value
    elif rest[0] == "":
        items = target.setdefault(first, [])
        if not isinstance(items, list):
            target[first] = items = []
        if len(rest) == 1:
            items.append(value)
        else:
            if not items or not isinstance(items[-1], dict) or rest[1] in items[-1]:
                items.append({})
            _put(items[-1], rest[1:], value)
    else:
        inner = target.setdefault(first, {})
        if not isinstance(inner, dict):
            target[first] = inner = {}
        _put(inner, rest, value)


def text(given: Mapping[str, Any], name: str) -> str:
    """A parameter that must be there.

    Raises:
        AnswerError: 400, it is missing or empty.
    """
    value = given.get(name)
    if value is None:
        bad_parameter(f"{name} is missing")
    if not isinstance(value, str):
        bad_parameter(f"{name} is invalid")
    if not value.strip():
        bad_parameter(f"{name} is empty")
    return str(value)


def variable_map(given: Mapping[str, Any]) -> list[dict[str, str]]:
    """The variables of a trigger: a mapping of texts.

    Raises:
        AnswerError: 400, they are none.
    """
    found = given.get("variables")
    if found is None or found == "":
        return []
    if not isinstance(found, dict):
        bad_parameter("variables is invalid")
    if not all(isinstance(value, str) for value in found.values()):
        raise AnswerError(400, {"message": "variables needs to be a map of key-valued strings"})
    return _checked([{"key": name, "value": value, "variable_type": "env_var"} for name, value in found.items()])


def variable_list(given: Mapping[str, Any]) -> list[dict[str, str]]:
    """The variables of a new pipeline: a list of ``{key, value}``, or a mapping as triggers have it.

    Raises:
        AnswerError: 400, they are none.
    """
    found = given.get("variables")
    if not isinstance(found, list):
        return variable_map(given)
    listed = []
    for one in found:
        if not isinstance(one, dict) or not all(isinstance(one.get(name), str) for name in ("key", "value")):
            bad_parameter("variables is invalid")
        kind = one.get("variable_type", "env_var")
        if kind not in ("env_var", "file"):
            bad_parameter("variables[variable_type] does not have a valid value")
        listed.append({"key": one["key"], "value": one["value"], "variable_type": "env_var"})
    return _checked(listed)


def _checked(variables: list[dict[str, str]]) -> list[dict[str, str]]:
    if len(variables) > _MOST_VARIABLES:
        raise AnswerError(400, {"message": {"base": [f"Variables: at most {_MOST_VARIABLES} can be given"]}})
    for one in variables:
        if not re.fullmatch(r"[A-Za-z0-9_]{1,255}", one["key"]):
            wrong = "Variables key can contain only letters, digits and '_'."
            raise AnswerError(400, {"message": {"base": [wrong]}})
        if "\0" in one["value"]:
            raise AnswerError(400, {"message": {"base": ["Variables value cannot contain a null character"]}})
    return variables
