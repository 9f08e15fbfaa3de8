"""Parameters of a request: from the query, a urlencoded or multipart form, or JSON."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from generator.service.http_errors import HttpError, check_charset, check_declared_length, raise_bad_parameter
from generator.service.jobs.environment import problem_of

logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # clients without a token could fill the log
_LIMIT = 1 << 20
_MOST_VARIABLES, _MOST_VALUES = 200, 10_000
_DEEPEST = 8


async def read_parameters(request: Request) -> dict[str, Any]:
    """Read the parameters of a request; ``a[b]=c`` of a form becomes a mapping, ``a[]=c`` a list.

    Raises:
        HttpError: 400 for an invalid body, 413 for one that is too large, 415 for a form that is not in UTF-8.
    """
    check_declared_length(request.headers, _LIMIT)
    given = _nest(request.query_params.multi_items())
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        check_charset(request.headers)
    body = await _body(request)
    if not body:
        return _check_unicode(given)
    if kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        try:
            async with request.form(max_files=0, max_fields=1000) as form:
                fields = [(name, value) for name, value in form.multi_items() if not isinstance(value, UploadFile)]
        except (HTTPException, ValueError):
            raise HttpError(400, {"error": "invalid form data"}) from None
        return _check_unicode({**given, **_nest(fields)})
    try:
        document = body.decode("utf-8-sig")
        if _count_values(document) > _MOST_VALUES:
            raise_bad_parameter(f"the body has more than {_MOST_VALUES} values")
        parsed = json.loads(document)
    except (ValueError, RecursionError):
        raise HttpError(400, {"error": "the body is neither a form nor valid JSON"}) from None
    if not isinstance(parsed, dict):
        raise_bad_parameter("the body must be a JSON object")
    return _check_unicode({**given, **parsed})


def _count_values(document: str) -> int:
    """Return at least as many as a document in JSON has values: those outside of its strings are marked by these signs.

    An empty list takes three characters, and twenty times as much memory.
    """
    signs = "[{,:"
    if sum(map(document.count, signs)) > _MOST_VALUES:
        document = "".join(document.replace("\\\\", "").replace('\\"', "").split('"')[::2])
    return sum(map(document.count, signs))


def _check_unicode(given: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters, refusing text that cannot be stored, such as half a surrogate pair."""
    try:
        json.dumps(given, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise HttpError(400, {"error": "the request contains text that is not valid Unicode"}) from None
    return given


async def _body(request: Request) -> bytes:
    """Read the body, and keep it where Starlette's form parser finds it."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LIMIT:
                raise HttpError(413, {"message": "413 Payload Too Large"})
    except ClientDisconnect:
        raise HttpError(400, {"error": "the connection closed before the body was complete"}) from None
    request._body = bytes(body)  # noqa: SLF001 - Starlette's own place for a body that was read
    return request._body  # noqa: SLF001


def _nest(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        match = re.fullmatch(r"([^\[\]]+)((?:\[[^\[\]]*\])*)", name)
        if match is None:
            found[name] = value
            continue
        keys = re.findall(r"\[([^\[\]]*)\]", match[2])
        if len(keys) > _DEEPEST:
            raise_bad_parameter("a parameter is nested too deeply")
        _put(found, [match[1], *keys], value)
    return found


def _put(target: dict[str, Any], keys: list[str], value: str) -> None:
    """Store a value by Rack's rules: ``a[]`` appends, ``a[][b]`` starts a new mapping when ``b`` is repeated."""
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
    """Return a required parameter.

    Raises:
        HttpError: 400, the parameter is missing, empty or not text.
    """
    value = given.get(name)
    if value is None:
        raise_bad_parameter(f"{name} is missing")
    if not isinstance(value, str):
        raise_bad_parameter(f"{name} is invalid")
    if not value.strip():
        raise_bad_parameter(f"{name} is empty")
    return str(value)


def refuse_parameters(given: Mapping[str, Any], *names: str, advice: str = "") -> None:
    """Refuse parameters that change what a job runs on elsewhere, and would be dropped here.

    Raises:
        HttpError: 400, one of them is given.
    """
    for name in names:
        if given.get(name):
            raise_bad_parameter(f"{name} is not supported{f'; {advice}' if advice else ''}")


def time_of(request: Request, name: str) -> float | None:
    """Return a time of the query in Unix seconds, None if it is not given.

    Raises:
        HttpError: 400, the time is not one of ISO 8601.
    """
    given = request.query_params.get(name)
    if not given:
        return None
    try:
        found = datetime.fromisoformat(given.strip().replace("Z", "+00:00").replace(" ", "+"))
        return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        raise_bad_parameter(f"{name} is invalid")


def variable_map(given: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the variables of a trigger, given as a mapping of names to texts.

    Raises:
        HttpError: 400, the variables are not such a mapping, or a name or value is invalid.
    """
    found = given.get("variables")
    if found is None or found == "":
        return []
    if not isinstance(found, dict):
        raise_bad_parameter("variables is invalid")
    if not all(isinstance(value, str) for value in found.values()):
        raise HttpError(400, {"message": "variables needs to be a map of key-valued strings"})
    return _check_variables(
        [{"key": name, "value": value, "variable_type": "env_var"} for name, value in found.items()]
    )


def variable_list(given: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the variables of a new pipeline, given as a list of ``{key, value}`` or as for triggers.

    Raises:
        HttpError: 400, the variables are neither, or a name or value is invalid.
    """
    found = given.get("variables")
    if not isinstance(found, list):
        return variable_map(given)
    listed = []
    for one in found:
        if not isinstance(one, dict) or not all(isinstance(one.get(name), str) for name in ("key", "value")):
            raise_bad_parameter("variables is invalid")
        kind = one.get("variable_type", "env_var")
        if kind == "file":  # such a variable would hold the path of a file with the value
            raise_bad_parameter("variables[variable_type] file is not supported; give env_var")
        if kind != "env_var":
            raise_bad_parameter("variables[variable_type] does not have a valid value")
        listed.append({"key": one["key"], "value": one["value"], "variable_type": "env_var"})
    return _check_variables(listed)


def _check_variables(variables: list[dict[str, str]]) -> list[dict[str, str]]:
    if len(variables) > _MOST_VARIABLES:
        raise HttpError(400, {"message": {"base": [f"Variables: at most {_MOST_VARIABLES} are allowed"]}})
    for one in variables:
        if not re.fullmatch(r"[A-Za-z0-9_]{1,255}", one["key"]):
            wrong = "Variables key can contain only letters, digits and '_'."
            raise HttpError(400, {"message": {"base": [wrong]}})
        if problem := problem_of(one["key"], one["value"]):
            raise HttpError(400, {"message": {"base": [problem]}})
    return variables
