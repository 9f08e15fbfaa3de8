"""The report of a map, in a frame without rights: it runs the script of packmill's own reports, and no other.

A frame without an origin sends no cookies, so its addresses have a key, which is valid for an hour or two.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import mimetypes
import re
import time
from collections.abc import Mapping
from functools import lru_cache

from fastapi import APIRouter, Request, Response

from generator.resources import data_folder
from generator.service.api import artifacts
from generator.service.api.jobs import find_job
from generator.service.archives import Archive
from generator.service.context import context
from generator.service.http_errors import raise_not_found
from generator.service.pages import previews
from generator.service.pages.rendering import hostile_policy, note

router = APIRouter(prefix="/jobs/{number:int}/report/{key}")
report = "results/report.html"
result_tables = ("results/results.parquet", "results/results.csv")
"""Tables of results, the one with types first."""
_LARGEST = 64 << 20
_SCRIPT = re.compile(rb'<script nonce="[\w-]{1,64}">(.*?)</script>', re.DOTALL)
_HOUR = 3600


def report_key(request: Request, number: int, *, age: int = 0) -> str:
    """Return the key of a job's report, of this hour or an earlier one."""
    content = f"report {number} {int(time.time()) // _HOUR - age}"
    return hmac.new(context(request).signing_key, content.encode(), hashlib.sha256).hexdigest()[:32]


def result_table(sizes: Mapping[str, int]) -> dict[str, int]:
    """Return the file that a page shows of the tables of results, with its size."""
    return dict([(name, sizes[name]) for name in result_tables if name in sizes][:1])


@router.get("/{path:path}")
def report_file(request: Request, number: int, key: str, path: str) -> Response:
    """Return the report or a file that it shows; its key takes the place of a session."""
    valid = (report_key(request, number, age=age) for age in (0, 1))
    if not any(hmac.compare_digest(key.encode(), one.encode()) for one in valid):
        raise_not_found()
    find_job(request, number)
    file, name = context(request).data.job(number).artifacts, f"results/{path}"
    if name == report:
        return _report(request, number, Archive(file))
    picture = path.lower().endswith(previews.picture_suffixes)
    kind = mimetypes.guess_type(path)[0] if picture else None
    response = artifacts.member(file, name, media_type=kind or "application/octet-stream")
    if picture:
        response.headers["Content-Disposition"] = "inline"
    response.headers["Content-Security-Policy"] = hostile_policy
    return response


def _report(request: Request, number: int, archive: Archive) -> Response:
    content = next((found for _, found in archive.beginnings([report], _LARGEST + 1)), None)
    if content is None:
        raise_not_found()
    raw = f"/{context(request).project.path}/-/jobs/{number}/files/{report}"
    if len(content) > _LARGEST:
        return note("The report is too large to be shown here.", raw=raw, status=200)
    scripts = _SCRIPT.findall(content)
    if [one.strip() for one in scripts] != [_own_script()]:
        return note("The report is not shown: another version of packmill wrote it.", raw=raw, status=200)
    allowed = base64.b64encode(hashlib.sha256(scripts[0]).digest()).decode()
    policy = (
        f"sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'sha256-{allowed}'; "
        f"style-src 'unsafe-inline'; img-src {context(request).base(request)} data:; frame-ancestors 'self'; "
        "base-uri 'none'; form-action 'none'"
    )
    headers = {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"}
    return Response(content, media_type="text/html; charset=utf-8", headers=headers)


@lru_cache(maxsize=1)
def _own_script() -> bytes:
    """Return the script of reports, as `generator.package.map.report` writes it."""
    return (data_folder("templates") / "package" / "map" / "report.js").read_bytes().strip()
