"""Limits of what a tool's container writes, with a script in place of Docker."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from generator.containers.limits import container_limits
from generator.package.engines import cwltool
from generator.package.engines.leftovers import Leftovers

_DOCKER = """\
import json, os, signal, sys, time
if sys.argv[1] == "inspect":
    print("[{}]")
elif sys.argv[1] == "rm":
    with open(PLACE + "/asked", "a") as file: print(sys.argv[-1], file=file)
    if len(open(PLACE + "/asked").readlines()) < 3:
        sys.exit("docker is busy")
    os.kill(int(open(PLACE + "/container").read()), signal.SIGKILL)
elif sys.argv[1] == "run":
    words = dict(word.partition("=")[::2] for word in sys.argv)
    with open(PLACE + "/container", "w") as file: file.write(str(os.getpid()))
    with open(words["--cidfile"], "w") as file: file.write("0123456789abcdef")
    mounts = [dict(part.partition("=")[::2] for part in word.removeprefix("--mount=").split(","))
              for word in sys.argv if word.startswith("--mount=")]
    output = next(one["source"] for one in mounts if one["target"] == "/out")
    open(output + "/large", "wb").truncate(2 << 20)
    time.sleep(600)
"""
_TOOL = {
    "cwlVersion": "v1.2",
    "class": "CommandLineTool",
    "baseCommand": "write",
    "requirements": {"DockerRequirement": {"dockerPull": "example:1", "dockerOutputDirectory": "/out"}},
    "inputs": {},
    "outputs": {},
}


def test_a_container_that_writes_too_much_is_removed_though_the_engine_is_busy_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(f"#!{sys.executable}\nPLACE = {str(tmp_path)!r}\n{_DOCKER}")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(docker.parent), prepend=":")
    (tmp_path / "tool.cwl").write_text(json.dumps(_TOOL))
    limits = replace(container_limits(), output=1, most_output=1)
    left = Leftovers(folder=tmp_path / "run", label="org.packmill.run=1")

    ended = subprocess.run(
        [*cwltool.command(limits, trust=True, left=left), str(tmp_path / "tool.cwl")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ended.returncode != 0
    assert "more than 1 MiB" in ended.stderr
    assert len((tmp_path / "asked").read_text().splitlines()) == 3
