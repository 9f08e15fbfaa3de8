"""Run a CWL document with an engine: write the job, stream the log, read the output object, clean up."""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from generator.containers.limits import ContainerLimits, container_limits
from generator.package.engine_presence import require_engine, uses_docker
from generator.package.engines import engine_of
from generator.package.engines.failure import FailureReason
from generator.package.engines.leftovers import Leftovers
from generator.shared.errors import DiskFullError, EngineMissingError, RunError
from generator.subprocesses.streams import stream


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
    kept: Sequence[int] = (),
) -> dict[str, Any]:
    """Run a document and return its output object. Only the engine can read the job.

    ``trust`` runs tools without a container, and documents with an engine that does not check outputs.
    ``kept`` are file descriptors that the engine inherits.

    Raises:
        UsageError: the engine is unknown or not installed, or requires ``trust``.
        DiskFullError: the results do not fit on their disk.
        EngineMissingError: no container engine answers.
        RunError: the engine ends with an error; the message is the reason in one sentence.
    """
    own = limits or container_limits()
    chosen = engine_of(engine)
    with TemporaryDirectory(prefix="packmill-run-") as temporary:
        left = Leftovers(folder=Path(temporary), label=f"org.packmill.run={secrets.token_hex(8)}")
        own = replace(own, labels=(*own.labels, left.label), bare=trust)
        result = left.folder / "outputs.json"
        left.job_file.touch(mode=0o600)
        left.job_file.write_text(job_text(job))
        outdir.mkdir(parents=True, exist_ok=True)
        if shutil.which("podman"):
            from generator.containers.podman import use_podman_command

            with suppress(EngineMissingError):  # the CWL engine reports the missing program itself
                use_podman_command()
        program = chosen.command(own, trust=trust, left=left)
        command = (*program, "--outdir", str(outdir), *options, str(process), str(left.job_file))
        left.engine_folder.mkdir()
        is_cluster = any(option.startswith("--batchSystem") for option in options)  # its nodes do not see the folder
        environment = chosen.environment(os.environ, None if is_cluster else left.engine_folder)
        code, failure = None, FailureReason()

        def read(line: str) -> None:
            failure.read(line)
            on_line(line)

        try:
            code = stream(command, on_line=read, stdout=result, environment=environment, alone=True, kept=kept)
        finally:
            left.job_file.unlink(missing_ok=True)
            if code != 0:
                left.remove_containers()
            left.remove_engine_folder()
        if code != 0:
            if full := failure.full_disk():
                raise DiskFullError(full)
            if failure.is_of_engine() and not is_cluster and uses_docker(options):
                require_engine()
            otherwise = f"the run failed: {engine} ended with code {code}; its last lines are above"
            raise RunError(failure.reason() or otherwise)
        try:
            outputs: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        except ValueError:
            raise RunError(f"{engine} succeeded but printed no output object") from None
        return outputs


def job_text(job: dict[str, Any]) -> str:
    """Return a job in JSON, with YAML's words for infinite numbers and NaN; cwltool hands them on."""
    mark = secrets.token_hex(16)

    def marked(value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            return f"{mark}.{value}"
        if isinstance(value, dict):
            return {key: marked(item) for key, item in value.items()}
        return [marked(item) for item in value] if isinstance(value, list) else value

    return re.sub(rf'"{mark}\.(-?)(inf|nan)"', r"\1.\2", json.dumps(marked(job)))
