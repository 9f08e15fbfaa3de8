"""The server as the first process of a container: its defaults, its data, signals, and orphaned processes."""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import pytest
from another_user import as_another_user
from notebook_server import NotebookServer
from support import here, write_notebook
from waiting import wait_until

from generator.runner import cli
from generator.runner.server import container, serve
from generator.runner.server.options import add_serve
from generator.runner.server.tokens.store import TokenStore
from generator.shared.failures import BadInputsError

_VOLUME = "/dev/sda1 /var/lib/packmill ext4 rw 0 0\n"
_ROOT = "overlay / overlay rw 0 0\nproc /proc proc rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n"


@pytest.fixture
def in_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for a volume of a container that this process seems to run in."""
    monkeypatch.setattr(container, "is_container", lambda: True)
    monkeypatch.setattr(container, "_volume", tmp_path / "volume")
    return tmp_path / "volume"


def test_a_container_listens_on_all_its_addresses_and_keeps_data_in_the_volume(in_container: Path) -> None:
    in_container.mkdir()

    assert container.container_defaults({}) == {"host": "0.0.0.0", "data": str(in_container), "shutdown_timeout": "5"}


def test_a_variable_of_an_option_goes_before_the_default_of_a_container(in_container: Path) -> None:
    defaults = container.container_defaults({"PACKMILL_SERVE_HOST": "127.0.0.1", "PACKMILL_SERVE_DATA": "/here"})

    assert defaults == {"host": "127.0.0.1", "data": "/here", "shutdown_timeout": "5"}


def test_data_goes_to_a_temporary_folder_if_the_image_s_is_read_only(in_container: Path) -> None:
    assert container.container_defaults({})["data"] == str(Path(tempfile.gettempdir(), "packmill-data"))


@pytest.mark.parametrize(
    ("folder", "mounts", "is_lost"),
    [
        ("/var/lib/packmill", _ROOT, True),
        ("/tmp/packmill-data", _ROOT, True),
        ("/var/lib/packmill", _ROOT + _VOLUME, False),
        ("/var/lib/packmill/deeper", _ROOT + _VOLUME, False),
        ("/var/lib/packmill-other", _ROOT + _VOLUME, True),
        ("/var/lib/packmill", "/dev/sda1 / btrfs rw 0 0\n", True),
    ],
)
def test_data_outside_of_a_volume_is_lost_with_the_container(folder: str, mounts: str, *, is_lost: bool) -> None:
    assert container._is_lost(Path(folder), mounts) == is_lost


def test_a_data_folder_that_cannot_be_created_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(BadInputsError, match=r"file/data: Not a directory; name another folder with --data$"):
        container.check_data(tmp_path / "file" / "data", print)


def test_a_file_in_place_of_the_workers_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kept").touch()

    with pytest.raises(BadInputsError, match=r"kept: not a folder; remove it, or name another folder with --data$"):
        container.check_data(tmp_path, print)


def test_a_data_folder_of_another_user_is_refused_with_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the folder of workers is in it cannot be asked, which ended with a traceback."""
    (tmp_path / "data" / "kept").mkdir(parents=True)
    (tmp_path / "data").chmod(0o700 if os.geteuid() == 0 else 0o500)
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "access", partial(os.access, effective_ids=True))  # the test changes no others

    with as_another_user(), pytest.raises(BadInputsError, match=r"^data: not writable for user \d+; serve as user \d+"):
        container.check_data(Path("data"), print)


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No usual folder for temporary files is writable."""

    def find_none() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "gettempdir", find_none)


def test_a_folder_of_the_data_is_temporary_if_no_other_is_writable(read_only: None, tmp_path: Path) -> None:
    environment: dict[str, str] = {}

    container.ensure_temporary_folder(tmp_path, environment)

    folder = Path(environment["TMPDIR"])
    assert folder.parent == tmp_path / "tmp"
    assert folder.is_dir()
    assert tempfile.tempdir == str(folder)


def test_temporary_files_of_killed_servers_are_removed_and_no_others(read_only: None, tmp_path: Path) -> None:
    left = tmp_path / "tmp" / "left"
    left.mkdir(parents=True)
    (left / "file").touch()
    first: dict[str, str] = {}
    second: dict[str, str] = {}

    container.ensure_temporary_folder(tmp_path, first)
    container.ensure_temporary_folder(tmp_path, second)

    assert {str(folder) for folder in (tmp_path / "tmp").iterdir()} == {first["TMPDIR"], second["TMPDIR"]}


def test_the_first_start_in_a_container_shows_a_token_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "is_container", lambda: True)
    parser = argparse.ArgumentParser()
    add_serve(parser)
    options = parser.parse_args(["--host", "0.0.0.0"])
    said: list[str] = []

    serve._access(options, tmp_path, "", said.append)
    serve._access(options, tmp_path, "", said.append)

    shown = re.fullmatch(r"token 'first' \(admin\): (\S+)", said[0])
    assert shown
    token = TokenStore(tmp_path).find(shown[1])
    assert token is not None
    assert (token.name, token.role) == ("first", "admin")
    assert said[1:] == [
        "It is shown only once; create others with 'docker exec CONTAINER packmill-runner token create NAME'."
    ]


def run_as_first_process(serve: str, options: str = "") -> subprocess.Popen[str]:
    """A first process whose server is the body of a function."""
    code = f"import os, signal, sys, time\nfrom generator.runner.server.first_process import run_in_child\n{serve}\n"
    command = [sys.executable, "-c", f"{code}\nsys.exit(run_in_child(serve{options}))"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=here.parent)


@pytest.mark.parametrize(("end", "code"), [("return 7", 7), ("os.kill(os.getpid(), signal.SIGKILL)", 137)])
def test_the_first_process_ends_as_the_server_does(end: str, code: int) -> None:
    process = run_as_first_process(f"def serve():\n    {end}")
    process.communicate(timeout=60)

    assert process.returncode == code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_for_the_first_process_reach_the_server(number: signal.Signals) -> None:
    handler = f"signal.signal({int(number)}, lambda *_: os._exit(3))"
    waits = "while True: time.sleep(0.1)"  # Python handles a signal that comes just before a sleep after it
    process = run_as_first_process(f"def serve():\n    {handler}\n    print('up', flush=True)\n    {waits}")
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"

    process.send_signal(number)
    process.communicate(timeout=60)

    assert process.returncode == 3


def test_a_first_process_that_was_suspended_goes_on() -> None:
    """As by `scontrol suspend`, for longer than it waits for a signal."""
    serve = "def serve():\n    print('up', flush=True)\n    sys.stdin.read()\n    return 7"
    process = run_as_first_process(serve, ", on_wait=lambda: print('waited', flush=True), interval=0.3")
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "up\n"

    for _ in range(3):
        assert process.stdout.readline() == "waited\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.5)
        process.send_signal(signal.SIGCONT)
    process.communicate(timeout=60)

    assert process.returncode == 7


def test_orphaned_processes_are_collected_by_the_first_process() -> None:
    """A child of the server starts a process and ends before it."""
    process = run_as_first_process(
        "def serve():\n"
        "    if (child := os.fork()) == 0:\n"
        "        if os.fork() == 0:\n"
        "            while os.getppid() not in (1, int(os.environ['FIRST'])): time.sleep(0.01)\n"
        "            print(os.getpid(), os.getppid(), flush=True)\n"
        "            os._exit(0)\n"
        "        os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
        "    time.sleep(600)\n"
        "os.environ['FIRST'] = str(os.getpid())"
    )
    assert process.stdout is not None
    orphan, parent = map(int, process.stdout.readline().split())
    try:
        assert parent == process.pid
        wait_until(lambda: not Path(f"/proc/{orphan}").exists(), seconds=30, message="the orphan is collected")
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_notebooks_cannot_read_the_tokens_in_the_server_s_environment(tmp_path: Path) -> None:
    """They run as the same user, who may read /proc/PID/environ of the server and of its parent."""
    read = "import os\nprint(open(f'/proc/{server}/environ').read())\nprint(dict(os.environ))"
    write_notebook(tmp_path / "root" / "read.ipynb", "server: int = 1", read)
    token = f"secret-{'x' * 20}"
    given = {"PACKMILL_SERVE_TOKENS": f"ada:admin:{token}", "OTHER_VARIABLE": "seen"}
    server = NotebookServer(tmp_path / "root", tmp_path / "data", "--workers=1", fresh=True, **given).start()
    try:
        assert server.process is not None
        body = {"notebook": "read.ipynb", "parameters": {"server": server.process.pid}}
        headers = {"Authorization": f"Bearer {token}"}
        run = server.ask("POST", "/runs?wait=60", json=body, headers=headers).json()["run"]["id"]
        notebook = server.ask("GET", f"/runs/{run}/notebook", headers=headers).text
    finally:
        server.stop()

    assert notebook.count("OTHER_VARIABLE") == 2
    assert "secret-" not in notebook


@pytest.mark.parametrize("words", [("serve",), ("serve", "--port", "1"), ("token", "list")])
def test_an_image_without_the_server_s_layer_says_so(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("generator.runner.server.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "generator.runner.server", None)

    with pytest.raises(SystemExit, match="2"):
        cli.main(words)
    assert "this image has no server; use the image of a package, not the staging image\n" in capsys.readouterr().err


@pytest.mark.parametrize("command", [("run", "in.ipynb", "out.ipynb"), ("--version",), ("run", "--help")])
def test_other_commands_load_nothing_of_the_server(command: tuple[str, ...], tmp_path: Path) -> None:
    write_notebook(tmp_path / "in.ipynb", "n = 1", "n + 1")

    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "generator.runner", *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(here.parent)},
        capture_output=True,
        text=True,
        check=True,
    )

    loaded = [line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")]
    assert "generator.runner.cli" in loaded
    assert [name for name in loaded if name.startswith(("generator.runner.server", "fastapi", "uvicorn"))] == []
