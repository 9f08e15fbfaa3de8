"""The cache of wheels that all repositories on a base share: no code of a package runs where it is mounted."""

from __future__ import annotations

import io
import json
import secrets
import subprocess
import tarfile
from pathlib import Path

import pytest

from generator.environment.checkout import read_environment
from generator.image.environment.context import open_context
from generator.image.environment.plan import Caches, Plan, make_plan

pytestmark = [pytest.mark.engine, pytest.mark.slow]

_UV = """#!/bin/sh
# Stands for uv, without a network: installs one package.
set -eu
case "$1 $2" in
"pip compile")
    while [ "$1" != --output-file ]; do shift; done
    echo matplotlib==1 > "$2" ;;
"pip install")
    folder=$(ls -d /srv/venv/lib/python3*/site-packages)/matplotlib
    mkdir "$folder"
    cp /mnt/package.py "$folder/__init__.py"
    echo "FontManager = type('FontManager', (), {'__version__': '1'})" > "$folder/font_manager.py" ;;
venv*)
    python3 -m venv --without-pip /srv/venv ;;
esac
"""
_PACKAGE = """import json, os
def get_cachedir():
    folder = os.environ["MPLCONFIGDIR"]
    os.makedirs(folder)
    places = [top for top in ("/srv/venv", "/packmill-root/srv/venv", "/packmill-root") if os.path.exists(top)]
    seen = {"fname": "", "cache": os.path.exists("/var/tmp/uv"), "writes": [one for one in places if os.access(one, 2)]}
    with open(folder + "/fontlist-v1.json", "w") as file:
        json.dump({"afmlist": [], "ttflist": [seen]}, file)
    return folder
"""


def test_a_package_of_a_shared_environment_neither_reads_the_cache_nor_outlives_its_step(
    base_image: str, tmp_path: Path
) -> None:
    """A process that went on could lead root's next command into the cache by a link, and so change others' wheels."""
    (tmp_path / "requirements.txt").write_text("matplotlib\n")
    plan = make_plan(tmp_path, read_environment(tmp_path), base_image=base_image)
    image = f"packmill-tests/wheel-cache:{secrets.token_hex(4)}"
    caches = Caches(own=secrets.token_hex(16), wheels=secrets.token_hex(16))
    assert not plan.needs_private_cache

    built = subprocess.run(
        ["docker", "build", "--quiet", "--tag", image, "-"],
        input=context_of(plan, caches),
        capture_output=True,
        check=False,
        timeout=300,
    )
    try:
        assert built.returncode == 0, built.stderr.decode()
        command = ["cat", "/home/jovyan/.cache/matplotlib/fontlist-v1.json"]
        shown = subprocess.run(
            ["docker", "run", "--rm", image, *command], capture_output=True, check=True, timeout=120
        ).stdout
    finally:
        subprocess.run(["docker", "rmi", "--force", image], capture_output=True, check=False, timeout=120)

    assert json.loads(shown)["ttflist"] == [{"fname": "", "cache": False, "writes": []}]


def context_of(plan: Plan, caches: Caches) -> bytes:
    """The context of a plan's build, with another program in the place of uv, and a package for it."""
    stream = io.BytesIO()
    with (
        open_context(plan, caches=caches) as file,
        tarfile.open(fileobj=file) as given,
        tarfile.open(fileobj=stream, mode="w") as archive,
    ):
        for entry in given:
            if entry.name != "tools/uv":
                archive.addfile(entry, given.extractfile(entry) if entry.isreg() else None)
        for name, text in (("tools/uv", _UV), ("tools/package.py", _PACKAGE)):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), 0o755
            archive.addfile(entry, io.BytesIO(text.encode()))
    return stream.getvalue()
