"""``packmill-runner gateway --api jupyter-websocket``: assembles the Kernel Gateway and runs it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Collection
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from jupyter_core.application import NoStart
from traitlets import TraitError

from generator.runner.image_note import read_image_note
from generator.runner.kernels.runtime import private_folder
from generator.runner.packaged.home import find_image_home, prepare_home
from generator.runner.packaged.repository_location import locate_repository
from generator.runner.server.access import Access
from generator.runner.server.browsers import is_loopback
from generator.runner.server.container import is_container
from generator.runner.server.gateway.environment import set_environment
from generator.runner.server.gateway.websocket.application import PackmillGateway, Settings
from generator.runner.server.gateway.websocket.personality import KernelBounds
from generator.runner.server.operation.logs import set_up_logs
from generator.runner.server.tokens.store import TokenStore
from generator.runner.server.tokens.token import Token, digest, new_secret, read_given_tokens, read_token_file
from generator.shared.failures import BadInputsError

Say = Callable[[str], None]


def serve(options: argparse.Namespace, say: Say, *, hidden: Collection[str]) -> int:
    """Serve until SIGINT or SIGTERM, and return the exit code; ``hidden`` are variables that kernels do not get.

    Raises:
        BadInputsError: an option cannot be used, or others could run code without a token.
        ProcessMissingError: the seed notebook cannot be read.
        KernelMissingError: no kernel can run it.
    """
    if options.notebooks:
        raise BadInputsError(
            f"{options.notebooks[0]}: notebooks are for --api notebook-http; --seed-uri NOTEBOOK runs one per kernel"
        )
    for remark in options.remarks:
        say(f"warning: {remark}")
    with ExitStack() as stack:
        runtime = stack.enter_context(private_folder())
        tokens = stack.enter_context(private_folder())
        folder = Path.cwd()
        if is_container():
            home = stack.enter_context(private_folder())
            prepare_home(home, find_image_home(read_image_note()), os.environ)
            folder = locate_repository(None).folder
        app = PackmillGateway()
        app.settings = Settings(
            runtime=runtime,
            folder=folder,
            make_access=partial(_access, options, Path(options.data) if options.data else tokens, say),
            say=say,
            fork=not options.no_fork,
            bounds=KernelBounds(memory=options.kernel_memory, lifetime=options.kernel_lifetime),
            connections=options.connections,
            body=options.max_body,
            request_timeout=options.request_timeout,
            shutdown_timeout=options.shutdown_timeout,
        )
        _run(app, options, hidden)
    if app.has_served:
        say("packmill-runner: stopped")
    return app.exit_code


def _run(app: PackmillGateway, options: argparse.Namespace, hidden: Collection[str]) -> None:
    """Read the Kernel Gateway's options, and serve."""
    try:
        app.initialize(options.original)
    except (TraitError, ImportError, RuntimeError) as error:
        raise BadInputsError(f"gateway: {error}") from None
    except SystemExit as error:  # the application has reported why
        app.exit_code = 2 if error.code else 0
        return
    set_environment(hidden)
    if options.access_log != "none":
        set_up_logs(options.access_log, "info" if app.log_level <= 20 else "warning")
    try:
        app.start()
    except NoStart:
        return


def _access(options: argparse.Namespace, folder: Path, say: Say, app: PackmillGateway) -> Access:
    """Read the tokens; in a container without one, create one.

    Raises:
        BadInputsError: others could run code without a token.
    """
    host, secret = str(app.ip), str(app.auth_token)
    given = dict(_given_tokens(options.token_file))
    if secret:
        given[digest(secret)] = Token(name="auth-token", role="admin", digest=digest(secret))
    try:
        store = TokenStore(folder, given)
    except OSError as error:
        raise BadInputsError(f"--data {folder}: {error.strerror}") from None
    loopback = is_loopback(host)
    if store.is_empty() and not loopback and is_container():
        secret = new_secret()
        say(f"token (admin): {secret}")
        say("It is new with every start; choose one with -e KG_AUTH_TOKEN=TOKEN.")
        store = TokenStore(folder, {digest(secret): Token(name="first", role="admin", digest=digest(secret))})
    elif store.is_empty() and not loopback:
        raise BadInputsError(
            f"--ip {host}: others could run code without a token; set KG_AUTH_TOKEN, or use --token-file or --data. "
            "--ip 127.0.0.1 needs no token"
        )
    elif warning := store.warning():
        say(f"warning: {warning}")
    if store.is_unused() and app.allow_origin == "*":
        raise BadInputsError(
            "--allow-origin '*': any web page in a browser of this machine could run code without a token; name the "
            "page's origin, or set KG_AUTH_TOKEN"
        )
    return Access(
        store,
        loopback=loopback,
        per_minute=options.rate_limit or None,
        allowed_hosts=options.allowed_host or (),
    )


def _given_tokens(file: str | None) -> dict[str, Token]:
    """Return the tokens of a file, by digest.

    Raises:
        BadInputsError: the file cannot be read, or an entry is invalid.
    """
    if not file:
        return {}
    text = read_token_file(file).strip()
    if not text:
        raise BadInputsError(f"--token-file {file}: empty")
    if ":" not in text and len(text.split()) == 1:  # as in the mode notebook-http
        return {digest(text): Token(name="auth-token", role="admin", digest=digest(text))}
    return dict(read_given_tokens(text, file))
