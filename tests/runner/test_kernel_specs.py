"""Kernels are found where Jupyter finds them, and those that cannot be started are refused with their reason."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support import Folder

from generator.runner.kernels.folders import kernel_folders
from generator.runner.kernels.specs import Kernel, choose_kernel, find_kernels
from generator.shared.failures import KernelMissingError


def kernelspec(prefix: Path, name: str, language: str, *argv: str) -> None:
    folder = prefix / "share/jupyter/kernels" / name
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps({"argv": argv, "language": language, "display_name": name}))


def executable(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


def test_python_in_a_kernelspec_is_the_python_of_its_environment(tmp_path: Path) -> None:
    executable(tmp_path / "env/bin/python")
    kernelspec(tmp_path / "env", "science", "python", "python", "-m", "ipykernel_launcher", "-f", "{connection_file}")

    kernels = {kernel.name: kernel for kernel in find_kernels({"PATH": f"{tmp_path}/env/bin", "HOME": str(tmp_path)})}

    assert kernels["science"].argv[0] == str(tmp_path / "env/bin/python")


def test_a_kernelspec_that_cannot_start_or_be_read_is_not_chosen(tmp_path: Path) -> None:
    executable(tmp_path / "bin/x")
    kernelspec(tmp_path, "gone", "python", "/no/such/python")
    kernelspec(tmp_path, "none", "python", "no-such-command")
    (tmp_path / "share/jupyter/kernels/broken").mkdir()
    (tmp_path / "share/jupyter/kernels/broken/kernel.json").write_text("{")

    kernels = {kernel.name: kernel for kernel in find_kernels({"PATH": f"{tmp_path}/bin", "HOME": str(tmp_path)})}

    with pytest.raises(KernelMissingError):
        choose_kernel([kernels[name] for name in ("gone", "none", "broken")], name=None, language="python")


_KERNELS = (
    Kernel("other", "python", ("a",), Path()),
    Kernel("python3", "python", ("a",), Path()),
    Kernel("ir", "R", ("a",), Path()),
)


@pytest.mark.parametrize(
    ("name", "language", "chosen", "warned"),
    [
        ("python3", "python", "python3", False),
        ("other", "python", "other", False),
        ("conda-env-foo-py", "python", "python3", True),
        ("IR", "r", "ir", False),
        (None, "r", "ir", False),
    ],
)
def test_a_kernel_is_chosen_by_name_then_by_language(
    name: str | None, language: str, chosen: str, warned: bool
) -> None:
    kernel, warning = choose_kernel(_KERNELS, name=name, language=language)

    assert kernel.name == chosen
    assert bool(warning) is warned


def test_the_error_for_a_missing_kernel_names_those_that_are_there() -> None:
    with pytest.raises(KernelMissingError, match=r"available kernels: other \(python\), python3 \(python\), ir \(R\)"):
        choose_kernel(_KERNELS, name="julia-1.9", language="julia")


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"JUPYTER_PATH": "/one:/two"},
        {"JUPYTER_DATA_DIR": "/data"},
        {"XDG_DATA_HOME": "/xdg"},
        {"XDG_DATA_HOME": "/xdg", "JUPYTER_DATA_DIR": "/data", "JUPYTER_PATH": "/one"},
        {"JUPYTER_DATA_DIR": "/data", "JUPYTER_PREFER_ENV_PATH": "0"},
        {"JUPYTER_DATA_DIR": "/data", "JUPYTER_PREFER_ENV_PATH": "no"},
        {"JUPYTER_PREFER_ENV_PATH": "1"},
    ],
)
def test_folders_have_the_order_of_jupyter(variables: dict[str, str], tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **variables}
    program = "from jupyter_client.kernelspec import KernelSpecManager as K; print(*K().kernel_dirs, sep='\\n')"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

    folders = [str(folder) for folder in kernel_folders(environment)]

    assert [folder for folder in folders if folder in done.stdout.splitlines()] == done.stdout.splitlines()


@contextmanager
def _as_nobody() -> Iterator[None]:
    """Permissions do not bind root."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_folders_that_the_user_may_not_enter_are_skipped(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    environment = {"PATH": f"{closed}/bin:{closed}", "HOME": str(closed / "home"), "JUPYTER_PATH": str(closed)}

    with _as_nobody():
        assert not [one for one in find_kernels(environment) if closed in one.folder.parents]


def _write_spec(folder: Path, name: str, spec: Any) -> Path:
    path = folder / "kernels" / name / "kernel.json"
    path.parent.mkdir(parents=True)
    path.write_text(spec if isinstance(spec, str) else json.dumps(spec))
    return path


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ('{\n"argv": [1,}', "is not valid JSON: line 2: Expecting value"),
        ("[1]", "is not a JSON object"),
        ({"language": "python"}, "argv is missing"),
        ({"language": "python", "argv": "python -m x"}, "argv is not a list of words"),
        (
            {"language": "python", "argv": ["/no/python"]},
            "its program '/no/python' is not found, or cannot be executed",
        ),
    ],
)
def test_the_problem_of_a_kernelspec_is_named(spec: Any, problem: str, tmp_path: Path) -> None:
    path = _write_spec(tmp_path, "mine", spec)
    kernels = (*find_kernels({"JUPYTER_PATH": str(tmp_path), "PATH": ""}), *_KERNELS)

    with pytest.raises(KernelMissingError) as refusal:
        choose_kernel(kernels, name="mine", language="python", exact=True)
    kernel, warning = choose_kernel(kernels, name="mine", language="python")

    assert str(refusal.value) == f"kernel 'mine': {path}: {problem}; correct it, or choose another kernel with -k"
    assert kernel.name == "python3"
    assert warning == f"kernel 'mine': {path}: {problem}; the notebook runs in 'python3' (a) instead"


def test_a_kernel_of_a_provisioner_is_never_started_here(tmp_path: Path) -> None:
    stanza = {"kernel_provisioner": {"provisioner_name": "yarn"}}
    _write_spec(tmp_path / "a", "mine", {"argv": ["python"], "language": "python", "metadata": stanza})
    _write_spec(tmp_path / "b", "mine", {"argv": ["/bin/sh"], "language": "python"})
    kernels = find_kernels({"JUPYTER_PATH": f"{tmp_path}/a:{tmp_path}/b", "PATH": "/bin"})

    for exact in (True, False):
        with pytest.raises(KernelMissingError, match="the kernel provisioner 'yarn' starts it, not the runner; choose"):
            choose_kernel((*kernels, *_KERNELS), name="mine", language="python", exact=exact)
    assert choose_kernel((*kernels, *_KERNELS), name=None, language="python")[0].name == "python3"


def test_the_local_provisioner_is_the_runner(tmp_path: Path) -> None:
    stanza = {"kernel_provisioner": {"provisioner_name": "local-provisioner"}}
    _write_spec(tmp_path, "mine", {"argv": ["/bin/sh"], "language": "python", "metadata": stanza})

    kernels = find_kernels({"JUPYTER_PATH": str(tmp_path)})

    assert choose_kernel(kernels, name="mine", language="python")[0].argv == ("/bin/sh",)


def test_the_program_of_a_kernel_can_be_in_its_own_folder(tmp_path: Path) -> None:
    for name, program in (("by-word", "{resource_dir}/run.sh"), ("by-path", "run.sh")):
        spec = _write_spec(
            tmp_path, name, {"argv": [program], "language": "x", "env": {"PATH": f"{tmp_path}:${{PATH}}"}}
        )
        executable(spec.parent / "run.sh")
    executable(tmp_path / "run.sh")

    kernels = {kernel.name: kernel.argv for kernel in find_kernels({"JUPYTER_PATH": str(tmp_path), "PATH": "/bin"})}

    assert kernels["by-word"] == (str(tmp_path / "kernels/by-word/run.sh"),)
    assert kernels["by-path"] == (str(tmp_path / "run.sh"),)


def test_python_of_a_kernel_outside_of_an_environment_is_that_of_path(tmp_path: Path) -> None:
    executable(tmp_path / "bin/python")
    _write_spec(tmp_path / "data", "mine", {"argv": ["python"], "language": "python"})

    kernels = find_kernels({"JUPYTER_DATA_DIR": str(tmp_path / "data"), "PATH": f"{tmp_path}/bin:/usr/bin"})

    assert [kernel.argv for kernel in kernels if kernel.name == "mine"] == [(str(tmp_path / "bin/python"),)]


@pytest.mark.slow
def test_a_missing_kernel_on_a_host_is_not_missing_in_an_image(tmp_path: Path) -> None:
    here = Folder(tmp_path)
    here.write("1", kernel="mine", language="cobol")

    done = here.run("in.ipynb", "out.ipynb")

    assert done.returncode == 4
    assert "kernel 'mine': not found; no other kernel for cobol either; available kernels: " in done.stderr
    assert "in an environment on PATH, or choose one with -k" in done.stderr
    assert "image" not in done.stderr
