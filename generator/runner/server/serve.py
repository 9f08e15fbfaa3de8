"""``packmill-runner serve``: assembles the server and runs it until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import os
import shlex
import socket
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from generator.runner.packaged.repository_location import locate_repository
from generator.runner.server.access import Access
from generator.runner.server.app import application
from generator.runner.server.browsers import is_loopback
from generator.runner.server.catalogue import Catalogue
from generator.runner.server.container import check_data, ensure_temporary_folder, is_container
from generator.runner.server.context import Context, Limits
from generator.runner.server.events import RunEvents
from generator.runner.server.machine import default_workers
from generator.runner.server.operation.base_path import read_base_url
from generator.runner.server.operation.http_server import HttpOptions, run_server
from generator.runner.server.operation.listeners import open_listener
from generator.runner.server.operation.logs import log, set_up_logs
from generator.runner.server.operation.power_loss import check_after_power_loss
from generator.runner.server.operation.reports import note_death, take_report
from generator.runner.server.operation.shutdown import end_runs
from generator.runner.server.runs.stores import open_store
from generator.runner.server.schedules.stores import open_schedule_store
from generator.runner.server.storage import NotebookStorage, has_dated_name, read_bucket_folders
from generator.runner.server.tokens.store import TokenStore
from generator.runner.server.tokens.token import Token, read_given_tokens, read_token_file
from generator.runner.server.variable_options import variable_prefix
from generator.runner.server.workers.pool import WorkerPool
from generator.runner.server.workers.settings import WorkerSettings
from generator.runner.template_store import TemplateStore, find_store
from generator.shared.failures import BadInputsError

_FIRST_NAME = "first"
_WORKERS_OF_HOME = 2
"""A machine has the servers of many users."""


def serve(options: argparse.Namespace, say: Callable[[str], None], *, hidden: Collection[str]) -> int:
    """Serve until SIGINT or SIGTERM, and return the exit code; ``hidden`` are variables that notebooks do not get.

    Raises:
        BadInputsError: an option cannot be used on this machine; nothing was started.
        OSError: the data folder cannot be written to.
    """
    _set_home_defaults(options)
    set_up_logs(options.log_format, options.log_level)
    if options.log_format == "json":
        say = log
    root = locate_repository(options.root).folder
    if not root.is_dir():
        raise BadInputsError(f"--root {root}: not a folder")
    if options.workers == 0 and not options.database:
        raise BadInputsError("--workers 0: runs would wait forever; without --database, at least 1 is needed")
    data = Path(options.data).resolve()
    if root.is_relative_to(data):
        raise BadInputsError(f"--data {data}: contains the notebooks; name a folder of its own")
    check_data(data, say)
    ensure_temporary_folder(data, os.environ)
    base_url = read_base_url(options.base_url)
    access = _access(options, data, base_url, say)
    storage = _storage(options, root, data)
    _forget_own_variables()
    store = open_store(data, options.database)
    check_after_power_loss(store, data, say)
    context = Context(
        catalogue=Catalogue(
            root,
            left_out=[data, storage.root] if options.output_root else [data],
            is_result=has_dated_name if options.home_of else lambda _: False,
        ),
        store=store,
        schedules=open_schedule_store(data, options.database),
        events=RunEvents(lambda run_id: context.stored(store.get, run_id)),
        access=access,
        data=data,
        storage=storage,
        templates=find_store(options.templates, os.environ) or TemplateStore(data / "templates.sqlite"),
        readable=tuple(options.readable),
        fetch_urls=options.fetch == "public",
        limits=_limits(options),
        base_url=base_url,
        home_of=options.home_of,
        home=Path(options.root or root).absolute(),
    )

    def start_workers(started: Context) -> WorkerPool:
        settings = WorkerSettings(
            name="",
            root=root,
            data=data,
            database=options.database,
            time_limit=started.limits.run_time,
            cell_time_limit=started.limits.cell_time,
            output_limit=started.limits.run_output,
            file_limit=started.limits.run_files,
            output_root=storage.root,
            in_place=options.in_place,
            kernels=options.kernels,
            fetch=started.fetch_urls,
            fetch_allowed=tuple(options.fetch_allow),
            fetch_limit=started.limits.upload,
            variables={name: os.environ[name] for name in hidden if name in os.environ},
        )
        pool = WorkerPool(
            settings,
            count=default_workers() if options.workers is None else options.workers,
            on_message=lambda message: take_report(started, message),
            on_death=lambda name: note_death(started, name),
        )
        pool.start()
        return pool

    http = HttpOptions(
        connections=options.connections,
        request_timeout=options.request_timeout,
        shutdown_timeout=options.shutdown_timeout,
        proxies=("*",) if options.socket else options.trusted_proxy or (),
    )
    with open_listener(options.socket, options.host, options.port) as listener:
        app = application(context, start_workers, shutdown_timeout=options.shutdown_timeout)
        say(f"packmill-runner serves {root} at {_shown_address(listener)}{base_url}")
        run_server(app, context, listener, http, partial(end_runs, context))
        say("packmill-runner: stopped; runs that wait start with the next 'packmill-runner serve'")
    context.schedules.close()
    store.close()
    return 0


def _set_home_defaults(options: argparse.Namespace) -> None:
    """Set what ``--home-of`` implies.

    Raises:
        BadInputsError: another option contradicts it, or the name is invalid.
    """
    if options.home_of is None:
        return
    if options.output_root:
        raise BadInputsError("--output-root: with --home-of, executed notebooks are stored in the home; leave it out")
    if not options.home_of or "/" in options.home_of or not options.home_of.isprintable():
        raise BadInputsError(f"--home-of {options.home_of!r}: not the name of a user")
    options.root = options.root or str(Path.home())
    options.readable = options.readable or ["*"]
    options.in_place = True
    if options.workers is None:
        options.workers = min(default_workers(), _WORKERS_OF_HOME)


def _shown_address(listener: socket.socket) -> str:
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _limits(options: argparse.Namespace) -> Limits:
    return Limits(
        queue=options.queue,
        queue_per_token=options.queue_per_token,
        body=options.max_body,
        upload=options.max_upload,
        run_time=options.timeout,
        cell_time=options.execution_timeout,
        run_output=options.max_output or 0,
        run_files=options.max_files,
        retention=options.keep,
        retained_size=options.keep_size,
    )


def _access(options: argparse.Namespace, data: Path, base_url: str, say: Callable[[str], None]) -> Access:
    """Read the tokens; in a container, create the first one.

    Raises:
        BadInputsError: others could reach the server without a token.
    """
    tokens = TokenStore(data, _given_tokens(options))
    loopback = bool(options.socket) or is_loopback(options.host)
    if not loopback and tokens.is_empty() and is_container():
        say(f"token {_FIRST_NAME!r} (admin): {tokens.create(_FIRST_NAME, 'admin')}")
        say("It is shown only once; create others with 'docker exec CONTAINER packmill-runner token create NAME'.")
    elif not loopback and tokens.is_empty():
        raise BadInputsError(
            f"--host {options.host}: others could run notebooks without a token. Create one with\n"
            f"  packmill-runner token create NAME --role admin --data {shlex.quote(str(data))}\n"
            "or set PACKMILL_SERVE_TOKENS=NAME:ROLE:TOKEN, or use --token-file; --host 127.0.0.1 needs no token"
        )
    elif warning := tokens.warning():
        say(f"warning: {warning}")
    return Access(
        tokens,
        loopback=loopback,
        per_minute=options.rate_limit,
        at_once=options.requests_per_token or max(1, options.connections // 4),
        allowed_hosts=None if options.socket else options.allowed_host or (),
        path=f"{base_url}/",
    )


def _storage(options: argparse.Namespace, root: Path, data: Path) -> NotebookStorage:
    """Read where executed notebooks may be stored.

    Raises:
        BadInputsError: a bucket has no valid name, or the folder is a file or contains the notebooks.
    """
    folder = Path(options.output_root or (root if options.home_of else data / "notebooks")).resolve()
    if folder.exists() and not folder.is_dir():
        raise BadInputsError(f"--output-root {folder}: not a folder")
    if options.output_root and root.resolve().is_relative_to(folder):
        raise BadInputsError(
            f"--output-root {folder}: contains the notebooks, so executed ones would be served and copied for every "
            f"run; name a folder of its own, such as {root / 'executed'}"
        )
    return NotebookStorage(
        root=folder,
        keep_all=bool(options.output_root),
        sources=read_bucket_folders(options.source_bucket or (), "--source-bucket"),
        targets=read_bucket_folders(options.output_bucket or (), "--output-bucket"),
    )


def _given_tokens(options: argparse.Namespace) -> dict[str, Token]:
    """Return the operator's own tokens."""
    given: dict[str, Token] = {}
    if options.token_file:
        given |= read_given_tokens(read_token_file(options.token_file), f"--token-file {options.token_file}")
    if text := os.environ.get("PACKMILL_SERVE_TOKENS", ""):
        given |= read_given_tokens(text, "PACKMILL_SERVE_TOKENS")
    return given


def _forget_own_variables() -> None:
    """Remove the variables of options, which are read: among them tokens and the database's password."""
    for name in [name for name in os.environ if name.startswith(variable_prefix)]:
        del os.environ[name]
