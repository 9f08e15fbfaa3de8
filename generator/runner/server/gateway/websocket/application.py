"""The Kernel Gateway's application in this process, with the parts of it that packmill replaces."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
from jupyter_server.services.kernels.connection.base import BaseKernelWebsocketConnection
from kernel_gateway.gatewayapp import KernelGatewayApp
from tornado.web import RequestHandler
from traitlets import Type, default

from generator.runner.kernels.specs import choose_kernel
from generator.runner.server.access import Access
from generator.runner.server.container import is_container
from generator.runner.server.gateway.listening import in_brackets, listen_at
from generator.runner.server.gateway.notebooks import read_place
from generator.runner.server.gateway.websocket import personality
from generator.runner.server.gateway.websocket.channels import KernelChannels
from generator.runner.server.gateway.websocket.gate import Gate, GateLimits
from generator.runner.server.gateway.websocket.http_server import Connections, Server
from generator.runner.server.gateway.websocket.kernels import Kernels
from generator.runner.server.gateway.websocket.kernelspecs import KernelSpecs
from generator.runner.server.gateway.websocket.operation import GatewayMetrics, note_request
from generator.runner.server.gateway.websocket.sessions import Sessions
from generator.runner.server.gateway.websocket.starting import PreparedKernels, use_provisioner
from generator.shared.failures import BadInputsError
from generator.shared.http_connections import ConnectionLimits, within_open_files

MODE = "jupyter-websocket"
_MODULES = (MODE, "kernel_gateway.jupyter_websocket")
_LAST_RESPONSES = 10.0
"""Seconds for kernels to end at a shutdown."""
_FILES_OF_CHANNELS = 10
"""File descriptors of a client's channels of a kernel, with those of ZeroMQ."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What packmill adds to the Kernel Gateway's options; times in seconds, sizes in bytes."""

    runtime: Path
    """A private folder for connection files."""
    folder: Path
    """Where kernels start."""
    make_access: Callable[[PackmillGateway], Access]
    """Returns the access checks for an application that has read its options."""
    say: Callable[[str], None]
    fork: bool
    bounds: personality.KernelBounds
    connections: int
    body: int
    request_timeout: float
    shutdown_timeout: float


class PackmillGateway(KernelGatewayApp):  # type: ignore[misc]
    """The application: KernelGatewayApp reads options, variables and configuration files, and has the handlers."""

    settings: Settings
    ip: str
    port: int
    port_retries_default_value = 0
    exit_code = 0
    has_served = False

    kernel_manager_class = Type(
        klass=Kernels,
        default_value=Kernels,
        config=True,
        help="The kernel manager class: packmill's, or one of its own",
    )
    kernel_websocket_connection_class = Type(
        klass=BaseKernelWebsocketConnection,
        default_value=KernelChannels,
        config=True,
        help="The kernel websocket connection class to use",
    )
    kernel_spec_manager_class = Type(default_value=KernelSpecs, config=True, help="The kernelspec manager class to use")

    @default("runtime_dir")
    def _runtime_dir(self) -> str:
        return str(self.settings.runtime)

    @default("ip")
    def _ip(self) -> str:
        return os.getenv(self.ip_env) or ("0.0.0.0" if is_container() else "127.0.0.1")  # noqa: S104 - Docker's way

    @default("cookie_secret")
    def _cookie_secret(self) -> bytes:
        if self.cookie_secret_file and Path(self.cookie_secret_file).is_file():
            return Path(self.cookie_secret_file).read_bytes()
        return os.urandom(32)

    @default("api")
    def _api(self) -> str:
        return MODE

    def _load_api_module(self, module_name: str) -> ModuleType:
        if module_name not in _MODULES:
            raise BadInputsError(f"api {module_name!r} in a configuration file: start the gateway with --api instead")
        return personality

    def init_configurables(self) -> None:
        """Make the parts of the server."""
        use_provisioner()
        super().init_configurables()
        settings, kernels = self.settings, self.kernel_manager
        self._choose_default_kernel()
        kernels.root_dir = str(settings.folder)
        kernels.most = self.max_kernels
        kernels.prepared = PreparedKernels(settings.say, fork=settings.fork)
        self.metrics = GatewayMetrics(kernels)
        self.personality.bounds = settings.bounds
        self.personality.on_failure = self._fail
        self.session_manager = Sessions(log=self.log, kernel_manager=kernels)

    def _choose_default_kernel(self) -> None:
        """Check the names of kernels, and find a default one; prepare it.

        Raises:
            BadInputsError: there is no kernel of a name.
        """
        specs, kernels = self.kernel_spec_manager, self.kernel_manager
        for option in ("default_kernel_name", "force_kernel_name"):
            name = getattr(self, option)
            if name and name not in specs.find_kernel_specs():
                known = ", ".join(specs.find_kernel_specs()) or "none"
                raise BadInputsError(f"--{option.replace('_', '-')} {name}: not found; available: {known}")
        if not self.default_kernel_name and isinstance(specs, KernelSpecs) and specs.kernels():
            chosen, _ = choose_kernel(specs.kernels().values(), name=kernels.default_kernel_name, language="python")
            kernels.default_kernel_name = chosen.name

    def _load_notebook(self, uri: str) -> Any:
        """Read the seed notebook; one without a kernel runs in the default one.

        Raises:
            ProcessMissingError: it cannot be read.
            BadInputsError: it is not a notebook, or its kernel is not installed.
        """
        _, data = read_place(uri)
        try:
            notebook = nbformat.reads(data.decode("utf-8"), 4)
            spec = notebook.metadata.setdefault("kernelspec", {"name": ""})
            name = self.force_kernel_name or _text(spec.get("name")) or self.default_kernel_name
            language = _text(notebook.metadata.get("language_info", {}).get("name")) or "python"
            for cell in notebook.cells:  # the Kernel Gateway requires both
                cell.update(cell_type=_text(cell.get("cell_type")), source=_text(cell.get("source")))
        except (ValueError, TypeError, AttributeError, nbformat.validator.ValidationError) as error:
            raise BadInputsError(f"{uri}: not a notebook: {error}") from None
        known = KernelSpecs(parent=self).kernels()
        chosen, warning = choose_kernel(known.values(), name=name or None, language=language, in_image=False)
        if warning:
            self.settings.say(f"warning: {uri}: {warning}")
        spec["name"] = chosen.name
        return notebook

    def init_webapp(self) -> None:
        """Make the application of the handlers."""
        super().init_webapp()
        web = self.web_app.settings
        self.connections = Connections(self._fitting_connections(), self.kernel_manager.connection_count)
        web["log_function"] = self._note_answer
        web["kg_max_kernels"] = None  # the manager counts also those of sessions, and those that are starting
        web["websocket_max_message_size"] = self.settings.body
        web["kg_auth_token"] = ""  # the gate checks it
        name, specs = self.kernel_manager.default_kernel_name, self.kernel_spec_manager
        if name in specs.find_kernel_specs():
            self.kernel_manager.prepared.begin(specs.find_kernel(name))

    def _fitting_connections(self) -> int:
        """Raise the limit on open files if needed; return the connections that it allows."""
        settings = self.settings
        limits = ConnectionLimits(total=settings.connections, per_address=None, request=settings.request_timeout)
        fitting, files = within_open_files(limits, each=_FILES_OF_CHANNELS)
        if fitting < limits.total:
            settings.say(f"warning: --connections {fitting} in place of {limits.total}: {files} files may be open")
        return fitting

    def _note_answer(self, handler: RequestHandler) -> None:
        self.connections.wait(handler.request.server_connection.stream)  # type: ignore[attr-defined]
        note_request(handler, self.metrics)

    def init_http_server(self, *_: Any) -> None:
        """Listen.

        Raises:
            BadInputsError: an address or a certificate cannot be used, or others could run code without a token.
        """
        if self.generate_config or self.show_config or self.show_config_json:
            return
        settings = self.settings
        access = settings.make_access(self)
        self.personality.check_token = access.check_owner
        self.identity_provider.token = ""  # the same
        base = "/" + self.base_url.strip("/")
        limits = GateLimits(body=settings.body, base="" if base == "/" else base)
        gate = Gate(self.web_app, self.kernel_manager, access, self.connections, limits, allow_origin=self.allow_origin)
        try:
            self.http_server = Server(
                gate,
                xheaders=self.trust_xheaders,
                ssl_options=self._build_ssl_options(),
                max_body_size=settings.body,
                idle_connection_timeout=settings.request_timeout,
                body_timeout=settings.request_timeout,
            )
        except (OSError, ValueError, KeyError) as error:
            raise BadInputsError(f"--certfile, --keyfile: {getattr(error, 'strerror', None) or error}") from None
        self.http_server.connections = self.connections
        listener = listen_at(self.ip, self.port, self.port_retries)
        self.ip, self.port = listener.getsockname()[:2]
        self.http_server.add_sockets([listener])

    def _build_ssl_options(self) -> Any:
        options = super()._build_ssl_options()
        if options and not self.ssl_version:
            options["ssl_version"] = ssl.PROTOCOL_TLS_SERVER  # the newest of both sides, not TLS 1.2
        return options

    def init_signal(self) -> None:
        """Leave the signals to `start`."""

    def start(self) -> None:
        """Serve until SIGINT or SIGTERM."""
        super().start_app()
        self.has_served = True
        loop = self.io_loop.asyncio_loop
        self._hurry = asyncio.Event()
        self._ending: asyncio.Task[None] | None = None
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            loop.add_signal_handler(number, self._note_signal)
        loop.add_signal_handler(signal.SIGHUP, lambda: None)
        watching = loop.create_task(self.personality.watch())
        scheme = "https" if self.certfile else "http"
        self.settings.say(
            f"packmill-runner serves kernels at {scheme}://{in_brackets(self.ip)}:{self.port}{self.base_url}"
        )
        self.io_loop.start()
        watching.cancel()

    def _note_signal(self) -> None:
        if self._ending is None:
            self._ending = self.io_loop.asyncio_loop.create_task(self._end())
        else:
            self._hurry.set()

    async def _end(self) -> None:
        """Let cells end, then the kernels, then the loop."""
        self.kernel_manager.is_draining = True
        try:
            await self.personality.drain(self.settings.shutdown_timeout, self._hurry)
            self.http_server.stop()
            await asyncio.wait_for(self._close(), _LAST_RESPONSES)
        except Exception as error:  # noqa: BLE001 - the server ends in any case, and the kernels with it
            self.log.warning("the shutdown was incomplete: %r", error)
        finally:
            self.kernel_manager.prepared.end()
            self.io_loop.stop()

    async def _close(self) -> None:
        await self.personality.shutdown()
        await self.kernel_websocket_connection_class.close_all()

    def _fail(self, reason: str) -> None:
        """End, because the kernels of ``prespawn_count`` do not start."""
        self.settings.say(f"packmill-runner: --prespawn-count: {reason}")
        self.exit_code = 1
        self._note_signal()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
