"""``packmill-runner gateway``: what the Kernel Gateway's README promises, and what it does not have."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from gateway_server import GatewayServer
from openapi_spec_validator import OpenAPIV2SpecValidator
from starlette.requests import Request
from support import here, write_notebook
from waiting import has_ended, wait_until

from generator.notebook.notebook import Cell
from generator.runner.cli import main as runner_main
from generator.runner.document.injection import find_translator
from generator.runner.kernels.specs import find_kernels
from generator.runner.server.gateway import original
from generator.runner.server.gateway.annotations import Endpoint, read_annotations
from generator.runner.server.gateway.guard import Guard
from generator.runner.server.gateway.notebooks import read_place
from generator.runner.server.gateway.request_text import CheckToken, read_request
from generator.runner.server.gateway.routes import compile_path
from generator.runner.server.gateway.states.calls import Call, CallLimits, KernelEndedError, UnsuitedError
from generator.runner.server.gateway.states.channel import Channel
from generator.runner.server.gateway.states.child import Child
from generator.runner.server.gateway.states.kernels import _Kernel
from generator.runner.server.gateway.states.sources import Place, SeedSource
from generator.runner.server.gateway.uploads import upload_folder
from generator.runner.server.kernels.trial import HangWatch
from generator.runner.server.problems import ProblemError
from generator.shared.failures import BadInputsError, ProcessMissingError

_TABLE = """import json
class Table(list):
    def insert(self, row):
        self.append(row)
        return len(self)
person_table = Table()"""
_README = (
    _TABLE,
    '# GET /hello/world\nprint("hello world")',
    "# GET /hello/:firstName/:lastName\nreq = json.loads(REQUEST)\nprint(*req['path'].values())",
    """# POST /person
req = json.loads(REQUEST)
row_id = person_table.insert(req['body'])
res = {'id' : row_id}
print(json.dumps(res))""",
    """# ResponseInfo POST /person
print(json.dumps({
    "headers" : {
        "Content-Type" : "application/json"
    },
    "status" : 201
}))""",
)
_TICKS = """import threading, time
ticks = []
def tick():
    while True:
        ticks.append(1)
        time.sleep(0.01)
threading.Thread(target=tick, daemon=True).start()"""
_FILES = """import resource
limits = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (max(4096, limits[0]), limits[1]))
files = [open('/dev/null') for _ in range(1100)]"""
_BACKGROUND = """# GET /background
started = subprocess.check_output("sleep 300 > /dev/null 2>&1 & echo $!", shell=True, text=True).strip()
open("background", "w").close()
while not os.path.exists("ended"):
    time.sleep(0.02)
print(open(f"/proc/{started}/stat").read().split()[2])"""
_OWN = (
    "import json, os, random, time, subprocess\nseed_process = os.getpid()\nrows = []",
    "import threading\nlock = threading.Lock()\nlock.acquire()",
    "log = open('seeded.txt', 'w')\nlog.write('once\\n')",
    _FILES,
    "# GET /files\nprint(len(files), max(file.fileno() for file in files) > 1023, os.getppid() == seed_process)",
    "# GET /rows\nrows.append(1)\nprint(len(rows))",
    "# GET /random\nprint(random.random())",
    "# GET /process\nprint(os.getpid(), os.getppid() == seed_process)",
    "# GET /seeded\nprint(open('seeded.txt').read())",
    "# POST /upload\nfor f in json.loads(REQUEST)['files']['data']:\n    print(f['size'], open(f['path']).read())",
    "# GET /sleep/:seconds\ntime.sleep(float(json.loads(REQUEST)['path']['seconds']))\nprint('slept')",
    "# GET /last\nopen('begun', 'w').close()\ntime.sleep(1)\nprint('slept')",
    "# GET /leaves\nchild = subprocess.Popen(['sleep', '1000'], start_new_session=True)\nprint(child.pid)",
    _BACKGROUND,
    "# GET /dies\nos._exit(3)",
    "# GET /dies-in-a-fork\nif os.getpid() != seed_process:\n    os.kill(os.getpid(), 11)\nprint('lives')",
    "# GET /hangs-in-a-fork\nif os.getpid() != seed_process:\n    lock.acquire()\nprint('goes on')",
    "# GET /killed\nos.kill(os.getpid(), 11)",
    "# GET /endless\nwhile True:\n    print('x' * 1_000_000)",
    "# GET /written/:size\n_ = os.write(1, b'x' * int(json.loads(REQUEST)['path']['size']))",
    "# GET /bytes/:size\n_ = os.write(1, b'\\xff' * int(json.loads(REQUEST)['path']['size']))",
    "# GET /result/:size\n'x' * int(json.loads(REQUEST)['path']['size'])",
    "# GET /program\n_ = subprocess.run('head -c 9000000 /dev/zero; sleep 100', shell=True)",
    "# GET /with-info\n_ = os.write(1, b'x' * 8_000_000)",
    "# ResponseInfo GET /with-info\n_ = os.write(1, b' ' * 1_000_000)",
    "# GET /exit\nexit()",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gateway")
    write_notebook(folder / "readme.ipynb", *_README, tags=())
    write_notebook(folder / "own.ipynb", *_OWN, tags=())
    (folder / "static").mkdir()
    (folder / "static" / "page.html").write_text("<p>static</p>")
    (folder / "secret.txt").write_text("secret")
    (folder / "static" / "link.txt").symlink_to(folder / "secret.txt")
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[GatewayServer]:
    """A server of two notebooks with fresh state."""
    options = (
        "/own=own.ipynb",
        "--static-path",
        "static",
        "--timeout",
        "10",
        "--max-response",
        "8M",
        "--max-body",
        "1M",
    )
    running = GatewayServer(folder, "readme.ipynb", *options, "--allow-notebook-download").start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def shared(folder: Path) -> Iterator[GatewayServer]:
    """A server with one shared kernel."""
    options = ("--shared-kernel", "--timeout", "1", "--queue", "1", "--max-body", "64K")
    running = GatewayServer(folder, "own.ipynb", *options, fresh=True, KG_AUTH_TOKEN="T").start()
    yield running
    assert running.stop() == 0


Start = Callable[..., GatewayServer]


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Starts servers, which end with the test."""
    started = []

    def begin(*options: str, **environment: str) -> GatewayServer:
        started.append(GatewayServer(folder, *options, **environment))
        return started[-1].start()

    yield begin
    for server in started:
        server.stop()


def test_the_readme_s_examples(server: GatewayServer) -> None:
    created = server.ask("POST", "/person", [("Content-Type", "application/json")], b'{"name": "Ada"}')

    assert server.text("/hello/world") == "hello world\n"
    assert server.text("/hello/Ada/Lovelace") == "Ada Lovelace\n"
    assert (created.status, created.header("Content-Type"), created.text) == (201, "application/json", '{"id": 1}\n')
    assert server.ask("PUT", "/hello/world").status == 405
    assert server.ask("GET", "/hello").status == 404


def test_the_readme_s_way_to_start_it(folder: Path, start: Start) -> None:
    command = "--KernelGatewayApp.api='notebook-http' --KernelGatewayApp.seed_uri=readme.ipynb "
    command += "--KernelGatewayApp.prespawn_count=5"
    words = [word.strip() for word in command.split()]
    server = start(*words)

    assert server.text("/hello/world") == "hello world\n"
    assert server.stop() == 0


def test_each_request_has_the_state_of_the_start(server: GatewayServer) -> None:
    processes = {server.text("/own/process") for _ in range(3)}

    assert [server.text("/own/rows") for _ in range(3)] == ["1\n"] * 3
    assert len({server.text("/own/random") for _ in range(3)}) == 3
    assert len(processes) == 3
    assert {text.split()[1] for text in processes} == {"True"}, "forked from the process that ran the cells"
    assert server.text("/own/seeded") == "once\n\n", "buffers of the start are written once"


def test_uploads_are_files_for_the_time_of_the_request(server: GatewayServer) -> None:
    parts = "".join(
        f'--b\r\nContent-Disposition: form-data; name="data"; filename="{name}"\r\n\r\n{name} has this\r\n'
        for name in ("one.txt", "two.txt")
    )
    headers = [("Content-Type", "multipart/form-data; boundary=b")]

    reply = server.ask("POST", "/own/upload", headers, f"{parts}--b--\r\n".encode())

    assert reply.text == "16 one.txt has this\n16 two.txt has this\n"
    assert not list(Path(os.environ.get("TMPDIR", "/tmp")).glob("packmill-gateway-*/packmill-upload-*/data/one.txt"))


def test_uploads_of_killed_gateways_are_removed_and_no_other_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    left = tmp_path / "tmp" / "packmill-gateway-left" / "packmill-upload-0" / "data"
    left.mkdir(parents=True)
    (left / "one.txt").touch()
    (tmp_path / "kept").mkdir()
    link = tmp_path / "tmp" / "packmill-gateway-link"
    link.symlink_to(tmp_path / "kept")

    with upload_folder() as first:
        (first / "two.txt").touch()
        with upload_folder() as second:
            assert {*(tmp_path / "tmp").iterdir()} == {first, second, link}
        assert (first / "two.txt").exists()
    assert [*(tmp_path / "tmp").iterdir()] == [link]
    assert link.exists()


@pytest.mark.parametrize("name", ["../secret.txt", "/etc/passwd", "a\\b"])
def test_an_upload_has_no_way_to_another_folder(name: str, server: GatewayServer) -> None:
    part = f'--b\r\nContent-Disposition: form-data; name="data"; filename="{name}"\r\n\r\nx\r\n--b--\r\n'

    reply = server.ask("POST", "/own/upload", [("Content-Type", "multipart/form-data; boundary=b")], part.encode())

    assert reply.status == 400


def test_static_files_and_no_others(server: GatewayServer) -> None:
    assert server.text("/public/page.html") == "<p>static</p>"
    for path in ("/public/../secret.txt", "/public/%2e%2e/secret.txt", "/public/link.txt", "/public/", "/secret.txt"):
        assert server.ask("GET", path).status == 404, path


def test_the_api_as_a_swagger_document(server: GatewayServer) -> None:
    document = json.loads(server.text("/_api/spec/swagger.json"))

    OpenAPIV2SpecValidator(document).validate()
    parameter = {"in": "path", "required": True, "type": "string"}
    assert (document["swagger"], document["info"]) == ("2.0", {"version": "0.0.0", "title": "readme"})
    assert document["paths"]["/hello/{firstName}/{lastName}"] == {
        "get": {
            "parameters": [{"name": "firstName", **parameter}, {"name": "lastName", **parameter}],
            "responses": {"200": {"description": "Success"}},
        }
    }
    assert {"/person", "/own/rows"} <= set(document["paths"])


def test_the_source_of_each_notebook(server: GatewayServer, folder: Path) -> None:
    assert server.text("/_api/source") == (folder / "readme.ipynb").read_text()
    assert server.text("/_api/source/own.ipynb") == (folder / "own.ipynb").read_text()
    assert server.ask("GET", "/_api/source/secret.txt").status == 404


def test_a_process_that_ends_is_an_error_of_its_request_alone(server: GatewayServer) -> None:
    assert server.ask("GET", "/own/dies").status == 500
    assert "exited with code 3" in server.ask("GET", "/own/dies").text
    assert server.ask("GET", "/own/exit").status == 200
    assert server.text("/own/rows") == "1\n"


def test_a_notebook_with_very_many_open_files_is_forked(server: GatewayServer) -> None:
    assert [server.text("/own/files") for _ in range(3)] == ["1100 True True\n"] * 3


def test_a_response_has_a_limit(server: GatewayServer) -> None:
    reply = server.ask("GET", "/own/endless")

    assert reply.status == 500
    assert "larger than the server allows" in reply.text


@pytest.mark.parametrize("path", ["written/9000000", "bytes/3000000", "result/9000000", "with-info", "program"])
def test_a_response_that_programs_and_c_code_print_has_a_limit(path: str, server: GatewayServer) -> None:
    """The program of the last handler has printed more than that and goes on, beyond the time limit of the server."""
    reply = server.ask("GET", f"/own/{path}")

    assert reply.status == 500, len(reply.body)
    assert "larger than the server allows" in reply.text
    assert len(server.ask("GET", "/own/written/8000000").body) == 8_000_000


def test_a_body_has_a_limit(server: GatewayServer) -> None:
    assert server.ask("POST", "/person", body=b"x" * 2_000_000).status == 413


def test_no_process_of_a_request_stays(server: GatewayServer) -> None:
    process = int(server.text("/own/leaves"))

    wait_until(lambda: has_ended(process), message="the process that a handler started ended")


def test_the_end_of_a_request_ends_no_program_of_another_one(server: GatewayServer, folder: Path) -> None:
    with ThreadPoolExecutor() as pool:
        state = pool.submit(server.text, "/own/background")
        wait_until((folder / "background").exists, message="a handler has started a program")
        other = int(server.text("/own/process").split()[0])
        wait_until(lambda: has_ended(other), message="the process of another request ended")
        (folder / "ended").touch()

        assert state.result() == "S\n"


def test_pages_of_other_sites_cannot_call_an_open_server(server: GatewayServer) -> None:
    assert server.ask("POST", "/person", [("Origin", "https://evil.example")]).status == 403
    assert server.ask("GET", "/own/rows", [("Sec-Fetch-Site", "cross-site")]).status == 403


def test_handlers_that_die_in_a_fork_run_without_one(folder: Path, start: Start) -> None:
    server = start("own.ipynb")

    assert server.ask("GET", "/killed").status == 500
    assert server.text("/process").split()[1] == "True", "a handler that dies anyway does not end the forks"
    assert server.text("/dies-in-a-fork") == "lives\n"
    assert server.text("/process").split()[1] == "False"
    assert server.text("/dies-in-a-fork") == "lives\n"
    assert [server.text("/rows") for _ in range(3)] == ["1\n"] * 3
    assert "run again for each request from now on" in server.log.read_text()
    assert server.stop() == 0


def test_handlers_that_hang_in_a_fork_run_without_one(start: Start) -> None:
    server = start("own.ipynb", "--timeout", "5")

    assert server.text("/hangs-in-a-fork") == "goes on\n"
    assert "cannot be forked: a handler waits for a lock without end" in server.log.read_text()
    assert server.text("/hangs-in-a-fork") == "goes on\n"


def test_cells_that_begin_threads_are_run_again_for_each_request(folder: Path, start: Start) -> None:
    write_notebook(
        folder / "threads.ipynb",
        _TICKS,
        "# GET /ticks\nbefore = len(ticks)\ntime.sleep(0.2)\nprint(len(ticks) > before)",
        tags=(),
    )
    server = start("threads.ipynb")

    assert server.text("/ticks") == "True\n"
    assert "began threads" in server.log.read_text()
    assert server.text("/ticks") == "True\n"
    assert server.stop() == 0


_REFUSING = """import os
fork = os.fork
def refuse():
    if os.path.exists('full'):
        raise BlockingIOError(11, 'Resource temporarily unavailable')
    return fork()
os.fork = refuse"""


def test_a_fork_that_the_system_refuses_is_an_error_of_its_request_alone(folder: Path, start: Start) -> None:
    """The process that ran the cells goes on, so their state is the same afterwards."""
    write_notebook(
        folder / "refused.ipynb", _REFUSING, "# GET /seed\nprint(os.getppid())", "# GET /rows\nprint(1)", tags=()
    )
    server = start("refused.ipynb")
    seed = server.text("/seed")

    (folder / "full").touch()
    wait_until(lambda: server.ask("GET", "/rows").status == 503, message="the processes made ahead are used up")
    reply = server.ask("GET", "/rows")
    (folder / "full").unlink()

    assert (reply.status, reply.header("Retry-After")) == (503, "1")
    assert "no process can be started at the moment" in reply.text
    wait_until(lambda: server.ask("GET", "/rows").status == 200, message="requests are answered again")
    assert server.text("/seed") == seed


@pytest.mark.parametrize("options", [(), ("--shared-kernel",)])
def test_a_prepared_process_that_died_is_replaced(options: tuple[str, ...], start: Start) -> None:
    """Its children, with the state of the notebook, died with it."""
    server = start("own.ipynb", *options)
    assert server.text("/rows") == "1\n"

    [prepared] = [pid for pid in _children(server) if "packmill_prepared" in _command(pid)]
    os.kill(prepared, signal.SIGKILL)
    wait_until(lambda: has_ended(prepared), message="the prepared process ended")

    wait_until(lambda: server.ask("GET", "/rows").status == 200, message="requests are answered again")
    assert "Traceback" not in server.log.read_text()


def _children(server: GatewayServer) -> list[int]:
    assert server.process is not None
    found = Path(f"/proc/{server.process.pid}/task").glob("*/children")
    return [int(word) for path in found for word in path.read_text().split()]


def _command(process: int) -> str:
    return Path(f"/proc/{process}/cmdline").read_bytes().decode()


def test_a_shared_kernel_keeps_its_state(shared: GatewayServer) -> None:
    rows = [int(shared.text("/rows?token=T")) for _ in range(3)]

    assert [row - rows[0] for row in rows] == [0, 1, 2]


def test_a_request_has_a_time_limit(shared: GatewayServer) -> None:
    process = shared.text("/process?token=T")

    assert shared.ask("GET", "/sleep/60?token=T").status == 504
    assert shared.text("/process?token=T") == process, "a handler that can be interrupted does not cost the state"


def test_a_shared_kernel_that_ends_is_replaced(shared: GatewayServer) -> None:
    before = shared.text("/process?token=T")

    assert shared.ask("GET", "/exit?token=T").status == 200
    after = shared.text("/process?token=T")
    assert shared.ask("GET", "/dies?token=T").status == 500
    assert len({before, after, shared.text("/process?token=T")}) == 3


def test_more_requests_than_can_wait_are_refused(shared: GatewayServer) -> None:
    replies = []
    threads = [
        threading.Thread(target=lambda: replies.append(shared.ask("GET", "/sleep/0.8?token=T"))) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    busy = [reply for reply in replies if reply.status == 503]
    assert busy
    assert {reply.header("Retry-After") for reply in busy} == {"1"}
    assert 200 in {reply.status for reply in replies}


@pytest.mark.parametrize("options", [("--prespawn-count", "1"), ("--shared-kernel",)])
def test_requests_whose_client_left_before_their_turn_do_not_run(
    options: tuple[str, ...], start: Start, tmp_path: Path
) -> None:
    cells = (
        f"import os, time\nos.chdir({str(tmp_path)!r})",
        "# GET /long\nopen('begun', 'w').close()\nwhile not os.path.exists('released'):\n    time.sleep(0.02)",
        "# GET /short\nprint('ran', file=open('runs', 'a'))",
    )
    write_notebook(tmp_path / "queue.ipynb", *cells, tags=())
    server = start(str(tmp_path / "queue.ipynb"), *options)
    long = threading.Thread(target=lambda: server.ask("GET", "/long"))
    long.start()
    wait_until((tmp_path / "begun").exists, message="the only turn is taken")

    for _ in range(3):
        with socket.create_connection(("127.0.0.1", server.port)) as leaving:
            leaving.sendall(b"GET /short HTTP/1.1\r\nHost: localhost\r\n\r\n")
            leaving.shutdown(socket.SHUT_WR)
            assert leaving.recv(100) == b"", "the server has noticed it"
    (tmp_path / "released").touch()
    long.join()

    server.text("/short")
    assert (tmp_path / "runs").read_text() == "ran\n"


def test_every_route_needs_the_token(shared: GatewayServer) -> None:
    """The routes are those that the server itself describes."""
    described = shared.ask("GET", "/_api/spec/swagger.json", [("Authorization", "token T")])
    routes = [(method, path) for path, item in json.loads(described.text)["paths"].items() for method in item]
    asked = [("GET", "/_api/spec/swagger.json"), *((method.upper(), path) for method, path in routes)]
    answers = {(method, path): shared.ask(method, path, body=b"").status for method, path in asked}

    assert len(answers) > 3
    assert set(answers.values()) == {401}, answers


def test_wrong_tokens_are_counted(shared: GatewayServer) -> None:
    statuses = [shared.ask("GET", f"/rows?token={number}").status for number in range(70)]

    assert (statuses[0], statuses[-1]) == (401, 429)
    assert shared.ask("GET", "/rows", [("Authorization", "token T")]).status == 200


def test_an_address_that_guesses_is_refused_before_its_token_is_checked() -> None:
    guard = Guard("right", loopback=False, allowed_hosts=(), allow_origin="")

    def status(address: str, token: str) -> int:
        headers = [(b"authorization", f"token {token}".encode())]
        scope = {"type": "http", "method": "GET", "headers": headers, "query_string": b"", "client": (address, 1)}
        try:
            guard.check_token(Request(scope))
        except ProblemError as error:
            return error.status
        return 200

    assert status("192.0.2.7", "right") == 200
    for address in ("192.0.2.7", "192.0.2.8"):
        assert {status(address, f"guess {number}") for number in range(60)} == {401}
    assert status("192.0.2.8", "right") == 429
    assert status("192.0.2.7", "wrong") == 429
    assert status("192.0.2.7", "right") == 200, "it was used from there before"
    assert status("192.0.2.9", "right") == 200


def test_forms_of_callers_without_a_token_fill_neither_memory_nor_disk(shared: GatewayServer) -> None:
    """A form may have its token anywhere, so the server reads forms before it knows who sends them."""
    file = b'--b\r\nContent-Disposition: form-data; name="data"; filename="a"\r\n\r\n' + b"x" * 60_000 + b"\r\n"
    form = b'--b\r\nContent-Disposition: form-data; name="token"\r\n\r\nT\r\n' + file + b"--b--\r\n"
    kind = ("Content-Type", "multipart/form-data; boundary=b")
    head = f"POST /upload HTTP/1.1\r\nHost: localhost\r\n{': '.join(kind)}\r\nContent-Length: 65000\r\n\r\n".encode()

    def ask(*headers: tuple[str, str]) -> int:
        return shared.ask("POST", "/upload", [kind, *headers], form).status

    with ExitStack() as stack:
        for _ in range(5):
            stranger = stack.enter_context(socket.create_connection(("127.0.0.1", shared.port), timeout=60))
            stranger.sendall(head + file)
        wait_until(lambda: ask() == 503, message="the forms of strangers are as many as the server holds")

        assert ask(("Authorization", "token T")) == 200
        assert shared.ask("GET", "/rows?token=T").status == 200

    wait_until(lambda: ask() == 200, message="there is room again")
    wrong = form.replace(b"\r\nT\r\n", b"\r\nF\r\n")
    assert shared.ask("POST", "/upload", [kind], wrong).status in (401, 429)


def read_form(data: bytes, check_token: CheckToken | None = None) -> int:
    """Read a form, and return how often other work had a turn meanwhile."""
    turns = 0

    async def chunks() -> AsyncIterator[bytes]:
        yield data

    async def read() -> None:
        nonlocal turns
        headers = [(b"content-type", b"application/x-www-form-urlencoded")]
        limits = {"largest_body": len(data), "largest_upload": 0}
        given = {"uploads": Path(), "path": {}, "check_token": check_token}
        reading = asyncio.ensure_future(read_request(chunks(), headers, b"", **limits, **given))
        while not reading.done():
            await asyncio.sleep(0)
            turns += 1
        await reading

    asyncio.run(read())
    return turns


def test_a_token_is_checked_before_its_form_is_decoded() -> None:
    given = []

    def refuse(tokens: Sequence[str]) -> None:
        given.extend(tokens)
        raise ProblemError(401, "")

    begin = time.process_time()
    with pytest.raises(ProblemError):
        read_form(b"token=F&a=" + b"%%" * 7_000_000 + b"&token=T%20+", refuse)

    assert given == ["T  "]
    assert time.process_time() - begin < 5, "many times what it takes; to decode the form takes ten seconds"


def test_a_large_form_keeps_no_other_request_waiting() -> None:
    assert read_form(b"a=" + b"%%" * 300_000) > 20


def test_sigterm_lets_requests_finish(folder: Path, start: Start) -> None:
    server = start("own.ipynb")
    replies = []
    thread = threading.Thread(target=lambda: replies.append(server.ask("GET", "/last")))
    process = int(server.text("/process").split()[0])
    thread.start()
    wait_until((folder / "begun").exists, message="the request is under way")

    assert server.stop(signal.SIGTERM) == 0
    thread.join()
    assert replies[0].text == "slept\n"
    assert has_ended(process)


def test_a_server_for_all_warns_and_hides_its_token(folder: Path, start: Start, shared: GatewayServer) -> None:
    open_server = start("readme.ipynb", "--ip", "0.0.0.0")
    assert shared.process is not None

    assert "warning: --ip 0.0.0.0: everybody who reaches this address" in open_server.log.read_text()
    assert "warning" not in shared.log.read_text()
    assert "KG_AUTH_TOKEN=T\0" not in Path(f"/proc/{shared.process.pid}/environ").read_text()


def test_silent_clients_leave_room_for_others(start: Start) -> None:
    server = start("readme.ipynb", "--connections", "3", "--request-timeout", "1s")
    silent = [socket.create_connection(("127.0.0.1", server.port), timeout=60) for _ in range(3)]
    silent[0].sendall(b"GET /hello/world HTTP/1.1\r\n")

    assert server.text("/hello/world") == "hello world\n"
    answers = [one.recv(100).split(b"\r\n")[0] for one in silent]

    for one in silent:
        one.close()
    assert {*answers} <= {b"HTTP/1.1 408 Request Timeout", b"HTTP/1.1 503 Service Unavailable"}


def test_clients_at_once_take_no_more_descriptors_than_a_gateway_has(start: Start) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))  # the gateway raises it for 100 connections
    try:
        server = start("readme.ipynb", "--connections", "100")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert server.process is not None

    with ExitStack() as stack:
        server.process.send_signal(signal.SIGSTOP)
        for _ in range(700):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", server.port))
        server.process.send_signal(signal.SIGCONT)
        assert server.text("/hello/world") == "hello world\n"
    assert "out of system resource" not in server.log.read_text()


def test_r_shares_the_state_of_a_kernel(folder: Path, start: Start) -> None:
    if not any(kernel.name == "ir" for kernel in find_kernels(os.environ)):
        pytest.skip("the kernel ir is not installed here")
    write_notebook(
        folder / "r.ipynb",
        "library(jsonlite)\ncount <- 0",
        "# GET /hello/:name\ncount <- count + 1\nname <- fromJSON(REQUEST)$path$name\ncat('hello', name, count)",
        "# ResponseInfo GET /hello/:name\ncat(toJSON(list(status = 201), auto_unbox = TRUE))",
        "# GET /fails\nstop('wrong')",
        language="R",
        kernel="ir",
        tags=(),
    )
    server = start("r.ipynb")

    first, second = server.ask("GET", "/hello/Ada%22"), server.ask("GET", "/hello/%E2%82%AC%5C")
    failed = server.ask("GET", "/fails")

    assert (first.status, first.text, second.text) == (201, 'hello Ada" 1', "hello €\\ 2")
    assert failed.status == 500
    assert "wrong" in failed.text
    assert "share the state of a kernel: the language is R" in server.log.read_text()
    assert server.stop() == 0


def python_kernel(directory: Path, *seed: str) -> _Kernel:
    """A kernel that is used by messages, as those of other languages."""
    place = Place(
        name="a.ipynb",
        kernel=next(one for one in find_kernels(os.environ) if one.name == "python3"),
        seed=tuple(Cell(number=number, kind="code", source=source) for number, source in enumerate(seed, 1)),
        environment=dict(os.environ),
        directory=directory,
        largest=1000,
    )
    return _Kernel(place, find_translator("python3", "python"))  # type: ignore[arg-type]


def call_of(source: str, info: str = "") -> Call:
    return Call(endpoint=Endpoint(verb="GET", path="/a", source=source, info=info), request="{}", leaving=_stay)


async def _stay() -> None:
    """Wait for a client that does not leave."""
    await asyncio.Event().wait()


def test_a_kernel_without_the_state_of_all_cells_answers_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    work = tmp_path / "work"
    work.mkdir()
    limits = CallLimits(at_once=1)
    dies, prints = call_of("os._exit(3)"), call_of("print('answered')")
    kernel = python_kernel(work, "import os", "assert not os.path.exists('broken'), 'not now'")
    try:
        kernel.start()
        (work / "broken").touch()
        with pytest.raises(KernelEndedError):
            kernel.call(dies, limits)
        for _ in range(2):
            with pytest.raises(KernelEndedError, match=r"cell 2: .*not now"):
                kernel.call(prints, limits)
        folders = list(tmp_path.glob("packmill-*"))
        (work / "broken").unlink()
        answer = kernel.call(prints, limits)
    finally:
        kernel.end()

    assert folders == []
    assert answer.body == "answered\n"


def test_a_kernel_outlives_neither_its_thread_nor_a_killed_gateway(tmp_path: Path) -> None:
    """Linux tells a process of the end of the thread that started it; a killed server's threads end, too."""
    kernel = python_kernel(tmp_path)
    pids = []

    def serve() -> None:
        kernel.start()
        pids.append(int(kernel.call(call_of("import os\nprint(os.getpid())"), CallLimits(at_once=1)).body))

    try:
        thread = threading.Thread(target=serve)
        thread.start()
        thread.join()

        wait_until(lambda: has_ended(pids[0]), message="the kernel ended")
    finally:
        kernel.end()


def test_a_response_of_a_kernel_has_a_limit(tmp_path: Path) -> None:
    """It is collected in the memory of the server."""
    limits = CallLimits(at_once=1, response=100)
    kernel = python_kernel(tmp_path, "print('-' * 200)")
    try:
        kernel.start()
        for call in (
            call_of("print('-' * 200)"),
            call_of("'-' * 200"),
            call_of("print('-' * 70)", info="print('-' * 70)"),
        ):
            with pytest.raises(KernelEndedError, match=r"larger than the server allows \(--max-response\)"):
                kernel.call(call, limits)
        answer = kernel.call(call_of("print('-' * 40)", info="print('-' * 50)"), limits)
    finally:
        kernel.end()

    assert (len(answer.body), len(answer.info)) == (41, 51)


def run_gateway(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "generator.runner", "gateway", *words]
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(here.parent), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("cells", "code", "message"),
    [
        (("1 / 0", "# GET /x\nprint(1)"), 1, "cell 1: Error ZeroDivisionError: division by zero"),
        (("print(1)", "#GET /x\nprint(1)"), 2, "no cell is a handler"),
        (("# GET /:1\nprint(1)",), 2, "':1' is not a valid parameter"),
        (("# GET /x\nprint(1)", "import os\nos._exit(4)"), 1, "a cell that runs at the start"),
    ],
)
def test_a_notebook_that_cannot_be_served(cells: tuple[str, ...], code: int, message: str, tmp_path: Path) -> None:
    write_notebook(tmp_path / "a.ipynb", *cells, tags=())

    finished = run_gateway(tmp_path, "a.ipynb", "--port", "0")

    assert finished.returncode == code, finished.stderr
    assert message in finished.stderr
    assert "/generator/" not in finished.stderr, "a traceback is of the cell alone"


@pytest.mark.parametrize("answer", [b"no HTTP\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{"])
def test_an_address_that_does_not_send_a_notebook_is_an_error(answer: bytes) -> None:
    """What is no HTTP, and a body that ends early."""

    def answer_once(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(1 << 16)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer_once, args=(server,))
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/a.ipynb"
        with pytest.raises(ProcessMissingError, match=f"{address}: "):
            read_place(address)
        thread.join()


def test_two_notebooks_with_one_path(tmp_path: Path) -> None:
    for name in ("a.ipynb", "b.ipynb"):
        write_notebook(tmp_path / name, "# GET /x\nprint(1)", tags=())

    finished = run_gateway(tmp_path, "a.ipynb", "b.ipynb")

    assert (finished.returncode, "two notebooks have it" in finished.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--KernelGatewayApp.auth_token='a b'"], ["--auth-token=a b"]),
        (["--KernelGatewayApp.port", "99"], ["--port=99"]),
        (["--NotebookHTTPPersonality.allow_notebook_download=True"], ["--allow-notebook-download"]),
        (["--KernelGatewayApp.allow_notebook_download=False"], ["--no-allow-notebook-download"]),
        (["--seed_uri=a.ipynb", "--port_retries=3"], ["--seed-uri=a.ipynb", "--port-retries=3"]),
        (["--KernelGatewayApp.answer_yes=True", "--KernelGatewayApp.log_format=x"], []),
        (["a.ipynb", "--queue", "3"], ["a.ipynb", "--queue", "3"]),
    ],
)
def test_the_kernel_gateway_s_spelling_of_options(words: list[str], expected: list[str]) -> None:
    assert original.translate(words) == expected


@pytest.mark.parametrize("name", original.refused)
def test_refused_options_tell_why(name: str) -> None:
    with pytest.raises(BadInputsError, match=name):
        original.translate([f"--KernelGatewayApp.{name}=x"])


def test_every_option_of_the_kernel_gateway_is_known() -> None:
    """The options of version 3.0.1, from ``jupyter kernelgateway --help-all`` and its source."""
    options = (here / "cases" / "gateway" / "options.txt").read_text().split()

    assert len(options) > 40
    assert {*options} <= {*original.taken, *original.ignored, *original.refused}


def test_variables_of_the_kernel_gateway() -> None:
    given = {"KG_PORT": "99", "KG_ALLOW_ORIGIN": "*", "KG_LIST_KERNELS": "True", "KG_PORTS": "1", "OTHER": "x"}

    values, remarks = original.read_variables(given)

    assert values == {"port": "99", "allow_origin": "*"}
    assert remarks == [
        "KG_LIST_KERNELS: no effect; it is for --api jupyter-websocket alone",
        "KG_PORTS: no such variable; see packmill-runner gateway --help",
    ]
    with pytest.raises(BadInputsError, match="KG_CELL_PARSER"):
        original.read_variables({"KG_CELL_PARSER": "kernel_gateway.notebook_http.swagger.parser"})


def test_other_modes_are_refused(capfd: pytest.CaptureFixture[str]) -> None:
    assert runner_main(["gateway", "--KernelGatewayApp.api=mine", "a.ipynb"]) == 2
    assert "--api mine: only notebook-http and jupyter-websocket" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("language", "line"),
    [("scala", "// GET /x"), ("python", "# GET /x"), ("R", "#  GET  /x"), ("lua", "-- GET /x"), ("octave", "% GET /x")],
)
def test_the_comment_mark_of_each_language(language: str, line: str) -> None:
    read = read_annotations([Cell(number=1, kind="code", source=f"{line}\n1")], language)

    assert [(one.verb, one.path) for one in read.endpoints] == [("GET", "/x")]


def test_lines_that_are_nearly_annotations_are_reported() -> None:
    sources = ("#GET /a", "# get /b", "\n# GET /c", "x = 1\n# GET /d", "# PATCH /e", "# GET /f # remark", "# note")
    cells = [Cell(number=number, kind="code", source=source) for number, source in enumerate(sources, start=1)]

    remarks = read_annotations(cells, "python").remarks

    assert [remark.partition(":")[0] for remark in remarks] == [
        "cell 1",
        "cell 2",
        "cell 3",
        "cell 4",
        "cell 5",
        "GET /f # remark",
    ]


def test_a_name_that_begins_with_another_is_a_parameter_of_its_own() -> None:
    found = compile_path("/:a/:ab").fullmatch("/1/2")

    assert found is not None
    assert found.groupdict() == {"a": "1", "ab": "2"}


@pytest.mark.parametrize("written", [b"[]", b"{", b'{"exited": 9, "status": 0}', b'{"forked": 1, "pid": "1"}'])
def test_what_a_cell_writes_to_the_socket_of_its_process_ends_the_process(written: bytes) -> None:
    async def fork_from_it() -> None:
        ours, theirs = socket.socketpair()
        source = SeedSource(Child(Channel(ours, 1_000)), 1_000)
        child = await source.make()
        theirs.sendall(struct.pack(">I", len(written)) + written)
        assert await asyncio.wait_for(child.ended, 10) == -1
        with pytest.raises(UnsuitedError, match="the process that ran the cells ended"):
            await source.make()
        await source.stop()

    asyncio.run(fork_from_it())


def test_a_child_whose_threads_all_wait_for_locks_hangs() -> None:
    source = "import threading\nlock = threading.Lock()\nlock.acquire()\nprint(flush=True)\nlock.acquire()"
    waits = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, start_new_session=True)
    sleeps = subprocess.Popen(["sleep", "100"], start_new_session=True)
    try:
        assert waits.stdout is not None
        waits.stdout.readline()
        watches = [HangWatch(one.pid, patience=0.3) for one in (waits, sleeps)]
        wait_until(watches[0].is_hung, interval=0.1, message="a lock that nobody releases is a hang")
        assert not watches[1].is_hung()
    finally:
        for one in (waits, sleeps):
            one.kill()
            one.communicate()
