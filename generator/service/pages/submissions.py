"""Forms that create something once, however often a browser sends them: double click, reload, back button.

A page has a random ID in each of these forms. A form with the ID and the content of an earlier one of the same person
is answered with the redirect to what the earlier one created. While the earlier one is being handled, the later one
waits, without a thread. A form that creates nothing, for instance because a field is invalid, frees its ID.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, BinaryIO
from weakref import WeakValueDictionary

from anyio import CancelScope
from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from generator.service.context import context
from generator.service.pages.sessions import check_form, signature
from generator.service.store.database import despite_outages
from generator.service.store.submissions import add_address, find_address

_BLOCK = 1 << 20
_under_way: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
"""The locks of forms that are being handled, in this process, the only one that uses the database."""


async def submit_once(
    request: Request,
    form: Mapping[str, Any],
    create: Callable[[], Awaitable[Response]],
    *,
    files: Iterable[UploadFile] = (),
) -> Response:
    """Create what a form describes, or return the redirect to what it created before.

    ``create`` returns a redirect if it has created something. A form without an ID is handled each time.

    Raises:
        SignInFirstError: the request has no valid session.
        HttpError: 403, the form token is invalid or the form is another site's; and those of ``create``.
    """
    if not form.get("submission"):
        return await create()
    key, database = await run_in_threadpool(_key, request, form, files), context(request).pipelines.database
    lock = _under_way.setdefault(key, asyncio.Lock())
    async with lock:
        if address := await run_in_threadpool(find_address, database, key):
            return RedirectResponse(address, status_code=303)
        with CancelScope(shield=True):  # a client that leaves must not separate what is created from its address
            response = await create()
            if response.status_code == 303:
                with despite_outages():
                    await run_in_threadpool(add_address, database, key, response.headers["Location"])
        return response


def link_secret(request: Request, form: Mapping[str, Any]) -> str:
    """Return the secret of the link that a form creates, the same for each submission; empty for a form without an ID.

    The secret is not stored, and a browser that submits the form twice does not show the first answer, so the second
    has to show the same link.
    """
    return signature(request, f"link {_key(request, form, ())}") if form.get("submission") else ""


def _key(request: Request, form: Mapping[str, Any], files: Iterable[UploadFile]) -> str:
    """Return a digest of a form, its address and its sender; uploads count by their fields, names and content.

    With its content, since someone who goes back and changes a value wants another run. The random ID keeps the digest
    from being compared with guesses of a secret value.
    """
    who = check_form(request, form)
    uploads = [(one.headers.get("content-disposition"), one.filename, _digest(one.file)) for one in files]
    text = json.dumps([who.identity.id, request.url.path, dict(form), uploads], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(file: BinaryIO) -> str:
    """Return a digest of a file's content, and leave the file at its beginning."""
    digest = hashlib.sha256()
    file.seek(0)
    while block := file.read(_BLOCK):
        digest.update(block)
    file.seek(0)
    return digest.hexdigest()
