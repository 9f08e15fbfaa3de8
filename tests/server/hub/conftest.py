"""A hub with two people of this machine, which the tests share."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from jupyterhub_server import JupyterHub, require_hub, system_users
from support import write_notebook

ADA, BOB, CARL, EVE = "packmill-ada", "packmill-bob", "packmill-carl", "packmill-eve"
"""Carl may log in to the hub and act for all, but this machine has no such user. Eve has a hub of her own."""


@dataclass(frozen=True)
class People:
    """The hub and the homes of its users."""

    hub: JupyterHub
    homes: dict[str, Path]

    def write(self, name: str, path: str, *cells: str) -> Path:
        """A notebook in a home, which belongs to the user."""
        file = write_notebook(self.homes[name] / path, *cells)
        subprocess.run(["chown", "-R", f"{name}:", str(self.homes[name])], check=True)
        return file


def write_home(people: People, name: str) -> None:
    """The notebooks of one user."""
    people.write(name, "double.ipynb", "x: int = 1", "print(x * 2)")
    people.write(name, "slow.ipynb", "seconds: float = 60", "import time", "time.sleep(seconds)", "print('end')")
    people.write(
        name,
        "who.ipynb",
        "import json, os",
        "from packmill import glue\nglue('uid', os.getuid())\nglue('groups', os.getgroups())\n"
        "glue('names', sorted(os.environ))\nglue('home', os.environ['HOME'])\nopen('made.txt', 'w').write('made')",
    )
    people.write(name, "daily_report.ipynb", "date: str = ''", "print(date)")


@pytest.fixture(scope="package")
def people() -> Iterator[People]:
    require_hub()
    with system_users(ADA, BOB) as homes, tempfile.TemporaryDirectory(prefix="packmill-hub-") as folder:
        Path(folder).chmod(0o711)
        hub = JupyterHub(Path(folder), {*homes, CARL}, "--max-body", "64K", "--", "--max-body", "1M")
        for name in homes:
            write_home(People(hub, homes), name)
        try:
            yield People(hub.start(), homes)
        finally:
            hub.stop()
