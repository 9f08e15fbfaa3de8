"""``packmill-runner gateway``: reads notebooks, runs their cells, and serves until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import ssl
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn

from generator.runner.server.browsers import is_loopback
from generator.runner.server.gateway.app import GatewayApp, GatewaySettings
from generator.runner.server.gateway.environment import set_environment
from generator.runner.server.gateway.guard import Guard
from generator.runner.server.gateway.listening import in_brackets, listen_at
from generator.runner.server.gateway.notebooks import ServedNotebook, load_notebooks
from generator.runner.server.gateway.responses import Headers
from generator.runner.server.gateway.routes import Routes
from generator.runner.server.gateway.states.calls import CallLimits, SeedError, State, UnsuitedError
from generator.runner.server.gateway.states.choice import open_state
from generator.runner.server.gateway.uploads import upload_folder
from generator.runner.server.machine import default_workers
from generator.runner.server.operation.http_server import HttpOptions, protocol_factory
from generator.runner.server.tokens.token import read_token_file
from generator.shared.failures import BadInputsError, ProcessFailedError
from generator.shared.http_connections import backlog

_ANY_NUMBER = 100_000
_MODE = "notebook-http"
_cors = {
    "allow_origin": b"Access-Control-Allow-Origin",
    "allow_credentials": b"Access-Control-Allow-Credentials",
    "allow_headers": b"Access-Control-Allow-Headers",
    "allow_methods": b"Access-Control-Allow-Methods",
    "expose_headers": b"Access-Control-Expose-Headers",
    "max_age": b"Access-Control-Max-Age",
}
Say = Callable[[str], None]


def serve(options: argparse.Namespace, say: Say, *, hidden: Collection[str]) -> int:
    """Serve until SIGINT or SIGTERM, and return the exit code; ``hidden`` are variables that notebooks do not get.

    Raises:
        BadInputsError: an option cannot be used; nothing was started.
        ProcessMissingError: a notebook cannot be read.
        KernelMissingError: no kernel can run a notebook.
        ProcessFailedError: a cell failed at the start.
    """
    for remark in options.remarks:
        say(f"warning: {remark}")
    if options.mode != _MODE:
        raise BadInputsError(
            f"--api {options.mode}: only notebook-http and jupyter-websocket are served; run 'jupyter kernelgateway' "
            "for others"
        )
    words = options.notebooks or ([options.seed_uri] if options.seed_uri else [])
    if not words:
        raise BadInputsError("gateway: NOTEBOOK is missing")
    notebooks = load_notebooks(words, forced=options.force_kernel_name, default=options.default_kernel_name)
    routes = Routes()
    for owner, notebook in enumerate(notebooks):
        routes.add(owner, notebook.prefix, notebook.annotated.endpoints)
        for remark in notebook.remarks:
            say(f"warning: {remark}")
    limits = _limits(options)
    token, loopback = _token(options), is_loopback(options.ip)
    if not token and not loopback:
        say(f"warning: --ip {options.ip}: everybody who reaches this address may call the handlers; set KG_AUTH_TOKEN")
    guard = Guard(
        token,
        loopback=loopback,
        allowed_hosts=options.allowed_host or (),
        allow_origin=options.allow_origin,
    )
    set_environment(hidden)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), upload_folder() as uploads:  # uvicorn shuts down and then raises the signal again
        settings = _settings(options, uploads)
        asyncio.run(
            _serve(options, say, notebooks, limits, partial(GatewayApp, routes=routes, guard=guard, settings=settings))
        )
    say("packmill-runner: stopped")
    return 0


async def _serve(
    options: argparse.Namespace,
    say: Say,
    notebooks: Sequence[ServedNotebook],
    limits: CallLimits,
    make_app: Callable[..., GatewayApp],
) -> None:
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(listen_at(options.ip, options.port, options.port_retries))
        states = list[State]()
        for notebook in notebooks:
            state = await _open(notebook, limits, options, say)
            stack.push_async_callback(state.stop)
            states.append(state)
        config = uvicorn.Config(make_app(notebooks, states), **_server_options(options))
        host, port = listener.getsockname()[:2]
        scheme = "https" if options.certfile else "http"
        say(
            f"packmill-runner serves {', '.join(one.name for one in notebooks)} at {scheme}://{in_brackets(host)}:{port}"
        )
        await uvicorn.Server(config).serve(sockets=[listener])


async def _open(notebook: ServedNotebook, limits: CallLimits, options: argparse.Namespace, say: Say) -> State:
    try:
        return await open_state(notebook, limits, say, shared=options.shared_kernel, fork=not options.no_fork)
    except (SeedError, UnsuitedError) as error:
        raise ProcessFailedError(str(error)) from None


def _server_options(options: argparse.Namespace) -> dict[str, Any]:
    tls = {"ssl_certfile": options.certfile, "ssl_keyfile": options.keyfile, "ssl_ca_certs": options.client_ca}
    if options.client_ca:
        tls["ssl_cert_reqs"] = ssl.CERT_REQUIRED
    for name, path in (
        ("--certfile", options.certfile),
        ("--keyfile", options.keyfile),
        ("--client-ca", options.client_ca),
    ):
        if path and not os.access(path, os.R_OK):
            raise BadInputsError(f"{name} {path}: cannot be read")
    http = HttpOptions(
        connections=options.connections or _ANY_NUMBER,
        request_timeout=options.request_timeout,
        shutdown_timeout=options.shutdown_timeout,
    )
    return {
        "backlog": backlog,
        "log_level": "info" if options.log_level <= 20 else "warning",
        "access_log": options.log_level <= 20,
        "server_header": False,
        "date_header": True,
        "ws": "none",
        "lifespan": "off",
        "http": protocol_factory(http),
        "timeout_graceful_shutdown": max(1, int(options.shutdown_timeout)),
        "proxy_headers": options.trust_xheaders,
        "forwarded_allow_ips": "*" if options.trust_xheaders else None,
        **tls,
    }


def _limits(options: argparse.Namespace) -> CallLimits:
    at_once = options.prespawn_count or 2 * default_workers()
    if options.max_kernels:
        if (options.prespawn_count or 0) > options.max_kernels:
            raise BadInputsError(f"--prespawn-count {options.prespawn_count}: more than --max-kernels")
        at_once = min(at_once, options.max_kernels)
    return CallLimits(
        at_once=at_once,
        kernels=options.prespawn_count or 1,
        waiting=options.queue,
        seconds=options.timeout,
        response=options.max_response,
    )


def _settings(options: argparse.Namespace, uploads: Path) -> GatewaySettings:
    base = "/" + options.base_url.strip("/")
    static = Path(options.static_path) if options.static_path else None
    if static and not static.is_dir():
        raise BadInputsError(f"--static-path {static}: not a folder")
    return GatewaySettings(
        uploads=uploads,
        base="" if base == "/" else base,
        cors=_cors_headers(options),
        download=options.allow_notebook_download,
        static=static,
        largest_body=options.max_body,
        largest_upload=options.max_upload,
        pause=options.request_timeout,
    )


def _cors_headers(options: argparse.Namespace) -> Headers:
    headers = []
    for name, header in _cors.items():
        value = str(getattr(options, name))
        if not value.isprintable() or not value.isascii():
            raise BadInputsError(f"--{name.replace('_', '-')}: not valid in a header")
        headers += [(header, value.encode())] if value else []
    return headers


def _token(options: argparse.Namespace) -> str:
    if not options.token_file:
        return str(options.auth_token)
    token = read_token_file(options.token_file).strip()
    if not token:
        raise BadInputsError(f"--token-file {options.token_file}: empty")
    return token
