"""A home with notebooks, served for its user on a socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from notebook_server import NotebookServer
from support import write_notebook

REPORT = """\
from packmill import glue
glue("shown", f"{date} {threshold}")
open("report.txt", "w").write(date)"""


def write_home(home: Path) -> None:
    """A home as users have it: notebooks in folders, results, hidden folders and environments."""
    write_notebook(home / "daily_report.ipynb", "date: str = '2000-01-01'\nthreshold: float = 0.5", REPORT)
    write_notebook(
        home / "notebooks" / "Test_notebook.ipynb",
        "param1: str = 'a'\nthreshold: float = 0.5",
        "import os\nprint(os.getcwd(), os.environ['HOME'])\nopen('written.txt', 'w').write(param1)",
    )
    write_notebook(home / "a" / "twice.ipynb", "x: int = 1", "print(x)")
    write_notebook(home / "b" / "twice.ipynb", "x: int = 1", "print(x)")
    write_notebook(
        home / "fails.ipynb", "x: int = 1\napi_key: str = ''  # type: secret", "print('before')", "1 / (x - x)"
    )
    write_notebook(home / "slow.ipynb", "seconds: float = 60", "import time", "time.sleep(seconds)")
    write_notebook(home / "a" / "reads.ipynb", "table = 'own.csv'  # type: stage-in", "print(open(table).read())")
    for name in ("a/own.csv", "a/x.csv", "data/x.csv", ".ssh/x.csv"):
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text(f"content of {name}")
    for hidden in (".ssh", ".local/share", ".ipynb_checkpoints", "node_modules/pkg", "venv/lib", "conda/lib"):
        write_notebook(home / hidden / "hidden.ipynb", "x = 1")
    (home / "venv" / "pyvenv.cfg").write_text("")
    (home / "conda" / "conda-meta").mkdir()
    (home.parent / "other").mkdir()
    write_notebook(home.parent / "other" / "private.ipynb", "x = 1", "print('private')")
    (home / "linked.ipynb").symlink_to(home.parent / "other" / "private.ipynb")
    (home / "out").symlink_to(home.parent / "other")
    (home / "folder.ipynb").mkdir()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("homes")
    write_home(folder / "ada")
    (folder / "link").symlink_to(folder)  # a home may be known through a link
    return folder / "link" / "ada"


@pytest.fixture(scope="module")
def served(home: Path) -> Iterator[NotebookServer]:
    socket = str(home.parent / "socket")
    options = ("--home-of", "ada", "--socket", socket, "--base-url", "/services/packmill/user/ada/", "--workers", "2")
    running = NotebookServer(home, home / ".local" / "share" / "packmill", *options, HOME=str(home)).start()
    yield running
    running.stop()
