"""The CWL engines and parsers: cwl-utils to load a document back, cwltool to judge it, cwltool or Toil to run it."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import generator
from generator.containers.limits import ContainerLimits, container_limits
from generator.shared.errors import DocumentError, EngineMissingError, RunError, UsageError
from generator.subprocesses import run, stream


def load(path: Path) -> None:
    """Loads a document by cwl-utils' parser.

    Raises:
        DocumentError: it is not valid CWL v1.2.
    """
    from cwl_utils.parser import cwl_v1_2
    from schema_salad.exceptions import SchemaSaladException

    try:
        cwl_v1_2.load_document(path.resolve().as_uri())
    except SchemaSaladException as error:
        raise DocumentError(f"{path.name}: not valid CWL\n{error}") from None


def validate(path: Path) -> str:
    """What ``cwltool --validate --strict`` finds wrong; '' when nothing."""
    command = (*_cwltool(container_limits()), "--validate", "--strict", "--disable-color", "--", str(path))
    done = run(command, environment=engine_environment(os.environ), alone=True, timeout=300)
    return "" if done.code == 0 else (done.stderr or done.stdout).strip()


def execute(
    process: Path,
    job: dict[str, Any],
    *,
    outdir: Path,
    engine: str,
    options: tuple[str, ...],
    on_line: Callable[[str], None],
    limits: ContainerLimits | None = None,
    trust: bool = False,
) -> dict[str, Any]:
    """Runs a document and gives its output object. The job is written for the engine's eyes only.

    ``trust`` runs tools without a container, and lets Toil run the document, which does not check outputs.

    Raises:
        UsageError: the engine is not installed, or is one that needs ``trust``.
        RunError: the engine ends with an error.
    """
    label = f"org.packmill.run={secrets.token_hex(8)}"
    own = limits or container_limits()
    own = replace(own, labels=(*own.labels, label), bare=trust)
    with TemporaryDirectory(prefix="packmill-run-") as temporary:
        job_file, result = Path(temporary, "job.json"), Path(temporary, "outputs.json")
        job_file.touch(mode=0o600)
        job_file.write_text(json.dumps(job))
        outdir.mkdir(parents=True, exist_ok=True)
        if shutil.which("podman"):
            from generator.containers.podman import use_podman_command

            with suppress(EngineMissingError):  # the CWL engine says what it misses
                use_podman_command()
        command = (*_engine(engine, own, trust=trust), "--outdir", str(outdir), *options, str(process), str(job_file))
        environment = engine_environment(os.environ, toil=engine == "toil")
        if engine == "cwltool":  # what containers leave in its temporary folders goes with the run, however that ends
            environment["TMPDIR"] = str(Path(temporary, "engine"))
            Path(environment["TMPDIR"]).mkdir()
        code = None
        try:
            code = stream(command, on_line=on_line, stdout=result, environment=environment, alone=True)
        finally:
            job_file.unlink(missing_ok=True)
            if code != 0:
                _remove_containers(label)
            _remove_folder(Path(temporary, "engine"))
        if code != 0:
            raise RunError(f"the run failed: {engine} ended with code {code}; its last lines are above")
        try:
            outputs: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        except ValueError:
            raise RunError(f"{engine} ended well but printed no output object") from None
        return outputs


def _engine(name: str, limits: ContainerLimits, *, trust: bool) -> tuple[str, ...]:
    if name == "cwltool":
        return (*_cwltool(limits), "--disable-color")
    if not trust:
        raise UsageError(
            "toil moves and reads whatever a container leaves, links to files of this machine included: run packages "
            "that you trust with --trust, others with --engine cwltool"
        )
    found = shutil.which("toil-cwl-runner") or shutil.which("toil-cwl-runner", path=str(Path(sys.executable).parent))
    if found is None:
        raise UsageError("toil-cwl-runner is not installed: pip install 'toil[cwl]' beside packmill")
    # An image that was built here is in no registry to be pulled from; one that is missing is pulled when it runs.
    return (found, "--no-prepull")


_START = (
    "import sys; sys.path[:] = [one for one in sys.path if one]; "
    "from generator.package.engines.checked_cwltool.program import main; sys.exit(main(sys.argv[1:]))"
)
"""Starts the engine's program. Without the first line, Python would import modules from the folder it is called in."""


def _cwltool(limits: ContainerLimits) -> tuple[str, ...]:
    return (sys.executable, "-c", _START, limits.to_json())


_KEPT_VARIABLES = frozenset(
    (
        "PATH HOME TMPDIR LANG LC_ALL LC_CTYPE TZ XDG_RUNTIME_DIR DOCKER_HOST DOCKER_CONFIG DOCKER_CONTEXT "
        "DOCKER_CERT_PATH DOCKER_TLS_VERIFY CONTAINER_HOST SSL_CERT_FILE REQUESTS_CA_BUNDLE HTTP_PROXY HTTPS_PROXY "
        "NO_PROXY http_proxy https_proxy no_proxy PACKMILL_STAGE_GUARD PACKMILL_STAGE_ALLOW"
    ).split()
)
"""What an engine needs to find programs, the container engine and the network. No token is among them."""
_SCHEDULERS = ("TOIL_", "SLURM_", "PBS_", "LSB_", "SGE_")


def engine_environment(environment: Mapping[str, str], *, toil: bool = False) -> dict[str, str]:
    """Give the environment of a CWL engine: what it needs of this one, and where packmill's own program is."""
    kept = {name: value for name, value in environment.items() if name in _KEPT_VARIABLES}
    if toil:
        return {**kept, **{name: value for name, value in environment.items() if name.startswith(_SCHEDULERS)}}
    return {**kept, "PYTHONPATH": str(Path(generator.__file__).parents[1])}


def _remove_containers(label: str) -> None:
    """End what a run that failed or was interrupted left in the engine."""
    left = run(("docker", "ps", "--all", "--quiet", "--filter", f"label={label}"), timeout=30).stdout.split()
    if left:
        run(("docker", "rm", "--force", "--volumes", *left), timeout=60)


def _remove_folder(folder: Path) -> None:
    """Remove what processes left: folders without rights, too, and deeper ones than Python follows; no link is."""
    remove = ("rm", "-rf", "--", str(folder))
    if run(remove, timeout=600).code != 0:
        run(("chmod", "-R", "u+rwX", "--", str(folder)), timeout=600)
        run(remove, timeout=600)


class PlainLog:
    """Picks from cwltool's log what a person wants: the runner's own words and the errors, not the command line."""

    def __init__(self) -> None:
        self._in_command = False
        self._left_out = False

    def pick(self, line: str) -> str | None:
        """The line as it is to be shown; None when it is not."""
        text = line.rstrip()
        if self._in_command or re.match(r"INFO \[job .*\$ ", text):
            self._in_command = text.endswith("\\")
            return None
        if self._left_out and re.match(r"\s{12}", text):  # cwltool folds its own long messages like this
            return None
        self._left_out = not text or _is_noise(text)
        return None if self._left_out else text


def _is_noise(text: str) -> bool:
    """What cwltool says for its own developers, and warnings that say nothing of a package.

    The last of cwltool's is about an input and an output of one name, which CWL allows. Docker's own is about hosts
    whose kernel does not count swap: the limit on memory holds all the same.
    """
    known = (
        "Skipping Docker software container|exited with status|Final process status|Warning: checking|"
        "--preserve-environment|object id .* previously defined"
    )
    docker = "WARNING: Your kernel does not support"
    return re.match(rf"(INFO|DEBUG) |{docker}|WARNING .*({known})", text) is not None
