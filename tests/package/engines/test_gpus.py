"""A hint for GPUs does not end a run on a machine without them."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from generator.containers.limits import container_limits
from generator.package.engines.checked_cwltool.outputs import OutputRefusedError
from generator.package.engines.checked_cwltool.program import main

_TOOL = """\
cwlVersion: v1.2
$namespaces: {cwltool: "http://commonwl.org/cwltool#"}
class: CommandLineTool
WHERE:
  cwltool:CUDARequirement: {cudaVersionMin: "12.0", cudaComputeCapability: "1.0", cudaDeviceCountMin: 2}
baseCommand: [echo, done]
inputs: {}
outputs: {text: stdout}
"""
_SMI = """\
#!/bin/sh
echo '<nvidia_smi_log><cuda_version>VERSION</cuda_version><attached_gpus>COUNT</attached_gpus></nvidia_smi_log>'
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """Runs the tool on a machine whose nvidia-smi reports this version and number of GPUs; its code and its log."""
    limits = replace(container_limits(), bare=True)  # runs on the host: a container's needs no test here
    monkeypatch.setattr(OutputRefusedError, "refusals", [])
    monkeypatch.chdir(tmp_path)

    def of(*, where: str = "hints", version: str = "", count: int = 0) -> tuple[int, str]:
        programs = tmp_path / "bin"
        programs.mkdir()
        if version:
            (programs / "nvidia-smi").write_text(_SMI.replace("VERSION", version).replace("COUNT", str(count)))
            (programs / "nvidia-smi").chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
        (tmp_path / "tool.cwl").write_text(_TOOL.replace("WHERE", where))
        log = io.StringIO()
        extensions = ("--enable-ext",) if where == "requirements" else ()
        return main((limits.to_json(), *extensions, "--outdir", str(tmp_path / "out"), "tool.cwl"), log), log.getvalue()

    return of


@pytest.mark.parametrize("machine", [{}, {"version": "12.4", "count": 1}, {"version": "11.0", "count": 4}])
def test_without_them_it_runs_with_a_warning(machine: dict[str, Any], run: Callable[..., tuple[int, str]]) -> None:
    code, log = run(**machine)

    assert code == 0, log
    assert "the process asks for 2 GPU(s), which are unavailable here: it runs without" in log


def test_with_them_the_hint_holds(run: Callable[..., tuple[int, str]]) -> None:
    code, log = run(version="12.4", count=2)

    assert code == 0, log
    assert "unavailable" not in log


def test_a_requirement_is_not_dropped(run: Callable[..., tuple[int, str]]) -> None:
    code, log = run(where="requirements")

    assert code != 0
    assert "Could not satisfy CUDARequirement" in log
