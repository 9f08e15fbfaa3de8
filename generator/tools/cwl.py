"""The CWL engines and parsers: cwl-utils to load a document back, cwltool to judge it, cwltool or Toil to run it."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from generator.errors import DocumentError, EngineMissingError, RunError, UsageError
from generator.tools.process import run, stream


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
    done = run((*_cwltool(), "--validate", "--strict", "--disable-color", "--", str(path)), timeout=300)
    return "" if done.code == 0 else (done.stderr or done.stdout).strip()


def execute(
    process: Path,
    job: dict[str, Any],
    *,
    outdir: Path,
    engine: str,
    options: tuple[str, ...],
    on_line: Callable[[str], None],
) -> dict[str, Any]:
    """Runs a document and gives its output object. The job is written for the engine's eyes only.

    Raises:
        RunError: the engine ends with an error.
    """
    with TemporaryDirectory(prefix="packmill-run-") as temporary:
        job_file, result = Path(temporary, "job.json"), Path(temporary, "outputs.json")
        job_file.touch(mode=0o600)
        job_file.write_text(json.dumps(job))
        outdir.mkdir(parents=True, exist_ok=True)
        if shutil.which("podman"):
            from generator.tools.podman import stand_in

            with suppress(EngineMissingError):  # the CWL engine says what it misses
                stand_in()
        command = (*_engine(engine), "--outdir", str(outdir), *options, str(process), str(job_file))
        code = stream(command, on_line=on_line, stdout=result)
        if code != 0:
            raise RunError(f"the run failed: {engine} ended with code {code}; its last lines are above")
        try:
            outputs: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        except ValueError:
            raise RunError(f"{engine} ended well but printed no output object") from None
        return outputs


def _engine(name: str) -> tuple[str, ...]:
    if name == "cwltool":
        return (*_cwltool(), "--disable-color")
    found = shutil.which("toil-cwl-runner") or shutil.which("toil-cwl-runner", path=str(Path(sys.executable).parent))
    if found is None:
        raise UsageError("toil-cwl-runner is not installed: pip install 'toil[cwl]' beside packmill")
    # An image that was built here is in no registry to be pulled from; one that is missing is pulled when it runs.
    return (found, "--no-prepull")


def _cwltool() -> tuple[str, ...]:
    # `python -m cwltool` forgets the exit code, so its own script is called, or what that script does.
    script = Path(sys.executable).parent / "cwltool"
    return (
        (str(script),)
        if script.is_file()
        else (sys.executable, "-c", "import sys; from cwltool.main import run; sys.exit(run(sys.argv[1:]))")
    )


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
    """What cwltool says for its own developers, and the warning about its own hint for secrets."""
    known = (
        "Skipping Docker software container|exited with status|Final process status|Warning: checking item|"
        "--preserve-environment"
    )
    return re.match(rf"(INFO|DEBUG) |WARNING .*({known})", text) is not None
