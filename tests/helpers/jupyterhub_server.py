"""A real JupyterHub with its proxy and ``packmill-runner hub`` as its managed service."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from filelock import FileLock
from ports import free_port
from support import here
from waiting import has_ended, wait_until

python = Path(sys.prefix, "hub/bin/python")
_proxy = Path(sys.prefix, "node/node_modules/.bin/configurable-http-proxy")
PREFIX = "/services/packmill"
_HOMES = "packmill-homes-"
SERVICE_TOKEN, ADMIN_TOKEN, CRON_TOKEN = "s" * 32, "a" * 32, "c" * 32

_CONFIG = """\
c = get_config()
c.JupyterHub.bind_url = "http://127.0.0.1:{port}/"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub_port}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy_port}"
c.ConfigurableHTTPProxy.command = [{proxy!r}]
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie_secret"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allowed_users = {users!r}
c.JupyterHub.spawner_class = "simple"
{lines}
c.JupyterHub.load_roles += [
    {{
        "name": "cron",
        "scopes": ["access:services!service=packmill", "custom:packmill:run", "read:metrics"],
        "services": ["cron"],
    }},
    {{"name": "operators", "scopes": ["custom:packmill:admin"], "users": ["packmill-carl"]}},
    {{"name": "tests", "scopes": ["admin:users", "tokens", "access:services"], "services": ["tests"]}},
]
c.JupyterHub.services += [
    {{"name": "cron", "api_token": {cron_token!r}}},
    {{"name": "tests", "api_token": {admin_token!r}}},
]
packmill = c.JupyterHub.services[0]
packmill["url"] = "http://127.0.0.1:{service_port}"
packmill["command"] = {command!r}
packmill["environment"] = {{"PYTHONPATH": {source!r}, "SECRET_OF_HUB": "hidden"}}
"""


def _lines_of_the_documentation() -> str:
    """The lines of ``jupyterhub_config.py`` that operators are told to add."""
    text = (here.parent / "docs" / "serving.md").read_text(encoding="utf-8")
    block = re.search(r"```python\n(c\.JupyterHub\.custom_scopes.*?)```", text, re.DOTALL)
    assert block is not None
    return block[1]


def require_hub() -> None:
    """Skip the tests where JupyterHub or its proxy is not installed."""
    if not python.exists() or not _proxy.exists():
        pytest.skip("JupyterHub is not installed here; scripts/test-programs installs it")


class JupyterHub:
    """The hub; stopped by its own process id."""

    def __init__(self, folder: Path, users: set[str], *options: str, as_user: int | None = None) -> None:
        self.port, self.service_port = free_port(), free_port()
        self.folder, self.users = folder, users
        self.url, self.prefix = f"http://127.0.0.1:{self.port}", PREFIX
        self.base = self.url + PREFIX
        self.log = folder / "hub.log"
        self._as_user = as_user
        data = folder / "service"
        command = [str(python), "-m", "generator.runner", "hub", "--data", str(data), *options]
        config = _CONFIG.format(
            port=self.port,
            hub_port=free_port(),
            proxy_port=free_port(),
            service_port=self.service_port,
            proxy=str(_proxy),
            folder=folder,
            users=users,
            command=command,
            source=str(here.parent),
            lines=_lines_of_the_documentation().replace("/srv/jupyterhub/", f"{folder}/"),
            admin_token=ADMIN_TOKEN,
            cron_token=CRON_TOKEN,
        )
        (folder / "jupyterhub_config.py").write_text(config)
        (folder / "packmill.token").write_text(SERVICE_TOKEN)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> JupyterHub:
        command = [str(python), "-m", "jupyterhub", "-f", str(self.folder / "jupyterhub_config.py")]
        environment = {"PATH": f"{python.parent}:{os.environ['PATH']}", "HOME": str(self.folder), "LANG": "C.UTF-8"}
        user: dict[str, Any] = {} if self._as_user is None else {"user": self._as_user, "group": self._as_user}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True, **user
            )
        wait_until(self._answers, message="the service answers", interval=0.2)
        return self

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            return requests.get(f"{self.base}/health", timeout=60).status_code == 200
        except requests.ConnectionError:
            return False

    def service_pid(self) -> int:
        """The process id of the service."""
        lines = {one: Path(f"/proc/{one}/cmdline").read_bytes() for one in self.processes()}
        return next(pid for pid, line in lines.items() if b"generator.runner" in line)

    def processes(self) -> list[int]:
        """The process ids of the service and the proxy."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(one) for one in children]

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop the hub, its proxy and the service."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(timeout=120)

    def token(self, user: str, *scopes: str) -> str:
        """A new token of a user, by default with all of the user's scopes."""
        body = {"scopes": list(scopes)} if scopes else {}
        answer = self.api("POST", f"/users/{user}/tokens", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def api(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"token {ADMIN_TOKEN}"}
        return requests.request(method, f"{self.url}/hub/api{path}", headers=headers, timeout=60, **options)

    def ask(self, method: str, path: str, token: str = "", **options: Any) -> requests.Response:
        """A request to the service with a token."""
        headers = {"Authorization": f"token {token}"} if token else {}
        headers |= options.pop("headers", {})
        options = {"allow_redirects": False, "timeout": 120, **options}
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, self.base + path, headers=headers, **options)

    def browser(self, user: str) -> requests.Session:
        """A browser in which a person has logged in to the hub."""
        session = requests.Session()
        session.headers["Accept"] = "text/html"
        page = session.get(f"{self.url}/hub/login", timeout=60)
        form = {"username": user, "password": "x", "_xsrf": session.cookies["_xsrf"]}
        answer = session.post(f"{self.url}/hub/login", data=form, timeout=60, allow_redirects=False)
        assert page.status_code == 200
        assert answer.status_code == 302, answer.text
        return session


@contextmanager
def system_users(*names: str) -> Iterator[dict[str, Path]]:
    """Create users of this machine, each with a private home; one that a killed run of the tests left is replaced.

    Another run of the tests has to wait for them, since names are the machine's.
    """
    if os.geteuid() != 0 or not shutil.which("useradd"):
        pytest.skip("only root can create users")
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(FileLock(f"/tmp/{name}.lock"))
        yield from _created_users(names)


def _created_users(names: Iterable[str]) -> Iterator[dict[str, Path]]:
    parent = Path(tempfile.mkdtemp(prefix=_HOMES))
    parent.chmod(0o755)
    try:
        for name in names:
            _remove_user(name)
            command = ["useradd", "--create-home", "--home-dir", str(parent / name), "--key", "HOME_MODE=0700", name]
            subprocess.run(command, check=True, capture_output=True)
        yield {name: parent / name for name in names}
    finally:
        for name in names:
            _remove_user(name)
        shutil.rmtree(parent, ignore_errors=True)


def _remove_user(name: str) -> None:
    """Remove a user that tests created, after its processes."""
    try:
        home = pwd.getpwnam(name).pw_dir
    except KeyError:
        return
    assert _HOMES in home, f"{name} is a user of this machine; the tests need the name"
    with suppress(ProcessLookupError):
        for process in user_processes(name):
            os.kill(process, signal.SIGTERM)
    wait_until(lambda: not user_processes(name), message=f"no process of {name} is left")
    subprocess.run(["userdel", "--remove", name], check=True, capture_output=True)


def user_processes(name: str) -> list[int]:
    """The processes of a system user."""
    uid = pwd.getpwnam(name).pw_uid
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if path.stat().st_uid == uid and not has_ended(int(path.name)):
                found.append(int(path.name))
        except OSError:
            continue
    return found
