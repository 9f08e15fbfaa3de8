"""Credentials are for the repository that was asked for: not for submodules, LFS servers and redirects."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from git_servers import https_server, ssh_server
from support import commit_all, git, write_notebook

from generator.network.address_policy import any_repository
from generator.repository.address import parse_repository
from generator.repository.fetch import Checkout, fetch
from generator.shared.errors import RepositoryError

_TOKEN = "0pen-s3same"
_SECRET = base64.b64encode(f"oauth2:{_TOKEN}".encode()).decode()


@pytest.fixture
def bare(tmp_path: Path) -> Callable[..., str]:
    """Makes a bare repository below ``srv`` with a file that names it, and submodules; its commit."""

    def make(name: str, **submodules: tuple[str, str]) -> str:
        folder = tmp_path / "work" / name
        write_notebook(folder / "process.ipynb", "n = 1")
        (folder / "marker.txt").write_text(name)
        commit_all(folder)
        modules = "".join(f'[submodule "{p}"]\n\tpath = {p}\n\turl = {url}\n' for p, (url, _) in submodules.items())
        if modules:
            (folder / ".gitmodules").write_text(modules)
            git(folder, "add", ".gitmodules")
            for path, (_, commit) in submodules.items():
                git(folder, "update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
            git(folder, "commit", "--quiet", "--message", "With submodules")
        git(tmp_path, "clone", "--quiet", "--bare", str(folder), str(tmp_path / "srv" / f"{name}.git"))
        return git(folder, "rev-parse", "HEAD")

    return make


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An https server of private repositories, ``asked`` for paths; ``public`` and ``redirects`` can be changed."""
    state = SimpleNamespace(asked=[], public=set(), redirects={})
    (tmp_path / "srv").mkdir()
    options = {"redirects": state.redirects, "asked": state.asked, "public": state.public}
    with https_server(tmp_path / "srv", tmp_path, token=_TOKEN, **options) as address:
        monkeypatch.setenv("GIT_SSL_CAINFO", str(tmp_path / "certificate.pem"))
        state.address = address
        yield state


def _fetch(address: str, tmp_path: Path, *, token: str = _TOKEN, **options: Any) -> Checkout:
    target = tmp_path / "checkout"
    shutil.rmtree(target, ignore_errors=True)
    return fetch(parse_repository(address), None, target, token=token, **options)


def _secrets_seen(server: Any) -> set[str]:
    """The repositories that were asked for with the token."""
    return {path.partition(".git")[0].lstrip("/") for path, header in server.asked if _SECRET in header}


@pytest.mark.parametrize("url", ["{address}/eve/private.git", "../../eve/private.git", "../private.git"])
def test_a_submodule_gets_no_token(url: str, bare: Callable[..., str], server: Any, tmp_path: Path) -> None:
    commit = bare("eve/private")
    bare("ada/private")
    bare("ada/outer", lib=(url.format(address=server.address), commit))

    with pytest.raises(RepositoryError, match="PACKMILL_SUBMODULES") as refusal:
        _fetch(f"{server.address}/ada/outer.git", tmp_path)

    assert _secrets_seen(server) == {"ada/outer"}
    assert not (tmp_path / "checkout/lib/marker.txt").exists()
    assert _TOKEN not in str(refusal.value)


def test_with_owner_a_submodule_of_the_same_owner_gets_it_and_another_s_does_not(
    bare: Callable[..., str], server: Any, tmp_path: Path
) -> None:
    same, other = bare("ada/lib"), bare("eve/private")
    bare("ada/outer", lib=("../lib.git", same))
    bare("ada/hostile", lib=("../lib.git", same), stolen=("../../eve/private.git", other))

    checkout = _fetch(f"{server.address}/ada/outer.git", tmp_path, submodules=("owner",))
    assert (checkout.folder / "lib/marker.txt").read_text() == "ada/lib"

    with pytest.raises(RepositoryError, match=r"submodule 'stolen'.*PACKMILL_SUBMODULES"):
        _fetch(f"{server.address}/ada/hostile.git", tmp_path, submodules=("owner",))
    assert "eve/private" not in _secrets_seen(server)
    assert not (tmp_path / "checkout/stolen/marker.txt").exists()


def test_a_submodule_s_own_submodule_is_measured_by_the_repository_that_was_asked_for(
    bare: Callable[..., str], server: Any, tmp_path: Path
) -> None:
    """A public library of another owner's has no say in what the token opens."""
    inner = bare("eve/private")
    middle = bare("eve/lib", inner=("../private.git", inner))
    bare("ada/outer", lib=("../../eve/lib.git", middle))
    server.public.add("eve/lib.git")

    with pytest.raises(RepositoryError, match=r"submodule 'inner'.*PACKMILL_SUBMODULES"):
        _fetch(f"{server.address}/ada/outer.git", tmp_path, submodules=("owner",))
    assert _secrets_seen(server) == {"ada/outer"}

    checkout = _fetch(f"{server.address}/ada/outer.git", tmp_path, submodules=("host",))
    assert (checkout.folder / "lib/inner/marker.txt").read_text() == "eve/private"
    assert (checkout.folder / "lib/.git").is_file()


def test_a_submodule_may_be_allowed_by_its_address(bare: Callable[..., str], server: Any, tmp_path: Path) -> None:
    commit = bare("team/lib")
    bare("ada/outer", lib=("../../team/lib.git", commit))

    with pytest.raises(RepositoryError, match="PACKMILL_SUBMODULES"):
        _fetch(f"{server.address}/ada/outer.git", tmp_path, submodules=("localhost/tea",))
    checkout = _fetch(f"{server.address}/ada/outer.git", tmp_path, submodules=("localhost/team",))

    assert (checkout.folder / "lib/marker.txt").read_text() == "team/lib"


def test_a_public_submodule_needs_no_permission(bare: Callable[..., str], server: Any, tmp_path: Path) -> None:
    commit = bare("eve/lib")
    bare("ada/outer", lib=("../../eve/lib.git", commit))
    server.public.add("eve/lib.git")

    checkout = _fetch(f"{server.address}/ada/outer.git", tmp_path)

    assert (checkout.folder / "lib/marker.txt").read_text() == "eve/lib"
    assert _secrets_seen(server) == {"ada/outer"}


@pytest.mark.parametrize("path", ["*", "lib*", ":(glob)**"])
def test_a_submodule_s_path_is_no_pattern(path: str, bare: Callable[..., str], server: Any, tmp_path: Path) -> None:
    """An allowed submodule whose path is a pattern fetches nothing but itself."""
    same, other = bare("ada/lib"), bare("eve/private")
    bare("ada/outer", **{path: ("../lib.git", same), "library": ("../../eve/private.git", other)})

    with pytest.raises(RepositoryError, match="submodule 'library'"):
        _fetch(f"{server.address}/ada/outer.git", tmp_path, submodules=("owner",))

    assert "eve/private" not in _secrets_seen(server)


@pytest.mark.parametrize("is_named", [False, True], ids=["home", "GIT_CONFIG_GLOBAL"])
def test_the_operator_s_account_is_not_for_submodules(
    is_named: bool, bare: Callable[..., str], server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credential helper, .netrc, extra headers and rewritten addresses of ~/.gitconfig."""
    home = tmp_path / "home"
    home.mkdir()
    login = f"username=oauth2\\npassword={_TOKEN}\\n"
    (home / ".netrc").write_text(f"machine localhost login oauth2 password {_TOKEN}\n")
    (home / ".gitconfig").write_text(
        f"[credential]\n\thelper = \"!f() {{ printf '{login}'; }}; f\"\n"
        f'[http "{server.address}/"]\n\textraHeader = "X-Marker: operator"\n'
        f'[url "{server.address}/eve/private.git"]\n\tinsteadOf = https://example.org/rewritten.git\n'
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("GIT_CONFIG_GLOBAL", raising=False)
    if is_named:
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    commit = bare("eve/private")
    bare("ada/outer", lib=("../../eve/private.git", commit))
    bare("ada/rewriting", lib=("https://example.org/rewritten.git", commit))

    for name in ("outer", "rewriting"):
        with pytest.raises(RepositoryError, match="submodule 'lib'"):
            _fetch(f"{server.address}/ada/{name}.git", tmp_path, token="")
    assert _secrets_seen(server) == {"ada/outer", "ada/rewriting"}

    checkout = _fetch(f"{server.address}/ada/outer.git", tmp_path, token="", submodules=("host",))
    assert (checkout.folder / "lib/marker.txt").read_text() == "eve/private"


@pytest.mark.parametrize("has_agent", [True, False], ids=["agent", "key file"])
def test_the_operator_s_ssh_keys_are_not_for_submodules(
    has_agent: bool, bare: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    commit = bare("eve/private")
    with ssh_server(keys) as (address, command), _Agent(keys / "client") as agent:
        bare("ada/outer", lib=(f"{address}{tmp_path}/srv/eve/private.git", commit))
        without_key = command.replace(f"-i {keys}/client ", "").replace("-oIdentitiesOnly=yes", "")
        monkeypatch.setenv("GIT_SSH_COMMAND", without_key if has_agent else command)
        monkeypatch.setenv("SSH_AUTH_SOCK", agent if has_agent else "")
        top = f"{address}{tmp_path}/srv/ada/outer.git"

        with pytest.raises(RepositoryError, match=r"submodule 'lib'.*PACKMILL_SUBMODULES"):
            _fetch(top, tmp_path, token="")
        checkout = _fetch(top, tmp_path, token="", submodules=("host",))

    assert (checkout.folder / "lib/marker.txt").read_text() == "eve/private"


class _Agent:
    """An ssh agent of this test's own with one key."""

    def __init__(self, key: Path) -> None:
        self.key, self.socket = key, str(key.parent / "agent")

    def __enter__(self) -> str:
        self.process = subprocess.Popen(["ssh-agent", "-D", "-a", self.socket], stdout=subprocess.DEVNULL)
        while not Path(self.socket).exists():
            assert self.process.poll() is None
        environment = {"SSH_AUTH_SOCK": self.socket, "PATH": "/usr/bin:/bin"}
        subprocess.run(["ssh-add", "-q", str(self.key)], env=environment, check=True)
        return self.socket

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()


def test_a_redirect_takes_no_token_to_another_repository(bare: Callable[..., str], server: Any, tmp_path: Path) -> None:
    bare("eve/private")
    server.redirects["/ada/moved.git"] = f"{server.address}/eve/private.git"

    with pytest.raises(RepositoryError):
        _fetch(f"{server.address}/ada/moved.git", tmp_path)

    assert _secrets_seen(server) <= {"ada/moved"}
    assert any(path.startswith("/eve/private.git") for path, _ in server.asked)


def test_a_redirect_takes_no_credential_helper_to_another_repository(
    bare: Callable[..., str], server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that anyone runs could otherwise have any repository packaged that the operator may read."""
    (tmp_path / ".netrc").write_text(f"machine localhost login oauth2 password {_TOKEN}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    bare("eve/private")
    server.redirects["/ada/moved.git"] = f"{server.address}/eve/private.git"

    with pytest.raises(RepositoryError):
        _fetch(f"{server.address}/ada/moved.git", tmp_path, token="")

    assert "eve/private" not in _secrets_seen(server)


def test_a_redirect_to_a_public_repository_is_followed(bare: Callable[..., str], server: Any, tmp_path: Path) -> None:
    bare("ada/new")
    server.public.add("ada/new.git")
    server.redirects["/ada/old.git"] = f"{server.address}/ada/new.git"

    checkout = _fetch(f"{server.address}/ada/old.git", tmp_path)

    assert (checkout.folder / "marker.txt").read_text() == "ada/new"
    assert _secrets_seen(server) <= {"ada/old"}


def test_a_private_repository_answers_without_its_ending(bare: Callable[..., str], server: Any, tmp_path: Path) -> None:
    """GitLab redirects to the address with ``.git``."""
    bare("ada/trees")
    server.redirects["/ada/trees"] = f"{server.address}/ada/trees.git"

    checkout = _fetch(f"{server.address}/ada/trees", tmp_path)

    assert (checkout.folder / "marker.txt").read_text() == "ada/trees"


@pytest.mark.skipif(not shutil.which("git-lfs"), reason="git-lfs is not installed")
@pytest.mark.parametrize(
    ("config", "guarded", "seen", "asked"),
    [
        ("", False, {"ada/outer"}, "/ada/outer.git/info/lfs"),
        ("[lfs]\n\turl = {address}/eve/private.git/info/lfs\n", False, {"ada/outer"}, "/eve/private.git/info/lfs"),
        ('[remote "origin"]\n\tlfsurl = {address}/eve/x.git/info/lfs\n', False, {"ada/outer"}, "/eve/x.git/info/lfs"),
        ("[lfs]\n\turl = {address}/eve/private.git/info/lfs\n", True, {"ada/outer"}, ""),
        ("", True, {"ada/outer"}, ""),
    ],
)  # fmt: skip
def test_an_lfs_server_of_the_repository_s_choice_gets_no_token(
    config: str, guarded: bool, seen: set[str], asked: str, bare: Callable[..., str], server: Any, tmp_path: Path
) -> None:
    """Where others reach the service, no LFS server is asked at all unless the repository is listed."""
    work = tmp_path / "work" / "ada" / "outer"
    work.mkdir(parents=True)
    (work / ".gitattributes").write_text("*.bin filter=lfs\n")
    (work / "data.bin").write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12\n")
    if config:
        (work / ".lfsconfig").write_text(config.format(address=server.address))
    bare("ada/outer")
    policy = replace(any_repository, guarded=guarded, reachable=("localhost",))

    checkout = _fetch(f"{server.address}/ada/outer.git", tmp_path, policy=policy)

    assert "data.bin" in checkout.warnings[0]
    assert checkout.source.pointers == ("data.bin",)
    lfs = [path for path, _ in server.asked if "/info/lfs" in path]
    assert all(path.startswith(asked) for path in lfs) if asked else not lfs
    assert bool(lfs) is bool(asked)
    assert _secrets_seen(server) == seen
    assert ("PACKMILL_REPOSITORIES" in checkout.warnings[0]) is guarded
