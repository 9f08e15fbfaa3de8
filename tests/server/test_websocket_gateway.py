"""``packmill-runner gateway --api jupyter-websocket``: kernels for Jupyter's own clients, with tokens and limits."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
from asyncio import Future
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from gateway_server import GatewayServer
from jupyter_server.services.kernels.connection.base import serialize_binary_message, serialize_msg_to_ws_v1
from kernel_client import KernelClient
from kernel_gateway.jupyter_websocket.handlers import default_handlers as spec_handlers
from kernel_gateway.services.kernels.handlers import default_handlers as kernel_handlers
from kernel_gateway.services.kernelspecs.handlers import default_handlers as kernelspec_handlers
from kernel_gateway.services.sessions.handlers import default_handlers as session_handlers
from ports import free_port, is_listening
from real_kernels import data_folder, require_kernel
from support import here, write_notebook
from tornado.websocket import WebSocketClosedError
from waiting import has_ended, wait_until
from websocket import ABNF, WebSocketBadStatusException

from generator.runner.server.gateway import modes, original
from generator.runner.server.gateway.websocket import application as application_module
from generator.runner.server.gateway.websocket import channels as channels_module
from generator.runner.server.gateway.websocket import personality as personality_module
from generator.runner.server.gateway.websocket import words
from generator.runner.server.gateway.websocket.application import PackmillGateway
from generator.runner.server.gateway.websocket.channels import KeptMessages, KernelChannels, check_message
from generator.runner.server.gateway.websocket.http_server import Connections
from generator.runner.server.gateway.websocket.personality import KernelBounds, Personality
from generator.runner.server.tokens.store import TokenStore
from generator.shared.failures import BadInputsError

_MODE = ("--api", "jupyter-websocket")
_V1 = "v1.kernel.websocket.jupyter.org"
_BASE = "/of/a.b+c%40d/gw"
"""A path that is another one as a pattern, and when it is decoded."""
_QUICK = "--KernelRestarter.time_to_dead=0.3"
_ADMIN, _READER, _ANN, _BEN = (name * 5 for name in ("admin-", "reader-", "ann-ann-", "ben-ben-"))
Start = Callable[..., GatewayServer]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("websocket")
    tokens = {"reader": ("read", _READER), "ann": ("run", _ANN), "ben": ("run", _BEN)}
    lines = [f"{name}:{role}:{token}" for name, (role, token) in tokens.items()]
    (folder / "tokens.txt").write_text("\n".join(lines))
    write_notebook(folder / "seed.ipynb", "answer = 42", tags=())
    write_notebook(folder / "wrong.ipynb", "1 / 0", tags=())
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[GatewayServer]:
    """A server for this machine, with kernels of several languages."""
    options = ("--list-kernels", _QUICK, "--allow-origin", "http://app.example", "--env-whitelist", "COLOR")
    variables = {"JUPYTER_PATH": str(data_folder), "SERVER_SECRET": "s3cret"}
    running = GatewayServer(folder, *_MODE, *options, **variables).start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def client(server: GatewayServer) -> KernelClient:
    return KernelClient(f"http://127.0.0.1:{server.port}")


@pytest.fixture(scope="module")
def kernel(client: KernelClient) -> str:
    """A kernel for several tests."""
    return client.start()


@pytest.fixture(scope="module")
def closed(folder: Path) -> Iterator[GatewayServer]:
    """A server with tokens, below an address of its own."""
    options = ("--token-file", "tokens.txt", f"--KernelGatewayApp.base_url={_BASE}/", "--no-fork")
    given = {"KG_AUTH_TOKEN": _ADMIN, "KG_LIST_KERNELS": "True"}
    running = GatewayServer(folder, *_MODE, *options, fresh=True, **given).start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def limited(folder: Path) -> Iterator[GatewayServer]:
    """A server of one kernel, which is idle for five seconds at most."""
    cull = ("--MappingKernelManager.cull_idle_timeout=5", "--MappingKernelManager.cull_interval=1")
    options = ("--max-kernels=1", "--max-body=10K", _QUICK, *cull)
    running = GatewayServer(folder, *_MODE, *options).start()
    yield running
    assert running.stop() == 0


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Starts servers, which end with the test."""
    started = []

    def begin(*options: str, **environment: str) -> GatewayServer:
        started.append(GatewayServer(folder, *_MODE, *options, **environment))
        return started[-1].start()

    yield begin
    for server in started:
        server.stop()


def client_of(server: GatewayServer, token: str = "", base: str = "") -> KernelClient:
    return KernelClient(f"http://127.0.0.1:{server.port}{base}", token)


def test_a_client_runs_code(client: KernelClient) -> None:
    with client.channels(client.start()) as channels:
        assert channels.run("print('hello'); 6 * 7").text == "hello\n42"
        assert channels.run("1 / 0").error == "ZeroDivisionError: division by zero"
        assert channels.run("input('name? ')", answer="Ada").text == "'Ada'"
        assert channels.run("from packmill import glue").status == "ok"


def test_kernels_are_forked_once_their_process_is_prepared(server: GatewayServer, client: KernelClient) -> None:
    assert server.process is not None

    def parent() -> int:
        kernel = client.start()
        with client.channels(kernel) as channels:
            number = int(channels.run("import os\nos.getppid()").text)
            debugged = channels.run("breakpoint()", answer="c").text
        client.ask("DELETE", f"/api/kernels/{kernel}")
        return 0 if number == server.process.pid else len(debugged)  # type: ignore[union-attr]

    assert wait_until(parent, message="a kernel is forked") > 1, "the debugger of forked kernels works"


def test_the_environment_of_a_kernel(client: KernelClient, folder: Path) -> None:
    kernel = client.start(env={"KERNEL_USERNAME": "ann", "COLOR": "blue", "OTHER": "x"})
    names = ("KERNEL_USERNAME", "COLOR", "OTHER", "SERVER_SECRET", "KG_PORT", "KERNEL_GATEWAY")
    with client.channels(kernel) as channels:
        found = channels.run(f"import os\nprint(os.getcwd(), *map(os.environ.get, {names}), 'HOME' in os.environ)").text

    assert found.split() == [str(folder), "ann", "blue", "None", "None", "None", "1", "True"]


def test_variables_of_requests_at_once_stay_apart(client: KernelClient) -> None:
    """The Kernel Gateway lets a client's variables reach all kernels that start later."""
    with ThreadPoolExecutor(4) as pool:
        kernels = list(pool.map(lambda name: client.start(env={"KERNEL_NAME": name}), "abcd"))
    kernels.append(client.start())

    found = []
    for kernel in kernels:
        with client.channels(kernel) as channels:
            found.append(channels.run("import os\nprint(os.environ.get('KERNEL_NAME'))").text.strip())
        client.ask("DELETE", f"/api/kernels/{kernel}")
    assert found == ["a", "b", "c", "d", "None"]


def test_interrupt_restart_and_death(client: KernelClient) -> None:
    kernel = client.start()
    with client.channels(kernel) as channels:
        channels.run("value = 1")
        request = channels.begin("import time\nprint('begun', flush=True)\ntime.sleep(1000)")
        while channels.receive()["msg_type"] != "stream":  # an earlier signal may not reach the cell
            pass
        assert client.ask("POST", f"/api/kernels/{kernel}/interrupt")[0] == 204
        interrupted = channels.finish(request)
        assert channels.run("value").text == "1"

        assert client.ask("POST", f"/api/kernels/{kernel}/restart")[0] == 200
        assert channels.run("value").error.startswith("NameError")

        channels.begin("import os\nos._exit(3)")
        channels.wait_for_status("restarting")
        assert channels.run("1 + 1").text == "2"
    assert interrupted.error.startswith("KeyboardInterrupt")
    assert client.ask("DELETE", f"/api/kernels/{kernel}")[0] == 204
    assert client.ask("GET", f"/api/kernels/{kernel}")[0] == 404


def test_two_clients_of_one_kernel(client: KernelClient) -> None:
    kernel = client.start()
    with client.channels(kernel) as first, client.channels(kernel) as second:
        first.run("shared = 'from the first'")

        assert second.run("print(shared)").text == "from the first\n"
        listed = {one["id"]: one["connections"] for one in client.ask("GET", "/api/kernels")[1]}
    assert listed[kernel] == 2


@pytest.mark.parametrize(
    ("name", "code", "expected"),
    [("bash", "echo $((40 + 2))", "42"), ("ir", "cat(40 + 2)", "42"), ("jslab", "40 + 2", "42")],
)
def test_kernels_of_other_languages(name: str, code: str, expected: str, client: KernelClient) -> None:
    if name != "ir":
        require_kernel(name)
    elif "ir" not in client.ask("GET", "/api/kernelspecs")[1]["kernelspecs"]:
        pytest.skip("the kernel ir is not installed here")
    kernel = client.start(name=name)
    with client.channels(kernel) as channels:
        assert channels.run(code).text.strip() == expected
    assert client.ask("DELETE", f"/api/kernels/{kernel}")[0] == 204


def test_an_unknown_kernel(client: KernelClient) -> None:
    status, problem = client.ask("POST", "/api/kernels", {"name": "cobol"})

    assert (status, problem["message"].partition(";")[0]) == (400, "kernel 'cobol': not found")
    assert client.ask("POST", "/api/kernels", {"kernel_id": "../../outside"})[0] == 400


@pytest.mark.parametrize("path", ["/api/kernels", "/api/sessions"])
def test_bodies_that_cannot_be_meant(path: str, client: KernelClient, server: GatewayServer) -> None:
    bodies = [[1], "x", 1, {"name": 1}, {"name": ""}, {"path": 1}, {"path": "\0"}, {"kernel": 1}, {"kernel": {"id": 1}}]
    bodies += [{"notebook": one} for one in (5, "name", [1], {"name": 1}, {"path": [1]})]
    bodies += [{one: "\ud800", "type": "notebook"} for one in ("name", "path")] + [{"env": {"KERNEL_A": "\ud800"}}]
    bodies += [{"env": {name: value}} for name, value in (("KERNEL_A", 1), ("KERNEL_A=B", "x"), ("KERNEL_A", "\0"))]

    answers = [client.ask("POST", path, body) for body in bodies]
    invalid = server.ask("POST", path, body=b"\xff")

    assert [status for status, _ in answers] == [400] * len(bodies), answers
    assert invalid.status == 400
    assert all(set(problem) == {"reason", "message"} and problem["message"] for _, problem in answers)
    assert client.ask("POST", "/api/kernels/a-b-c-d-e/restart", {})[0] == 404


@pytest.mark.parametrize("path", ["%00", "a%00b", "%ff", "a" * 5000, "logo-64x64.png/x", "..%2fkernel.json"])
def test_resources_of_a_kernelspec_that_cannot_exist(path: str, server: GatewayServer) -> None:
    logged = len(server.log.read_text())

    for folder in ("/kernelspecs/python3", "/api/kernelspecs", "/api/kernels", "/api/sessions"):
        assert server.ask("GET", f"{folder}/{path}").status in (400, 403, 404), folder

    assert "Uncaught exception" not in server.log.read_text()[logged:]


def test_what_everybody_may_ask_has_no_body(server: GatewayServer) -> None:
    """Tornado keeps a body in memory before it calls a handler."""
    chunked = [("Transfer-Encoding", "chunked")]

    for method, path in (("OPTIONS", "/api/kernels"), ("GET", "/health")):
        assert server.ask(method, path, body=b"x").status == 413, path
        assert server.ask(method, path, chunked, b"1\r\nx\r\n0\r\n\r\n").status == 413, path
        assert server.ask(method, path).status in (200, 204), path


@pytest.mark.parametrize(
    ("message", "protocol"),
    [
        ("no JSON", ""),
        ("[1]", ""),
        ('{"channel": "shell"}', ""),
        (b"", ""),
        (struct.pack("!2I", 2, 12), ""),
        (b"", _V1),
        ("{}", _V1),
        (struct.pack("<3Q", 5, 24, 24), _V1),
    ],
)
def test_a_message_of_another_form_ends_its_connection(
    message: str | bytes, protocol: str, client: KernelClient, kernel: str
) -> None:
    with client.channels(kernel, subprotocols=[protocol] if protocol else None) as channels:
        channels.socket.send(message, ABNF.OPCODE_TEXT if isinstance(message, str) else ABNF.OPCODE_BINARY)
        while (frame := channels.socket.recv_frame()).opcode != ABNF.OPCODE_CLOSE:
            pass
    assert frame.data == struct.pack("!H", 1007) + b"not a message of Jupyter's protocol"


@pytest.mark.parametrize(
    "places",
    [(10_001, *[8 * 10_002] * 10_001), (3, 40, 30, 40), (3, 32, 40, 100)],
    ids=["many", "backwards", "outside"],
)
def test_places_of_parts_are_checked_before_they_are_read(places: tuple[int, ...]) -> None:
    message = struct.pack(f"<{len(places)}Q", *places).ljust(48, b"x")

    with pytest.raises(ValueError, match="parts"):
        check_message(message, is_v1=True)


def test_messages_as_jupyter_server_writes_them_are_valid() -> None:
    message = {"header": {}, "parent_header": {}, "metadata": {}, "content": {}, "buffers": [b"", b"data"]}

    check_message(serialize_binary_message(message), is_v1=False)
    check_message(serialize_msg_to_ws_v1([b"{}", b"{}", b"{}", b"{}", b"data"], "shell"), is_v1=True)


def test_the_newest_messages_are_kept_for_a_client_that_left() -> None:
    kept = KeptMessages(most=10_000)

    for number in range(100):
        kept.take("iopub", [b"x" * 1000, b"%d" % number])

    assert [parts[1] for _, parts in kept] == [b"96", b"97", b"98", b"99"]
    kept.take("iopub", [b"x" * 20_000])
    assert len(kept) == 1, "one message may have more"


def test_a_client_that_does_not_read_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels_module, "_MOST_UNSENT", 100)
    handler = _StuckClient()
    kernel = SimpleNamespace(kernel_id="a")
    connection = KernelChannels.__new__(KernelChannels)
    monkeypatch.setattr(KernelChannels, "websocket_handler", handler)
    monkeypatch.setattr(KernelChannels, "kernel_id", kernel.kernel_id)

    async def write() -> None:
        connection.write_message("x" * 90)
        connection.write_message("x" * 90)
        assert handler.code is None
        connection.write_message("x" * 90)

    asyncio.run(write())
    assert handler.code == 1008


class _StuckClient:
    """A client's side of a connection on which nothing arrives."""

    code: int | None = None

    def write_message(self, _: str, *, binary: bool) -> Future[None]:
        assert not binary
        if self.code:
            raise WebSocketClosedError
        return Future()

    def close(self, code: int, _: str) -> None:
        self.code = code


def test_clients_that_leave_while_they_connect_do_not_count(
    server: GatewayServer, client: KernelClient, kernel: str
) -> None:
    def connections() -> str:
        return re.search(r"^packmill_gateway_kernel_connections (\S+)", client.ask("GET", "/metrics")[1], re.MULTILINE)[
            1
        ]

    upgrade = "Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    head = f"GET /api/kernels/{kernel}/channels HTTP/1.1\r\n{upgrade}Sec-WebSocket-Key: {'A' * 22}==\r\n\r\n"
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port)) as leaving:
            leaving.sendall(head.encode())

    with client.channels(kernel) as channels:
        assert channels.run("1").text == "1"
        assert connections() == "1.0"
    wait_until(lambda: connections() == "0.0", message="the last client is gone")
    assert "Traceback" not in server.log.read_text()


def test_requests_at_once_for_one_kernel_leave_no_process(server: GatewayServer, client: KernelClient) -> None:
    assert server.process is not None
    client.ask("DELETE", f"/api/kernels/{client.start()}")  # so that a process is prepared
    before = _descendants(server.process.pid)
    kernel, same = str(uuid4()), range(4)
    address = f"/api/kernels/{kernel}"

    with ThreadPoolExecutor(4) as pool:
        started = list(pool.map(lambda _: client.ask("POST", "/api/kernels", {"kernel_id": kernel})[0], same))
        assert set(started) <= {201, 409}
        assert len(_descendants(server.process.pid) - before) == 1
        assert list(pool.map(lambda _: client.ask("POST", f"{address}/restart")[0], same)) == [200] * 4
        requests = [("POST", "/restart"), ("DELETE", ""), ("POST", "/interrupt"), ("DELETE", "")]
        answers = list(pool.map(lambda one: client.ask(one[0], address + one[1])[0], requests))
    assert set(answers) <= {200, 204, 404}
    wait_until(lambda: _descendants(server.process.pid) <= before, message="no process of the kernel is left")


def _descendants(process: int) -> set[int]:
    try:
        children = set(map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split()))
    except OSError:  # it has ended meanwhile
        return set()
    return children.union(*map(_descendants, children))


def test_sessions(client: KernelClient) -> None:
    asked = {"path": "a.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
    status, session = client.ask("POST", "/api/sessions", asked)
    again = client.ask("POST", "/api/sessions", asked)[1]

    assert (status, again["id"]) == (201, session["id"])
    assert client.ask("GET", f"/api/sessions/{session['id']}")[0] == 200, "500 by the Kernel Gateway"
    assert client.ask("PATCH", f"/api/sessions/{session['id']}", {"path": "b.ipynb"})[1]["path"] == "b.ipynb"
    client.ask("DELETE", f"/api/kernels/{session['kernel']['id']}")
    assert session["id"] not in [one["id"] for one in client.ask("GET", "/api/sessions")[1]]


def test_requests_at_once_for_one_path_share_a_session(client: KernelClient) -> None:
    asked = {"path": "at-once.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: client.ask("POST", "/api/sessions", asked), range(4)))

    assert {status for status, _ in answers} == {201}
    assert len({session["kernel"]["id"] for _, session in answers}) == 1
    assert client.ask("DELETE", f"/api/sessions/{answers[0][1]['id']}")[0] == 204


def test_pages_of_other_sites(client: KernelClient) -> None:
    kernel = client.start()
    evil, good = {"Origin": "http://evil.example"}, {"Origin": "http://app.example"}

    assert client.ask("POST", "/api/kernels", {}, **evil)[0] == 403
    assert client.ask("GET", "/api", Host="evil.example")[0] == 421
    assert client.ask("OPTIONS", "/api/kernels", **good)[0] == 200
    assert client.ask("GET", f"/api/kernels/{kernel}", **good)[0] == 200
    with pytest.raises(WebSocketBadStatusException, match="403"), client.channels(kernel, origin=evil["Origin"]):
        pass
    with client.channels(kernel, origin=good["Origin"]) as channels:
        assert channels.run("1").text == "1"


def test_headers_for_other_sites(server: GatewayServer) -> None:
    reply = server.ask("GET", "/api", [("Origin", "http://app.example")])

    assert reply.header("Access-Control-Allow-Origin") == "http://app.example"


def test_health_and_metrics(client: KernelClient) -> None:
    client.start()
    wait_until(lambda: client.ask("GET", "/health")[0] == 200, message="the server is ready")

    assert client.ask("GET", "/health") == (200, {"status": "ok", "problems": []})
    assert client.ask("GET", "/health/live")[0] == 200
    status, text = client.ask("GET", "/metrics")
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert status == 200
    assert float(figures["packmill_gateway_kernels"]) >= 1
    assert float(figures["packmill_gateway_kernel_memory_bytes"]) > 1e6


_SESSION = {"path": "a.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
_ASKED = (
    ("GET", "/api", None),
    ("GET", "/api/swagger.json", None),
    ("GET", "/api/swagger.yaml", None),
    ("GET", "/api/kernelspecs", None),
    ("GET", "/api/kernelspecs/python3", None),
    ("GET", "/api/kernelspecs/cobol", None),
    ("GET", "/api/kernels", None),
    ("POST", "/api/kernels", {"name": "python3"}),
    ("GET", "/api/kernels/{kernel}", None),
    ("POST", "/api/kernels/{kernel}/interrupt", {}),
    ("POST", "/api/kernels/{kernel}/restart", {}),
    ("DELETE", "/api/kernels/{kernel}", None),
    ("GET", "/api/kernels/{kernel}", None),
    ("OPTIONS", "/api/kernels", None),
    ("GET", "/api/sessions", None),
    ("POST", "/api/sessions", _SESSION),
    ("GET", "/api/contents", None),
    ("PUT", "/api/kernels", {}),
)


def test_the_resources_answer_as_the_kernel_gateway_s(folder: Path) -> None:
    """Status, and the names in the JSON, of the resources that its README lists."""
    theirs = GatewayServer(folder, jupyters=True, KG_AUTH_TOKEN=_ADMIN).start()
    without_lists = GatewayServer(folder, *_MODE, KG_AUTH_TOKEN=_ADMIN).start()
    try:
        expected, found = (answers_of(client_of(one, _ADMIN)) for one in (theirs, without_lists))
    finally:
        theirs.stop()
        without_lists.stop()

    for theirs_one, ours in zip(expected, found, strict=True):
        assert (theirs_one[:2], theirs_one[2] <= ours[2]) == (ours[:2], True), (theirs_one, ours)
    assert [status for _, status, _ in found][:8] == [200, 200, 200, 200, 200, 404, 403, 201]


def answers_of(client: KernelClient) -> list[tuple[str, int, set[str]]]:
    kernel, answers = "", []
    for method, path, body in _ASKED:
        status, answer = client.ask(method, path.format(kernel=kernel), body)
        if (method, path) == ("POST", "/api/kernels"):
            kernel = answer["id"]
        answers.append((f"{method} {path}", status, set(answer) if isinstance(answer, dict) else set()))
    return answers


def test_jupyter_server_uses_the_gateway(closed: GatewayServer, folder: Path) -> None:
    """``jupyter server --gateway-url``: its GatewayKernelManager opens a kernel, and its own client runs code."""
    port = free_port()
    command = [sys.executable, "-m", "jupyter_server", f"--ServerApp.port={port}", "--ServerApp.open_browser=False"]
    command += [f"--gateway-url=http://127.0.0.1:{closed.port}{_BASE}", "--IdentityProvider.token=own", "--allow-root"]
    home = folder / "jupyter"
    home.mkdir()
    environment = {**os.environ, "JUPYTER_GATEWAY_AUTH_TOKEN": _ANN, "HOME": str(home), "KERNEL_USERNAME": "ann"}
    with (folder / "jupyter.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: is_listening(port), message="Jupyter Server answers")
        jupyter = KernelClient(f"http://127.0.0.1:{port}", "own")
        kernel = jupyter.start(name="python3")
        with jupyter.channels(kernel) as channels:
            assert channels.run("import os\nprint(os.environ['KERNEL_USERNAME'], os.getppid())").text == (
                f"ann {closed.process.pid}\n"  # type: ignore[union-attr]
            )
        assert client_of(closed, _ANN, _BASE).ask("GET", f"/api/kernels/{kernel}")[0] == 200
        assert jupyter.ask("DELETE", f"/api/kernels/{kernel}")[0] == 204
    finally:
        process.terminate()
        process.wait(timeout=60)


def test_tokens_are_needed(closed: GatewayServer) -> None:
    nobody, wrong, admin = (client_of(closed, token, _BASE) for token in ("", "wrong", _ADMIN))
    kernel = admin.start()

    assert [one.ask("GET", "/api/kernelspecs")[0] for one in (nobody, wrong, admin)] == [401, 401, 200]
    assert nobody.ask("GET", f"/api/kernelspecs?token={_ADMIN}")[0] == 200
    assert nobody.ask("GET", "/api/kernelspecs", Authorization=f"Bearer {_ADMIN}")[0] == 200
    assert nobody.ask("OPTIONS", "/api/kernels")[0] == 200
    assert nobody.ask("GET", "/health")[0] == 200
    assert admin.ask("GET", "/metrics")[0] == 200
    for path in (kernel, f"{kernel}?x=1"):
        assert nobody.ask("GET", f"/api/kernels/{path}")[0] == 401
    with pytest.raises(WebSocketBadStatusException, match="401"), nobody.channels(kernel):
        pass
    with admin.channels(kernel, query=f"?token={_ADMIN}") as channels:
        found = channels.run(
            "import os\nown = dict(os.environ)\n"
            "server = open(f'/proc/{os.getppid()}/environ').read()\nprint(own, server)"
        )
    assert "KERNEL_GATEWAY" in found.text
    assert _ADMIN not in found.text
    assert _ADMIN not in closed.log.read_text()


def test_every_route_needs_a_token(closed: GatewayServer) -> None:
    """The gate is in front of the Kernel Gateway's handlers, whose own patterns are asked for here."""
    handlers = (spec_handlers, kernel_handlers, kernelspec_handlers, session_handlers)
    patterns = {pattern for listed in handlers for pattern, *_ in listed}
    paths = {re.sub(r"\(\?P<[^>]*>[^)]*\)", "1", pattern).strip("$").replace("\\", "") for pattern in patterns}
    answers = {
        (method, path): closed.ask(method, f"{_BASE}{path}", body=b"").status
        for path in sorted({*paths, "/metrics", "/nowhere", "/api/kernels/1/channels"})
        for method in ("GET", "POST", "DELETE", "PATCH", "PUT", "HEAD")
    }

    assert len(paths) > 6
    assert set(answers.values()) == {401}, answers


def test_nothing_is_found_beyond_the_base(closed: GatewayServer) -> None:
    """The base is no pattern, and is not decoded: what looks like it is another path, whoever asks."""
    others = (_BASE.replace(".", "-"), _BASE.replace("%40", "@"), f"{_BASE}x", "/of")

    for base in others:
        assert client_of(closed, _ADMIN, base).ask("GET", "/api/kernelspecs")[0] == 404, base
        assert client_of(closed, "", base).ask("GET", "/health")[0] == 404, base


def test_roles(closed: GatewayServer) -> None:
    reader, ann, ben, admin = (client_of(closed, token, _BASE) for token in (_READER, _ANN, _BEN, _ADMIN))
    kernel = ann.start()
    session = {"path": "same.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
    of_ann, of_ben = (one.ask("POST", "/api/sessions", session)[1] for one in (ann, ben))

    assert reader.ask("POST", "/api/kernels", {})[0] == 403
    assert reader.ask("GET", f"/api/kernels/{kernel}")[0] == 200
    with pytest.raises(WebSocketBadStatusException, match="403"), reader.channels(kernel):
        pass
    assert ben.ask("GET", f"/api/kernels/{kernel}")[0] == 404
    assert ben.ask("DELETE", f"/api/kernels/{kernel}")[0] == 404
    assert ben.ask("DELETE", f"/api/sessions/{of_ann['id']}")[0] == 410
    assert ben.ask("POST", "/api/kernels", {"kernel_id": kernel})[0] == 403
    assert ben.ask("PATCH", f"/api/sessions/{of_ben['id']}", {"kernel": {"id": kernel}})[0] == 404
    assert ben.ask("GET", f"/api/sessions/{of_ben['id']}")[1]["kernel"]["id"] == of_ben["kernel"]["id"]
    with pytest.raises(WebSocketBadStatusException, match="404"), ben.channels(kernel):
        pass
    assert of_ben["kernel"]["id"] != of_ann["kernel"]["id"]
    assert {one["id"] for one in ann.ask("GET", "/api/kernels")[1]} >= {kernel, of_ann["kernel"]["id"]}
    assert [one["id"] for one in ben.ask("GET", "/api/kernels")[1]] == [of_ben["kernel"]["id"]]
    assert {kernel, of_ben["kernel"]["id"]} <= {one["id"] for one in admin.ask("GET", "/api/kernels")[1]}
    assert ann.ask("GET", "/metrics")[0] == 403


def test_a_client_whose_token_is_revoked_runs_no_further_code(start: Start, tmp_path: Path) -> None:
    store = TokenStore(tmp_path)
    secrets = {name: store.create(name, "run") for name in ("ann", "ben")}
    server = start("--data", str(tmp_path), "--no-fork")
    ann, ben = (client_of(server, secrets[name]) for name in ("ann", "ben"))

    with ann.channels(ann.start()) as of_ann, ben.channels(ben.start()) as of_ben:
        assert of_ann.run("1 + 1").text == "2"
        store.revoke("ann")
        of_ann.socket.settimeout(20)
        closed = ""
        while not closed:
            code, data = of_ann.socket.recv_data()
            closed = data[2:].decode() if code == ABNF.OPCODE_CLOSE else ""
        of_ann.socket.shutdown()
        assert "the token is not valid any more" in closed
        assert of_ben.run("2 + 2").text == "4"
    store.close()
    assert "token 'ann': revoked or expired" in server.log.read_text()


def test_a_token_that_is_revoked_while_a_body_arrives_starts_no_kernel(start: Start, tmp_path: Path) -> None:
    store = TokenStore(tmp_path)
    secrets = {name: store.create(name, "admin") for name in ("ann", "ben")}
    server = start("--data", str(tmp_path), "--no-fork", "--list-kernels")

    def ask(name: str) -> str:
        """Ask for a kernel; the token of Ann is revoked when the head has been answered."""
        head = f"POST /api/kernels HTTP/1.1\r\nHost: localhost\r\nAuthorization: token {secrets[name]}\r\n"
        head += "Content-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.port), timeout=120) as connection:
            connection.sendall(head.encode())
            with connection.makefile("rb") as lines:
                assert lines.readline().startswith(b"HTTP/1.1 100 ")
                store.revoke("ann")
                connection.sendall(b"{}")
                return lines.read().decode()

    assert " 401 " in ask("ann").split("\r\n")[1]
    assert " 201 " in ask("ben").split("\r\n")[1]
    assert len(client_of(server, secrets["ben"]).ask("GET", "/api/kernels")[1]) == 1
    assert "Traceback" not in server.log.read_text()
    store.close()


def test_a_kernel_that_takes_long_to_end_delays_no_other_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jupyter waits five seconds for a kernel that executes a cell."""
    monkeypatch.setattr(personality_module, "_INTERVAL", 0)

    async def watch() -> None:
        ending, killed, tokens = list[str](), asyncio.Event(), asyncio.Event()

        async def shutdown(kernel_id: str) -> None:
            ending.append(kernel_id)
            await asyncio.Event().wait()

        async def kill() -> None:
            if len(ending) == 2:
                killed.set()

        def refuse(_: object) -> None:
            if len(ending) == 2:
                tokens.set()

        monkeypatch.setattr(KernelChannels, "refuse_invalid", refuse)
        provisioner = SimpleNamespace(pid=os.getpid(), kill=kill)
        kernel = SimpleNamespace(started=0, provisioner=provisioner)
        kernels = SimpleNamespace(managers=lambda: {"a": kernel, "b": kernel}, shutdown_kernel=shutdown)
        metrics = SimpleNamespace(count_end=lambda _: None)
        monkeypatch.setattr(Personality, "parent", SimpleNamespace(kernel_manager=kernels, metrics=metrics))
        personality = Personality.__new__(Personality)
        personality.bounds, personality.check_token = KernelBounds(memory=1, lifetime=0.001), str
        watching = asyncio.create_task(personality.watch())
        await asyncio.wait_for(asyncio.gather(killed.wait(), tokens.wait()), 60)
        watching.cancel()
        assert ending == ["a", "b"]

    asyncio.run(watch())


def test_what_a_refused_client_still_sends_is_dropped() -> None:
    """It is not obliged to end its side of the connection."""
    client: Any = SimpleNamespace(_is_refused=True, subprotocol=_V1, session=None)

    KernelChannels.handle_incoming_message(client, b"")


_WHOLE = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


_HALF_BODY = (
    f"POST /api/kernels HTTP/1.1\r\nHost: localhost\r\nAuthorization: token {_ADMIN}\r\nContent-Length: 9\r\n\r\n{{"
)


@pytest.mark.parametrize(
    "sent",
    [b"", _WHOLE[:-2], _WHOLE, _HALF_BODY.encode()],
    ids=["nothing", "half a head", "a request", "half a body"],
)
def test_idle_clients_leave_room_for_others(sent: bytes, start: Start) -> None:
    server = start("--connections=3", KG_AUTH_TOKEN=_ADMIN)

    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port))).sendall(sent)
        wait_until(lambda: server.ask("GET", "/health/live").status == 200, seconds=20, message="others are answered")


def test_a_client_that_does_not_read_its_answer_is_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application_module, "note_request", lambda *_: None)
    connections: Any = Connections(1, int)
    stream = socket.socket()  # closed as a stream is
    request = SimpleNamespace(server_connection=SimpleNamespace(stream=stream))
    connections.admit(stream)
    connections.serve(stream)
    assert not connections.make_room(), "its request is being answered"

    gateway: Any = SimpleNamespace(connections=connections, metrics=None)
    PackmillGateway._note_answer(gateway, SimpleNamespace(request=request))
    assert connections.make_room()


def test_a_gateway_without_descriptors_waits_for_one(start: Start) -> None:
    server = start()
    assert server.process is not None
    process, hard = server.process.pid, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    used = len(os.listdir(f"/proc/{process}/fd"))

    resource.prlimit(process, resource.RLIMIT_NOFILE, (used + 10, hard))
    with ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        assert server.ask("GET", "/health/live").status == 200, "idle connections made room"

    resource.prlimit(process, resource.RLIMIT_NOFILE, (3, hard))
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as waiting:
        waiting.sendall(_WHOLE)
        wait_until(lambda: "no connections are accepted" in server.log.read_text(), message="there is no descriptor")
        resource.prlimit(process, resource.RLIMIT_NOFILE, (used + 100, hard))
        assert waiting.recv(100).startswith(b"HTTP/1.1 200 OK")
    assert "Traceback" not in server.log.read_text()


def test_a_gateway_may_open_the_files_of_all_its_connections(start: Start) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
    try:
        server = start("--connections=100")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert server.process is not None
    assert resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)[0] == min(hard, 1384)


def test_limits_of_a_server(limited: GatewayServer) -> None:
    client = client_of(limited)
    kernel = client.start()

    status, problem = client.ask("POST", "/api/kernels", {})
    assert (status, problem["message"].partition(":")[0]) == (403, "Resource Limit")
    session = {"path": "a.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
    assert client.ask("POST", "/api/sessions", session)[0] == 403, "the Kernel Gateway does not count these"
    assert client.ask("GET", "/api/kernels")[0] == 403, "listing is off by default"
    assert client.ask("POST", "/api/kernels", {"name": "x" * 20_000})[0] == 413
    wait_until(lambda: client.ask("GET", f"/api/kernels/{kernel}")[0] == 404, message="the idle kernel is ended")


def test_the_memory_of_a_kernel(start: Start) -> None:
    client = client_of(start("--kernel-memory=300M"))
    with client.channels(client.start()) as channels:
        channels.begin("data = bytearray(500_000_000)\nwhile True:\n    pass")
        channels.wait_for_status("restarting")
        assert channels.run("1").text == "1"
    assert 'packmill_gateway_kernels_ended_total{reason="memory"} 1.0' in client.ask("GET", "/metrics")[1]


def test_seeds_and_kernels_started_ahead(start: Start) -> None:
    server = start("--seed_uri=seed.ipynb", KG_PRESPAWN_COUNT="2", KG_LIST_KERNELS="True")
    client = client_of(server)

    wait_until(lambda: client.ask("GET", "/health")[0] == 200, message="the kernels run")
    listed = client.ask("GET", "/api/kernels")[1]
    assert len(listed) == 2
    for kernel in (listed[0]["id"], client.start()):
        with client.channels(kernel) as channels:
            assert channels.run("answer").text == "42"


def test_a_cell_of_a_seed_without_a_source_is_empty(folder: Path, start: Start) -> None:
    """No kernel started: "--prespawn-count: 'source'"."""
    cells = [{"cell_type": "code", "metadata": {}}, {"cell_type": "code", "metadata": {}, "source": "answer = 43"}]
    seed = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"metadata": {}}, *cells]}
    (folder / "hollow.ipynb").write_text(json.dumps(seed))
    client = client_of(start("--seed-uri=hollow.ipynb"))

    with client.channels(client.start()) as channels:
        assert channels.run("answer").text == "43"


def test_sigterm_lets_cells_finish(start: Start) -> None:
    server = start("--kernel-lifetime=1h")
    client = client_of(server)
    kernel = client.start()
    with client.channels(kernel) as channels:
        process = int(channels.run("import os\nos.getpid()").text)
        request = channels.begin("import time\ntime.sleep(1)\nprint('finished')")
        channels.wait_for_status("busy")
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        assert channels.finish(request).text == "finished\n"
    stopping.join()
    assert server.process is not None
    assert server.process.returncode == 0
    assert has_ended(process)


def test_no_kernel_outlives_a_killed_server(start: Start) -> None:
    server = start(JUPYTER_PATH=str(require_kernel("bash").parent.parent / "share/jupyter"))
    client = client_of(server)
    processes = []
    for name, code in (("python3", "import os\nprint(os.getpid())"), ("bash", "echo $PPID")):
        with client.channels(client.start(name=name)) as channels:
            processes.append(int(channels.run(code).text))

    server.stop(signal.SIGKILL)

    for process in processes:
        wait_until(lambda process=process: has_ended(process), message="the kernel ends")  # type: ignore[misc]


_ODD_SEEDS: dict[str, dict[str, object]] = {
    "a-number": {"kernelspec": {"name": 5}},
    "a-list": {"kernelspec": {"name": ["python3"]}},
    "no-language": {"kernelspec": {"name": "missing"}, "language_info": {"name": None}},
    "a-list-of-languages": {"kernelspec": {"name": ""}, "language_info": {"name": [1]}},
}
"""Metadata of seeds that run in the default kernel, as `packmill-runner run` takes them."""
_LATER_REFUSAL = (2, "others could run code without a token")
"""The end of a start that has read its seed."""
_REFUSALS = {
    **{("--ip=0.0.0.0", f"--seed-uri={name}.json"): _LATER_REFUSAL for name in _ODD_SEEDS},
    ("--ip", "0.0.0.0"): (2, "others could run code without a token"),
    ("--allow-origin=*",): (2, "any web page"),
    ("--default-kernel-name=cobol",): (2, "--default-kernel-name cobol: not found; available: "),
    ("--seed-uri", "missing.ipynb"): (3, "missing.ipynb: No such file"),
    ("--seed-uri", "list.json"): (2, "list.json: not a notebook"),
    ("--seed-uri", "kernel.json"): (2, "kernel.json: not a notebook"),
    ("--prespawn-count=3", "--max-kernels=2"): (2, "more than max kernels"),
    ("--seed-uri=wrong.ipynb", "--prespawn-count=1"): (1, "ZeroDivisionError"),
    ("--certfile", "missing.pem"): (2, 'missing.pem" does not exist'),
    ("--port=x",): (2, "port"),
    ("--token-file=seed.ipynb",): (2, "invalid; write NAME:ROLE:TOKEN"),
    ("notebook.ipynb",): (2, "notebooks are for --api notebook-http"),
}
_IN_FORKS = """
import json, os, sys
import generator.runner.server.gateway.websocket.serve
from generator.runner.cli import main
for number, words in enumerate(json.load(sys.stdin)):
    sys.stdout.flush()
    if not os.fork():
        os.dup2(os.open(f"refusal-{number}.txt", os.O_WRONLY | os.O_CREAT), 2)
        try:
            os._exit(main(words))
        except SystemExit as end:
            os._exit(end.code)
    print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def test_servers_that_cannot_start(folder: Path) -> None:
    """Each in a fork of one process, because importing the Kernel Gateway takes longer than the test."""
    (folder / "list.json").write_text("[1]")
    wrong = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": "x"}, "cells": []}
    (folder / "kernel.json").write_text(json.dumps(wrong))
    for name, metadata in _ODD_SEEDS.items():
        (folder / f"{name}.json").write_text(json.dumps({**wrong, "metadata": metadata}))
    commands = [["gateway", *_MODE, *options] for options in _REFUSALS]
    finished = subprocess.run(
        [sys.executable, "-c", _IN_FORKS],
        input=json.dumps(commands),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(here.parent), "KG_PORT": "0"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    codes = [int(line) for line in finished.stdout.split()]
    messages = [(folder / f"refusal-{number}.txt").read_text() for number in range(len(_REFUSALS))]

    for (code, message), found, text in zip(_REFUSALS.values(), codes, messages, strict=True):
        assert (found, message in text, "Traceback" in text) == (code, True, False), text


def test_the_package_is_named_if_it_is_missing(folder: Path) -> None:
    (folder / "empty" / "kernel_gateway").mkdir(parents=True)
    (folder / "empty" / "kernel_gateway" / "__init__.py").write_text(
        "raise ModuleNotFoundError('no', name='kernel_gateway')"
    )

    finished = run_gateway(folder, *_MODE, PYTHONPATH=os.pathsep.join((str(here.parent), str(folder / "empty"))))

    assert finished.returncode == 2
    assert "pip install 'packmill[gateway]'" in finished.stderr


def run_gateway(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "generator.runner", "gateway", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(here.parent), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--KernelGatewayApp.auth_token='a b'"], ["--KernelGatewayApp.auth_token='a b'"]),
        (["--auth-token", "T"], ["--KernelGatewayApp.auth_token=T"]),
        (["--KernelGatewayApp.port", "99"], ["--KernelGatewayApp.port=99"]),
        (
            ["--list-kernels", "--no-trust-xheaders"],
            ["--JupyterWebsocketPersonality.list_kernels=True", "--KernelGatewayApp.trust_xheaders=False"],
        ),
        (
            ["--env-whitelist=A,B"],
            ["--JupyterWebsocketPersonality.env_whitelist=A", "--JupyterWebsocketPersonality.env_whitelist=B"],
        ),
        (["--MappingKernelManager.cull_busy=True"], ["--MappingKernelManager.cull_busy=True"]),
        (["--log-level", "debug", "-y"], ["--Application.log_level=DEBUG", "-y"]),
        (["--help-all", "--version"], ["--help-all", "--version"]),
        (["--api=jupyter-websocket", "--KernelGatewayApp.api", "jupyter-websocket"], []),
    ],
)
def test_the_kernel_gateway_gets_its_options(given: list[str], expected: list[str]) -> None:
    assert words.translate_websocket(given) == [f"--original={word}" for word in expected]


def test_own_options_stay() -> None:
    given = ["gateway", "--kernel-memory", "1G", "--no-fork", "--queue-per-token=3"]

    assert words.translate_websocket(given) == given


@pytest.mark.parametrize("option", ["--shared-kernel", "--static-path=x", "--NotebookHTTPPersonality.cell_parser=x"])
def test_options_of_the_other_mode_are_refused(option: str) -> None:
    with pytest.raises(BadInputsError, match="notebook-http alone"):
        words.translate_websocket([option])


@pytest.mark.parametrize("name", modes.only_websocket)
def test_notebook_http_refuses_options_of_this_mode(name: str) -> None:
    with pytest.raises(BadInputsError, match="jupyter-websocket alone"):
        original.translate([f"--KernelGatewayApp.{name}=x"])


def test_every_option_of_the_kernel_gateway_is_known() -> None:
    from kernel_gateway.gatewayapp import KernelGatewayApp
    from kernel_gateway.jupyter_websocket import JupyterWebsocketPersonality
    from kernel_gateway.notebook_http import NotebookHTTPPersonality

    app, personality = KernelGatewayApp.class_traits(config=True), JupyterWebsocketPersonality.class_traits(config=True)
    http = set(NotebookHTTPPersonality.class_traits(config=True))

    assert {*app, *personality} == {*words.classes, "api"}
    assert http == set(modes.only_http)
    assert {*app, *personality, *http} == set((here / "cases" / "gateway" / "options.txt").read_text().split())


@pytest.mark.parametrize(
    ("given", "variable", "mode"),
    [
        (["a.ipynb"], "", "notebook-http"),
        (["a.ipynb"], "jupyter-websocket", "jupyter-websocket"),
        (["--api", "notebook-http", "a.ipynb"], "jupyter-websocket", "notebook-http"),
        (["--KernelGatewayApp.api='kernel_gateway.jupyter_websocket'"], "", "jupyter-websocket"),
        (["--api=mine"], "", "mine"),
    ],
)
def test_the_mode(given: list[str], variable: str, mode: str) -> None:
    assert modes.find_mode(given, {"KG_API": variable}) == mode
