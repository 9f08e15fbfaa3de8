"""One base image and one registry for all tests that build."""

from __future__ import annotations

import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from urllib.error import HTTPError

import pytest
from filelock import FileLock
from local_images import Built, another_base
from ports import free_port
from session import session_folder
from support import commit_all, write_notebook
from waiting import wait_until

from generator.cli import main
from generator.image.base.find import ensure_base_image

_HTPASSWD = "ada:$2b$05$Bct36EX5ARsMFyPSmApvG.4L4dwH3lJw3UDnRmMH3t7OkdT72uOsO\n"
_CONFIG = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}/images}}}}
http: {{addr: "127.0.0.1:{port}"}}
auth: {{htpasswd: {{realm: tests, path: {folder}/htpasswd}}}}
log: {{level: error}}
"""


@pytest.fixture(autouse=True)
def quick_runs(forked_cwltool: None) -> None:
    """Fork cwltool in all tests of the folder."""


@pytest.fixture(scope="session")
def base_image(engine: None) -> str:
    """The base image of environments without a Dockerfile."""
    with FileLock(session_folder() / "base-image.lock"):
        return ensure_base_image(os.environ.get("PACKMILL_BASE_IMAGE"), say=print)


@pytest.fixture(scope="session")
def separate_base(base_image: str) -> Iterator[str]:
    """A base image that only the group "separate base" builds on; what was built on it is removed at the end."""
    with another_base(base_image) as name:
        yield name


@pytest.fixture(scope="session")
def place() -> Iterator[Path]:
    """A folder that every user can reach."""
    folder = Path(mkdtemp(prefix="packmill-tests-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def several(base_image: str, place: Path, request: pytest.FixtureRequest) -> Built:
    """One image with three processes: one that works, one whose cell fails, one that forgets its output.

    Modules that use it are in the group "several", so that one worker builds it.
    """
    repository = place / "tests" / "several"
    write_notebook(
        repository / "good.ipynb",
        "token = ''  # type: secret\nn = 1  # type: int\nsource = []  # type: stage-in?\npage = None  # type: file\n"
        "mode = 'a'  # type: Literal['a', 'b']\nout = 'n.txt'  # type: stage-out",
        "import os\nfrom packmill import glue\nopen(out, 'w').write(str(n))\nglue('n', n)\nglue('mode', mode)\n"
        "glue('names', [item['basename'] for item in source])\nglue('text', open(page).read() if page else None)\n"
        "glue('length', len(token))\nglue('uid', os.getuid())\nglue('home', os.environ['HOME'])",
    )
    write_notebook(
        repository / "failing.ipynb",
        "n = 1\nout = 'never.txt'  # type: stage-out",
        "open('before.txt', 'w').write('x')",
        "a = 1\nraise ValueError('the reason')\nb = 2",
    )
    write_notebook(repository / "forgetful.ipynb", "out = 'never.txt'  # type: stage-out", "open('other.txt', 'w')")
    write_notebook(repository / "hungry.ipynb", "n = 1", "x = bytearray(400_000_000)")
    write_notebook(
        repository / "slow.ipynb", "n = 1", "print(open('/tmp/begun', 'x').name)", "import time\ntime.sleep(600)"
    )
    leave = "if os.fork() == 0:\n    if os.fork() == 0:\n        os.setsid()\n        time.sleep(0.2)\n    os._exit(0)"
    write_notebook(repository / "orphans.ipynb", "n = 1", f"import os, time\n{leave}")
    commit_all(repository)
    capture = request.config.pluginmanager.getplugin("capturemanager")
    capture.suspend_global_capture(in_=True)
    processes = [word for name in ("good", "failing", "forgetful") for word in ("--process", f"{name}.ipynb")]
    code = main(
        ["build", str(repository), "--output", str(place / "packages"), "--image", "tests.several:x", *processes]
    )
    capture.resume_global_capture()
    assert code == 0
    return Built(repository=repository, package=place / "packages/tests/several/main", image="tests.several:x")


@pytest.fixture(scope="session")
def registry_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the registry keeps everything that is pushed to it."""
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="session")
def registry(registry_folder: Path) -> Iterator[str]:
    """A registry on loopback, stopped by its own process id."""
    if shutil.which("docker-registry") is None:
        pytest.skip("Debian's docker-registry is not installed")
    folder, port = registry_folder, free_port()
    (folder / "htpasswd").write_text(_HTPASSWD)
    (folder / "config.yml").write_text(_CONFIG.format(folder=folder, port=port))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(folder / "config.yml")], stdout=log, stderr=log)
    try:
        wait_until(lambda: _asks_for_a_login(f"http://127.0.0.1:{port}/v2/"), message="the registry answers")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _asks_for_a_login(address: str) -> bool:
    try:
        urllib.request.urlopen(address).close()
    except HTTPError as answer:
        answer.close()
        return True
    except OSError:
        return False
    return True
