"""The other stores, each against a real server: FTP, SFTP, Azure, Google's, local folders."""

from __future__ import annotations

import base64
import errno
import fcntl
import getpass
import hashlib
import hmac
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from email.utils import formatdate
from pathlib import Path
from typing import Any, BinaryIO

import paramiko
import pystac
import pytest
import requests
from fsspec.implementations.local import LocalFileSystem
from git_servers import ssh_server
from obstore.fsspec import FsspecStore
from obstore.store import MemoryStore
from ports import free_port
from staging_servers import HttpServer, Runner, wait_for
from waiting import wait_until

from generator.shared import durable_files
from generator.shared.failures import StagingError
from generator.staging import urls
from generator.staging.network.credentials import Credentials
from generator.staging.network.settings import NetworkSettings
from generator.staging.records import Location
from generator.staging.sources import SourceFinder
from generator.staging.stores import ChangedError, TransientError
from generator.staging.stores.filesystems import FileSystemStore, translate_filesystem_errors
from generator.staging.targets import part_name
from generator.staging.targets.filesystems import open_target
from generator.staging.targets.local import LocalTarget
from generator.staging.transfer.locks import part_lock
from generator.staging.transfer.transfer import Transfer, Watch

_ACCOUNT, _KEY = (
    "devstoreaccount1",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
)
"""The public account of Microsoft's emulator."""


@dataclass(frozen=True)
class Store:
    """A store's URL, and the folder of configuration that opens it."""

    url: str
    config: Path


@pytest.fixture
def ftp(tmp_path: Path) -> Iterator[Store]:
    folder, port = tmp_path / "ftp", free_port()
    folder.mkdir()
    user = ["-u", "ada", "-P", "pa55word"]
    command = [sys.executable, "-W", "ignore", "-m", "pyftpdlib", "-i", "127.0.0.1", "-p", str(port), "-w", *user]
    process = subprocess.Popen([*command, "-d", str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port, process, "pyftpdlib")
        config = tmp_path / "config"
        config.mkdir()
        (config / ".netrc").write_text("machine 127.0.0.1 login ada password pa55word\n")
        (config / ".netrc").chmod(0o600)
        yield Store(url=f"ftp://127.0.0.1:{port}", config=config)
    finally:
        process.terminate()
        process.wait(timeout=120)


@pytest.fixture
def sftp(tmp_path: Path) -> Iterator[Store]:
    if not (shutil.which("sshd") or Path("/usr/sbin/sshd").exists()):
        pytest.skip("sshd is not installed here")
    folder = tmp_path / "ssh"
    folder.mkdir()
    with ssh_server(folder) as (address, _command):
        port = address.rpartition(":")[2].partition("/")[0]
        config = tmp_path / "config"
        config.mkdir()
        shutil.copy(folder / "client", config / "id_ed25519")
        key = (folder / "host.pub").read_text().split()
        (config / "known_hosts").write_text(f"[127.0.0.1]:{port} {key[0]} {key[1]}\n")
        (tmp_path / "files").mkdir()
        yield Store(url=f"sftp://{getpass.getuser()}@127.0.0.1:{port}{tmp_path}/files", config=config)


@contextmanager
def dropping_front(store: Store, *, after: list[int]) -> Iterator[tuple[str, list[int]]]:
    """A proxy that ends its first connections after so many bytes of the server: its URL, and those it ended."""
    port = store.url.partition("@")[2].partition(":")[2].partition("/")[0]
    opened: list[socket.socket] = []
    dropped: list[int] = []

    def pump(source: socket.socket, target: socket.socket, limit: int | None) -> None:
        with suppress(OSError):
            while limit != 0 and (block := source.recv(min(65536, limit or 65536))):
                target.sendall(block)
                limit = None if limit is None else limit - len(block)
        if limit == 0:
            dropped.append(after[len(dropped)])
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def serve(listener: socket.socket) -> None:
        limits = iter(after)
        with suppress(OSError):
            while True:
                client, server = listener.accept()[0], socket.create_connection(("127.0.0.1", int(port)))
                opened.extend((client, server))
                for words in ((client, server, None), (server, client, next(limits, None))):
                    threading.Thread(target=pump, args=words, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        front, known = str(listener.getsockname()[1]), store.config / "known_hosts"
        known.write_text(known.read_text().replace(port, front))
        yield store.url.replace(port, front), dropped
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    for one in opened:
        one.close()


@pytest.fixture
def local(tmp_path: Path) -> Store:
    (tmp_path / "config").mkdir()
    return Store(url=str(tmp_path / "delivered"), config=tmp_path / "config")


_AZURE = pytest.param("azure", marks=pytest.mark.group("azurite"))
"""Clients know the emulator by its one port, so its tests run one after the other."""


@pytest.fixture
def azure(tmp_path: Path) -> Iterator[Store]:
    azurite = shutil.which("azurite-blob") or shutil.which(
        "azurite-blob", path=str(Path(sys.prefix) / "node" / "node_modules" / ".bin")
    )
    if not azurite:
        pytest.skip("azurite is not installed here")
    command = [azurite, "--blobPort", "10000", "--location", str(tmp_path / "azurite"), "--silent"]
    process = subprocess.Popen(
        [*command, "--skipApiVersionCheck"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(10000, process, "azurite")
        make_container("lab")
        config = tmp_path / "config"
        config.mkdir()
        settings = {"account_name": _ACCOUNT, "account_key": _KEY, "use_emulator": True}
        (config / "azure.json").write_text(json.dumps(settings))
        yield Store(url="abfs://lab", config=config)
    finally:
        process.terminate()
        process.wait(timeout=120)


def make_container(name: str) -> None:
    """A container of the emulator, created with a shared key."""
    path, date = f"/{_ACCOUNT}/{name}", formatdate(usegmt=True)
    lines = [
        "PUT",
        *[""] * 11,
        f"x-ms-date:{date}",
        "x-ms-version:2021-08-06",
        f"/{_ACCOUNT}{path}",
        "restype:container",
    ]
    signature = hmac.new(base64.b64decode(_KEY), "\n".join(lines).encode(), hashlib.sha256).digest()
    answer = requests.put(
        f"http://127.0.0.1:10000{path}?restype=container",
        headers={
            "x-ms-date": date,
            "x-ms-version": "2021-08-06",
            "Authorization": f"SharedKey {_ACCOUNT}:{base64.b64encode(signature).decode()}",
        },
        timeout=60,
    )
    assert answer.status_code == 201, answer.text


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "output"
    (folder / "maps").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "maps" / "b.bin").write_bytes(bytes(range(256)) * 40_000)
    return folder


@pytest.mark.parametrize("kind", ["ftp", "sftp", _AZURE])
def test_results_go_there_and_come_back(
    kind: str, request: pytest.FixtureRequest, runner: Runner, results: Path
) -> None:
    store: Store = request.getfixturevalue(kind)

    out = runner("stage-out", results, f"{store.url}/run", "--config", store.config)
    assert out.code == 0, out.err
    assert [file["path"] for file in out.json()["files"]] == ["a.txt", "maps/b.bin"]
    again = runner("stage-out", results, f"{store.url}/run", "--config", store.config)
    assert again.code == 0, again.err

    back = runner("stage-in", f"{store.url}/run/", f"{store.url}/run/a.txt", "--config", store.config)

    assert back.code == 0, back.err
    assert back.names == ["0_a.txt", "1_b.bin", "2_a.txt"]
    assert back.content("1_b.bin") == (results / "maps" / "b.bin").read_bytes()
    assert "pa55word" not in out.out + out.err + back.out + back.err


@pytest.mark.parametrize("kind", ["ftp", "sftp", _AZURE])
def test_names_may_have_characters_that_end_the_path_of_a_web_address(
    kind: str, request: pytest.FixtureRequest, runner: Runner, tmp_path: Path
) -> None:
    store: Store = request.getfixturevalue(kind)
    names = ["100%.txt", "a#1.txt", "a#2.txt", "a?x=1", "a?x=2"]
    (tmp_path / "output" / "d#1").mkdir(parents=True)
    for name in names:
        (tmp_path / "output" / "d#1" / name).write_text(name)
    config = ("--config", store.config, "--cache-dir", "cache")

    out = runner("stage-out", tmp_path / "output", f"{store.url}/run", "--config", store.config)
    back = runner("stage-in", f"{store.url}/run/d#1/", f"{store.url}/run/d#1/a#2.txt", *config)

    assert (out.code, back.code) == (0, 0), out.err + back.err
    assert [back.content(name).decode() for name in back.names] == [*names, "a#2.txt"]


@pytest.mark.parametrize("kind", ["ftp", "sftp", _AZURE])
def test_names_may_look_like_parts_of_a_web_address(
    kind: str, request: pytest.FixtureRequest, runner: Runner, tmp_path: Path
) -> None:
    """Secrets in the query of an address are not shown, and fsspec chains addresses with ``::``."""
    store: Store = request.getfixturevalue(kind)
    names = ["Foo::Bar.html", "a?code=1.txt", "a?code=2.txt", "d::1/x"]
    for name in names:
        (tmp_path / "output" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "output" / name).write_text(name)

    out = runner("stage-out", tmp_path / "output", f"{store.url}/run", "--config", store.config)
    back = runner("stage-in", f"{store.url}/run/", "--config", store.config, "--directory")
    one = runner("stage-in", f"{store.url}/run/d::1/x", "--config", store.config, "--output", "one")

    assert (out.code, back.code, one.code) == (0, 0, 0), out.err + back.err + one.err
    top = urls.redact(store.url)
    assert [file["url"] for file in out.json()["files"]] == [f"{top}/run/{name}" for name in names]
    for name in names:
        assert back.content(name.replace("?", "_")).decode() == name
    items = pystac.Catalog.from_file(str(tmp_path / "staged" / "catalog.json")).get_items()
    sources = {asset.extra_fields["source"] for item in items for asset in item.assets.values()}
    assert sources == {f"{top}/run/{name}" for name in names}


@pytest.mark.parametrize("kind", ["ftp", "sftp", _AZURE])
@pytest.mark.parametrize("address", ["run//", "/run/"])
def test_a_folder_may_have_another_address_than_its_listing(
    kind: str, address: str, request: pytest.FixtureRequest, runner: Runner, tmp_path: Path
) -> None:
    store: Store = request.getfixturevalue(kind)
    (tmp_path / "output" / "d").mkdir(parents=True)
    (tmp_path / "output" / "d" / "x").write_text("x")
    assert runner("stage-out", tmp_path / "output", f"{store.url}/run", "--config", store.config).code == 0

    back = runner("stage-in", f"{store.url}/{address}", "--config", store.config, "--directory")

    assert back.code == 0, back.err
    assert {path.name for path in (tmp_path / "staged").iterdir()} == {"d", "d-x.stac", "catalog.json"}
    assert back.content("d/x") == b"x"


@pytest.mark.parametrize("kind", ["ftp", "sftp", _AZURE])
def test_what_is_not_there_is_named(kind: str, request: pytest.FixtureRequest, runner: Runner) -> None:
    store: Store = request.getfixturevalue(kind)

    result = runner("stage-in", f"{store.url}/nothing.txt", "--config", store.config, "--attempts", "2")

    assert result.code == 12
    assert "nothing.txt: " in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("kind", ["ftp", "sftp"])
def test_a_second_run_takes_it_from_the_cache(
    kind: str, request: pytest.FixtureRequest, runner: Runner, results: Path
) -> None:
    store: Store = request.getfixturevalue(kind)
    assert runner("stage-out", results, f"{store.url}/run", "--config", store.config).code == 0
    words = ("stage-in", f"{store.url}/run/a.txt", "--config", store.config, "--cache-dir", "cache")

    runner(*words, "--output", "one")
    result = runner(*words)

    assert "1 of them from the cache" in result.err
    assert result.content("0_a.txt") == b"a"


@pytest.mark.parametrize("kind", ["ftp", "sftp", "local"])
def test_results_may_be_named_like_unfinished_files(
    kind: str, request: pytest.FixtureRequest, runner: Runner, tmp_path: Path
) -> None:
    store: Store = request.getfixturevalue(kind)
    names = [".a.txt.part", "a.txt", "a.txt.part"]
    (tmp_path / "output").mkdir()
    for name in names:
        (tmp_path / "output" / name).write_text(name)

    order = ("--include", "*.part", "--include", "*", "--parallel", "1")
    out = runner("stage-out", tmp_path / "output", f"{store.url}/run", "--config", store.config, *order)
    back = runner("stage-in", f"{store.url}/run/", "--config", store.config)

    assert (out.code, back.code) == (0, 0), out.err + back.err
    assert sorted(back.content(name).decode() for name in back.names) == names


@pytest.mark.parametrize("kind", ["ftp", "sftp"])
def test_uploads_that_create_the_same_folders_at_once_all_succeed(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store: Store = request.getfixturevalue(kind)
    location = Location(kind=kind, addresses=(f"{store.url}/run",))
    target = open_target(location, NetworkSettings(), Credentials(folder=store.config), inside=None)
    with target.store.opened(store.url) as (system, _):
        mkdir = type(system).mkdir

    def mkdir_a_moment_too_late(self: object, path: str, *words: object, **options: object) -> None:
        mkdir(self, path, *words, **options)
        mkdir(self, path, *words, **options)

    monkeypatch.setattr(type(system), "mkdir", mkdir_a_moment_too_late)
    (tmp_path / "a.txt").write_text("a")

    target.put(tmp_path / "a.txt", "maps/2026/a.txt", lambda _count: None)

    assert target.store.list_folder(f"{store.url}/run/maps/")[0].address.endswith("/run/maps/2026/a.txt")


def test_a_folder_that_the_server_does_not_list_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fsspec leaves such a folder out, so that a stage-in would be a part of the files."""

    class Files(LocalFileSystem):
        def ls(self, path: str, **options: object) -> object:
            if path.endswith("closed"):
                raise PermissionError(f"{path}: Permission denied")
            return super().ls(path, **options)

    (tmp_path / "open" / "closed").mkdir(parents=True)
    (tmp_path / "open" / "a").touch()
    monkeypatch.setattr(FileSystemStore, "find", lambda *_: (Files(), str(tmp_path)))
    store = FileSystemStore(NetworkSettings(), Credentials())

    with pytest.raises(StagingError, match=r"ftp://h/x/: .*closed: Permission denied"):
        store.list_folder("ftp://h/x/")

    (tmp_path / "open" / "closed").rmdir()
    assert [source.name for source in store.list_folder("ftp://h/x/")] == ["a"]


def test_a_wrong_password(ftp: Store, runner: Runner) -> None:
    (ftp.config / ".netrc").write_text("machine 127.0.0.1 login ada password wr0ng\n")

    result = runner("stage-in", f"{ftp.url}/a.txt", "--config", ftp.config)

    assert (result.code, "530" in result.err, "wr0ng" in result.err) == (12, True, False)


def test_a_host_whose_key_is_not_known_is_not_trusted(sftp: Store, runner: Runner, results: Path) -> None:
    (sftp.config / "known_hosts").write_text("")

    result = runner("stage-out", results, sftp.url, "--config", sftp.config)

    assert result.code == 12
    assert "not found in known_hosts" in result.err


@pytest.mark.parametrize("length", [0, 60_000], ids=["before the banner", "while it is read"])
def test_a_connection_that_sshd_drops_is_opened_again(sftp: Store, results: Path, tmp_path: Path, length: int) -> None:
    """Beyond its MaxStartups, sshd drops connections; networks do it at any time."""
    (tmp_path / "files" / "b.bin").write_bytes((results / "maps" / "b.bin").read_bytes()[:2_000_000])
    with dropping_front(sftp, after=[length, length]) as (url, dropped):
        network = NetworkSettings(first_wait=0.01, longest_wait=0.02)
        source = FileSystemStore(network, Credentials(folder=sftp.config)).source(f"{url}/b.bin")

        fetched = Transfer(source, tmp_path / "b.part", network=network, watch=Watch()).fetch()

    assert (fetched.size, dropped) == (2_000_000, [length, length])
    assert (tmp_path / "b.part").read_bytes() == (tmp_path / "files" / "b.bin").read_bytes()


def test_a_folder_is_listed_after_dropped_connections(sftp: Store, tmp_path: Path) -> None:
    (tmp_path / "files" / "a.txt").touch()
    with dropping_front(sftp, after=[0, 0]) as (url, dropped):
        location = Location(kind="sftp", addresses=(f"{url}/",))
        network = NetworkSettings(first_wait=0.01, longest_wait=0.02)

        found = list(SourceFinder(network, Credentials(folder=sftp.config)).list_files(location))

        assert ([file.relative for file in found], dropped) == (["a.txt"], [0, 0])
        dropped.clear()
    with pytest.raises(StagingError, match=r"\(tried 2 times\)"):
        list(SourceFinder(replace(network, attempts=2), Credentials(folder=sftp.config)).list_files(location))


@pytest.mark.parametrize("kind", ["ftp", "sftp", "memory"])
def test_a_file_that_changes_while_it_is_fetched_is_never_mixed_from_two_versions(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each block is a request of its own, which gets the version of its moment."""
    if kind == "memory":  # stores of clouds are read by obstore alike
        system, objects = FsspecStore("gs"), MemoryStore()
        monkeypatch.setattr(system, "_construct_store", lambda _bucket: objects)
        monkeypatch.setattr(FileSystemStore, "find", lambda *_: (system, "lab/a.bin"))
        store = Store(url="gs://lab", config=tmp_path)
    else:
        store = request.getfixturevalue(kind)

    def write(content: bytes, age: int = 0) -> None:
        if kind == "memory":
            objects.put("a.bin", content)
            return
        path = tmp_path / {"ftp": "ftp", "sftp": "files"}[kind] / "a.bin"
        path.write_bytes(content)
        os.utime(path, (time.time() - age,) * 2)  # servers report whole seconds

    def change(_count: int) -> None:
        nonlocal seen
        seen += 1
        if seen == 2:
            write(b"new" * 700_000)

    seen, network = 0, NetworkSettings(first_wait=0.01, longest_wait=0.02)
    write(b"old" * 700_000, age=3600)
    source = FileSystemStore(network, Credentials(folder=store.config)).source(f"{store.url}/a.bin")
    transfer = Transfer(source, tmp_path / "a.part", network=network, watch=Watch(on_bytes=change))

    transfer.fetch()

    assert (tmp_path / "a.part").read_bytes() == b"new" * 700_000


def answer_with(handler: Any, answer: str) -> None:
    """Answer a command of FTP, with 226 after a listing without lines."""
    if answer.startswith("226"):
        respond = handler.respond
        handler.respond = lambda text, **kind: respond(answer if text.startswith("226") else text, **kind)
        handler.push_dtp_data(b"", cmd="LIST")
    else:
        handler.respond(answer)


@contextmanager
def counting_ftp(
    folder: Path, *, lacks: str, answer: str = "", closed: dict[str, str] | None = None
) -> Iterator[tuple[str, Counter[str]]]:
    """A server without some commands, perhaps with a fixed answer to MLST: its URL, and how often it did each.

    ``closed`` has its answers to commands with a path that ends with this word.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports asyncore
        from pyftpdlib.authorizers import DummyAuthorizer
        from pyftpdlib.handlers import FTPHandler
        from pyftpdlib.servers import FTPServer
    counts: Counter[str] = Counter()
    users = DummyAuthorizer()
    users.add_user("ada", "pa55word", str(folder))

    class Handler(FTPHandler):  # type: ignore[misc]
        authorizer = users
        proto_cmds = FTPHandler.proto_cmds.copy()

        def process_command(self, name: str, *words: object, **options: object) -> None:
            counts[name] += 1
            answer_of_closed = closed.get(name, "") if closed and str(words[:1]).endswith("closed',)") else ""
            if answer_of_closed:
                answer_with(self, answer_of_closed)
            else:
                super().process_command(name, *words, **options)

        def ftp_MLST(self, path: str) -> None:  # noqa: N802 (pyftpdlib's name)
            if answer:
                self.push(f"250-Listing\r\n {answer} a\r\n250 End\r\n")
            else:
                super().ftp_MLST(path)

        def ftp_SIZE(self, path: str) -> None:  # noqa: N802
            if Path(path).is_dir():  # some servers report that of a folder
                self.respond("213 4096")
            else:
                super().ftp_SIZE(path)

        def ftp_MDTM(self, path: str) -> None:  # noqa: N802
            if Path(path).is_dir():
                self.respond("213 20261130120000")
            else:
                super().ftp_MDTM(path)

    for name in lacks.split():
        del Handler.proto_cmds[name]
    server = FTPServer(("127.0.0.1", 0), Handler)
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            server.serve_forever(timeout=0.02, blocking=False, handle_exit=False)
        server.close_all()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"ftp://ada:pa55word@127.0.0.1:{server.address[1]}", counts
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({"MLSD": "550 Permission denied.", "LIST": "550 Permission denied."}, StagingError),
        ({"LIST": "226 Transfer done (but failed to open directory)."}, StagingError),  # vsftpd
        ({"MLSD": "425 No data connection.", "LIST": "425 No data connection."}, TransientError),
        ({"MLSD": "425 No data connection."}, TransientError),
        ({"MLSD": "421 Timeout.", "MLST": "421 Timeout."}, TransientError),
    ],
    ids=["refused", "226", "temporary", "temporary, once", "of all commands"],
)
def test_a_folder_that_ftp_does_not_list_is_no_empty_folder(
    tmp_path: Path, answers: dict[str, str], error: type[Exception]
) -> None:
    """A stage-in would be a part of the files; a temporary failure is followed by another attempt."""
    (tmp_path / "a" / "closed").mkdir(parents=True)
    (tmp_path / "a" / "1").touch()
    (tmp_path / "empty").mkdir()
    with counting_ftp(tmp_path, lacks="" if "MLSD" in answers else "MLST MLSD", closed=answers) as (url, _):
        store = FileSystemStore(NetworkSettings(), Credentials())
        for folder in ("a", "a/closed"):
            with pytest.raises(error, match=r"/a/closed: "):
                store.list_folder(f"{url}/{folder}/")

        assert store.list_folder(f"{url}/empty/") == store.list_folder(f"{url}/missing/") == []


@pytest.mark.parametrize(
    ("lacks", "answers"),
    [("LIST", {}), ("", {"LIST": "450 No files found."}), ("", {"LIST": "550 No files found."})],
    ids=["no LIST", "450", "550"],
)
def test_an_empty_folder_that_ftp_lists_with_mlsd_alone_is_no_error(
    tmp_path: Path, lacks: str, answers: dict[str, str]
) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "1").touch()
    with counting_ftp(tmp_path, lacks=lacks, closed=answers) as (url, _):
        found = FileSystemStore(NetworkSettings(), Credentials()).list_folder(f"{url}/")

    assert [source.name for source in found] == ["1"]


@pytest.mark.parametrize(
    ("lacks", "answer", "listings"),
    [
        ("", "", 1),
        ("MLST MLSD", "", 1),  # such as vsftpd
        ("", "type=OS.unix=slink:/b;size=1;modify=20261130120000;", 1),  # a link has a size of its own
        ("", "type=file;size=4;", 1),
        ("MLST MDTM", "", 1 + 2 * 3),  # fsspec's own way: before and after each file
    ],
    ids=["mlst", "size and mdtm", "link", "no time", "neither"],
)
def test_a_folder_of_ftp_is_not_listed_again_for_each_file(
    tmp_path: Path, lacks: str, answer: str, listings: int
) -> None:
    """Of 10,000 files in a folder, 20,000 listings would be 24 GB."""
    (tmp_path / "a").mkdir()
    for name in ("1", "2", "3"):
        (tmp_path / name).write_text(name * 4)
        os.utime(tmp_path / name, (1_700_000_000,) * 2)
    with counting_ftp(tmp_path, lacks=lacks, answer=answer) as (url, counts):
        store = FileSystemStore(NetworkSettings(), Credentials())
        sources = store.list_folder(f"{url}/")
        counts["MLSD"] -= 2  # those of the folder "a", which is empty
        for source in sources:
            stream = source.open().stream
            assert stream.read(9) + stream.read(9) == source.name.encode() * 4
            stream.close()

        assert counts["MLSD"] + counts["LIST"] == listings
        with pytest.raises(StagingError, match="file not found"):
            store.source(f"{url}/4").open()
        with pytest.raises(StagingError, match="is a folder"):
            store.source(f"{url}/a").open()
        stream = store.source(f"{url}/1").open().stream
        os.utime(tmp_path / "1", (1_700_000_061,) * 2)
        with pytest.raises(ChangedError):
            assert stream.read(9) + stream.read(9) is None
        stream.close()


@pytest.mark.parametrize(
    ("error", "is_final"),
    [
        (paramiko.SSHException("Error reading SSH protocol banner"), False),
        (paramiko.SSHException("Key-exchange timed out waiting for key negotiation"), False),
        (paramiko.AuthenticationException("Authentication timeout."), False),
        (paramiko.AuthenticationException("Authentication failed: transport shut down or saw EOF"), False),
        (paramiko.ssh_exception.NoValidConnectionsError({("127.0.0.1", 22): OSError("refused")}), False),
        (paramiko.AuthenticationException("Authentication failed."), True),
        (paramiko.BadAuthenticationType("Bad authentication type", ["publickey"]), True),
        (paramiko.PasswordRequiredException("Private key file is encrypted"), True),
        (paramiko.SSHException("not a valid OPENSSH private key file"), True),
        (paramiko.SSHException("encountered RSA key, expected OPENSSH key"), True),  # of a key that was refused
        (paramiko.SSHException("No authentication methods available"), True),
        (paramiko.SSHException("Server 'host' not found in known_hosts"), True),
    ],
    ids=str,
)
def test_what_another_attempt_does_not_change_of_ssh_is_final(error: Exception, is_final: bool) -> None:
    with pytest.raises(StagingError if is_final else TransientError), translate_filesystem_errors("sftp://host/a"):
        raise error


def test_no_connection_outlasts_its_use(sftp: Store, results: Path) -> None:
    """Of hundreds of results, each would keep a thread and a socket."""
    location = Location(kind="sftp", addresses=(f"{sftp.url}/run",))
    target = open_target(location, NetworkSettings(), Credentials(folder=sftp.config), inside=None)
    before = set(threading.enumerate())

    target.put(results / "a.txt", "a.txt", lambda _count: None)
    (source,) = target.store.list_folder(f"{sftp.url}/run/")
    download = source.open()
    assert download.stream.read(10) == b"a"
    download.stream.close()
    with pytest.raises(StagingError, match="folder"):
        target.store.source(f"{sftp.url}/run").open()
    (sftp.config / "known_hosts").write_text("")
    with pytest.raises(StagingError, match="known_hosts"):
        source.open()

    wait_until(
        lambda: not any(isinstance(one, paramiko.Transport) for one in set(threading.enumerate()) - before), seconds=10
    )


def test_google_by_its_own_interface(web: HttpServer, runner: Runner, tmp_path: Path) -> None:
    content = b"google" * 1000
    web.put("/lab/a.txt", content, headers={"Last-Modified": "Tue, 03 Feb 2026 04:05:06 GMT"})
    web.pages["/lab/a.txt"].handler = None
    (tmp_path / "config").mkdir()
    account = {"gcs_base_url": web.url, "disable_oauth": True, "client_email": "", "private_key": ""}
    (tmp_path / "config" / "google.json").write_text(json.dumps({**account, "private_key_id": ""}))

    result = runner("stage-in", "gs://lab/a.txt", "--config", "config")

    assert result.code == 0, result.err
    assert result.content("0_a.txt") == content


@pytest.mark.parametrize("size", [0, 6 << 20, 52 << 30, 5 << 40], ids=str)
def test_a_result_of_any_size_has_no_more_parts_than_google_takes(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Google takes 10,000 parts, Azure 50,000; those in memory take up to 60 MiB, one at a time if it is larger."""
    uploads = []

    class Bucket:
        async def put_async(self, path: str, file: Path, **options: int) -> None:
            uploads.append((path, file, options["chunk_size"], options["max_concurrency"]))

    with FileSystemStore(NetworkSettings(), Credentials()).opened("gs://lab/a#1.bin") as (system, path):
        monkeypatch.setattr(system, "_construct_store", {"lab": Bucket()}.__getitem__)
        with (tmp_path / "a.bin").open("wb") as file:
            try:
                file.truncate(size)  # takes no space
            except OSError:
                pytest.skip("this file system takes no such files")

        system.put_file(str(tmp_path / "a.bin"), path)

    ((stored, local, part, at_once),) = uploads
    assert (stored, local) == ("a#1.bin", tmp_path / "a.bin")
    assert size / part <= 9_500
    assert at_once == 1 or at_once * part <= 60 << 20


def test_a_scheme_that_nothing_reads(runner: Runner) -> None:
    result = runner("stage-in", "gopher://host/a")

    assert (result.code, "gopher://host/a: " in result.err) == (12, True)


class TestLocal:
    def test_files_and_folders(self, step: Runner, tmp_path: Path) -> None:
        (tmp_path / "data" / "b").mkdir(parents=True)
        (tmp_path / "data" / "a.txt").write_text("a")
        (tmp_path / "data" / "b" / "a.txt").write_text("b")
        file = {"class": "File", "path": str(tmp_path / "data" / "a.txt"), "basename": "named.txt"}
        folder = {"class": "Directory", "path": str(tmp_path / "data")}

        result = step("stage-in", {"input_path": [{"path": [file]}, folder, str(tmp_path / "data" / "a.txt")]})

        assert result.code == 0, result.err
        assert result.names == ["0_named.txt", "1_a.txt", "2_a.txt", "3_a.txt"]

    @pytest.mark.parametrize("field", ["folder", "path"])
    def test_a_destination_below_the_working_directory_is_an_output(
        self, step: Runner, results: Path, tmp_path: Path, field: str
    ) -> None:
        folder = {"class": "Directory", "path": str(results)}

        result = step("stage-out", {"output_path": {field: "delivered/run"}, "output_dir": folder})

        assert result.code == 0, result.err
        assert (tmp_path / "delivered" / "run" / "maps" / "b.bin").exists()
        assert json.loads((tmp_path / "cwl.output.json").read_text())["staged_dir"] == {
            "class": "Directory",
            "path": "delivered/run",
        }

    @pytest.mark.parametrize("path", ["/somewhere", "../out", ".", "file:///x"])
    def test_a_step_does_not_write_elsewhere(self, step: Runner, results: Path, path: str) -> None:
        folder = {"class": "Directory", "path": str(results)}

        result = step("stage-out", {"output_path": {"path": path}, "output_dir": folder})

        assert (result.code, "give the name of a folder" in result.err) == (2, True)

    def test_a_path_that_cwltool_changed_is_refused_with_the_form_to_write(self, step: Runner, results: Path) -> None:
        folder = {"class": "Directory", "path": str(results)}

        result = step("stage-out", {"output_path": {"path": "file:///home/ada/delivered"}, "output_dir": folder})

        assert result.code == 2
        assert "such as {folder: delivered}" in result.err

    @pytest.mark.parametrize("kind", ["File[]", "Directory"])
    def test_secondary_files_are_staged_in_next_to_their_file(
        self, step: Runner, outputs: Callable[[], dict[str, Any]], tmp_path: Path, kind: str
    ) -> None:
        """Safe names of files can be the same."""
        for name in ("甲.txt", "乙.txt", "丙.txt"):
            (tmp_path / name).write_text(name)
        third = {"class": "File", "path": str(tmp_path / "丙.txt")}
        second = {"class": "File", "path": str(tmp_path / "乙.txt"), "secondaryFiles": [third]}
        first = {"class": "File", "path": str(tmp_path / "甲.txt"), "secondaryFiles": [second]}

        result = step("stage-in", {"input_path": {"path": [first]}, "as_type": kind})

        assert result.code == 0, result.err
        if kind == "Directory":
            folder = tmp_path / outputs()["output_directory"]["path"]
            files = [path for path in folder.iterdir() if path.suffix == ".txt"]
        else:
            (file,) = outputs()["output_files"]
            files = [tmp_path / one["path"] for one in (file, *file["secondaryFiles"])]
            assert files[0].read_text() == "甲.txt"
        assert sorted(file.read_text() for file in files) == sorted(["甲.txt", "乙.txt", "丙.txt"])

    def test_a_folder_as_a_secondary_file_is_refused(self, step: Runner, tmp_path: Path) -> None:
        (tmp_path / "a.txt").touch()
        folder = {"class": "Directory", "path": str(tmp_path)}
        file = {"class": "File", "path": str(tmp_path / "a.txt"), "secondaryFiles": [folder]}

        result = step("stage-in", {"input_path": {"path": [file]}})

        assert (result.code, "secondaryFiles can only have files" in result.err) == (2, True), result.err

    @pytest.mark.parametrize("text", ['{"features": 12}', "[{}]"])
    def test_a_json_file_that_is_no_stac_is_a_file_of_a_folder(self, step: Runner, tmp_path: Path, text: str) -> None:
        (tmp_path / "a.json").write_text(text)

        result = step("stage-in", {"input_path": str(tmp_path / "a.json"), "as_type": "Directory"})

        assert result.code == 0, result.err
        assert result.content("a.json").decode() == text

    @pytest.mark.parametrize("files", [(), ("a.txt",)])
    def test_a_folder_named_like_a_document_is_a_folder(
        self, runner: Runner, tmp_path: Path, files: tuple[str, ...]
    ) -> None:
        (tmp_path / "x.json").mkdir()
        for name in files:
            (tmp_path / "x.json" / name).write_text('{"stac_version": "1.1.0"}')

        result = runner("stage-in", "./x.json", "--directory")

        assert result.code == 0, result.err
        assert {path.name for path in (tmp_path / "staged").glob("*.txt")} == set(files)

    def test_two_deliveries_of_one_name_take_turns(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each copy would wait for the other one in its middle."""
        both = threading.Barrier(2)

        def copy(source: BinaryIO, part: BinaryIO, _block: int) -> None:
            content = source.read()
            part.write(content[:2])
            with suppress(threading.BrokenBarrierError):
                both.wait(0.5)
            part.write(content[2:])

        monkeypatch.setattr(shutil, "copyfileobj", copy)
        contents = {b"first", b"the second"}
        for content in contents:
            (tmp_path / content.decode()).write_bytes(content)
        target = LocalTarget(folder=tmp_path / "delivered")

        with ThreadPoolExecutor() as threads:
            files = [tmp_path / content.decode() for content in contents]
            list(threads.map(lambda file: target.put(file, "a.bin", lambda _: None), files))

        assert [path.name for path in target.folder.iterdir()] == ["a.bin"]
        assert (target.folder / "a.bin").read_bytes() in contents
        assert both.broken

    def test_a_delivery_removes_no_partial_file_of_another_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another one can begin as soon as the file has its name."""
        part, sync = tmp_path / part_name("a"), durable_files.sync
        (tmp_path / "result").write_text("of one")

        def sync_and_begin(path: Path) -> None:
            sync(path)
            if path == tmp_path:
                part.write_text("of another")
                raise OSError(errno.EIO, "the disk is broken")

        monkeypatch.setattr(durable_files, "sync", sync_and_begin)
        with pytest.raises(OSError, match="broken"):
            LocalTarget(folder=tmp_path).put(tmp_path / "result", "a", lambda _: None)

        assert part.read_text() == "of another"
        monkeypatch.setattr(durable_files, "sync", lambda path: path == tmp_path and part.write_text("of another"))
        LocalTarget(folder=tmp_path).put(tmp_path / "result", "a", lambda _: None)
        assert part.read_text() == "of another"

    def test_a_delivery_that_waited_for_another_one_locks_a_new_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        part, waits, flock = tmp_path / ".a.part", threading.Event(), fcntl.flock

        def deliver() -> bool:
            monkeypatch.setattr(fcntl, "flock", lambda *words: waits.set() or flock(*words))
            with part_lock(part):
                return part.exists()

        with ThreadPoolExecutor() as threads:
            with part_lock(part):
                other = threads.submit(deliver)
                assert waits.wait(60)
                part.rename(tmp_path / "a")

            assert other.result(60)

    def test_a_delivery_overwrites_no_file_to_which_a_link_in_the_folder_leads(self, tmp_path: Path) -> None:
        (tmp_path / "own").write_text("own")
        (tmp_path / "result").write_text("a result")
        part = tmp_path / part_name("a")
        part.symlink_to(tmp_path / "own")

        with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
            LocalTarget(folder=tmp_path).put(tmp_path / "result", "a", lambda _: None)

        assert (tmp_path / "own").read_text() == "own"
        part.unlink()
        part.write_text("the part of a delivery that was interrupted")
        LocalTarget(folder=tmp_path).put(tmp_path / "result", "a", lambda _: None)
        assert (tmp_path / "a").read_text() == "a result"

    def test_a_full_disk_at_the_destination_is_named(self, runner: Runner, small_disk: Path, results: Path) -> None:
        (results / "large.bin").write_bytes(bytes(2 << 20))

        result = runner("stage-out", results, small_disk / "sub", "--include", "large.bin")

        assert (result.code, f"{small_disk}/sub/large.bin: no space is left" in result.err) == (10, True), result.err
        assert list((small_disk / "sub").iterdir()) == []

    def test_a_list_of_deliveries_that_does_not_fit_on_the_disk_is_a_full_disk(
        self, step: Runner, results: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "cwl.output.json").symlink_to("/dev/full")

        result = step("stage-out", {"output_path": {"path": "out"}, "output_dir": str(results), "include": ["*.txt"]})

        assert (result.code, "no space is left" in result.err) == (10, True), result.err

    def test_a_person_may_name_any_folder(self, runner: Runner, results: Path, tmp_path: Path) -> None:
        result = runner("stage-out", results, tmp_path / "elsewhere", "--include", "*.txt")

        assert result.code == 0
        assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["a.txt"]

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("stage-out",), "needs a FOLDER and a DESTINATION"),
            (("stage-out", "nowhere", "x"), "nowhere: results folder not found"),
            (("stage-in",), "needs a URL"),
            (("stage-in", "http://x", "--parallel", "0"), "'0' is not a number from 1 to 64"),
            (("stage-in", "http://x", "--ca-bundle", "nowhere.pem"), "certificate file not found"),
            (("stage-in", "http://x", "--config", "nowhere"), "configuration folder not found"),
            (("stage-in", "http://x", "--credentials", "nowhere"), "the credentials cannot be read"),
            (("stage-in", "http://x", "--cache-only"), "cache_only needs a cache_dir"),
            (("stage-out", ".", "https://x/y"), "web servers cannot store results"),
        ],
    )
    def test_what_a_tired_person_types(self, runner: Runner, words: tuple[str, ...], said: str) -> None:
        result = runner(*words)

        assert (result.code, said in result.err) == (2, True), result.err

    def test_no_result_is_a_failure(self, step: Runner, results: Path) -> None:
        folder = {"class": "Directory", "path": str(results)}

        result = step("stage-out", {"output_path": "out", "output_dir": folder, "include": ["*.png"]})

        assert (result.code, "no results to deliver" in result.err) == (12, True)

    def test_a_link_out_of_the_results_is_not_delivered(self, step: Runner, results: Path, tmp_path: Path) -> None:
        (tmp_path / "private").write_text("private")
        (results / "link.txt").symlink_to(tmp_path / "private")
        (results / "inner.txt").symlink_to(results / "a.txt")
        folder = {"class": "Directory", "path": str(results)}

        step("stage-out", {"output_path": "out", "output_dir": folder})

        delivered = {path.name for path in (tmp_path / "out").iterdir()}
        assert delivered == {"a.txt", "inner.txt", "maps"}

    def test_nowhere_is_a_destination(self, step: Runner, results: Path, tmp_path: Path) -> None:
        folder = {"class": "Directory", "path": str(results)}

        assert step("stage-out", {"output_path": None, "output_dir": folder}).code == 0
        assert json.loads((tmp_path / "stage_out.json").read_text())["files"] == []
