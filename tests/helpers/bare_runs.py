"""Packages in plain cwltool without a container: the runner of the tests is the image's."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import forked_programs
from forked_programs import CWLTOOL
from support import Finished, commit_all, write_notebook

from generator.package.job_file import read_yaml

_RUNNER = """\
#!/bin/sh
shift
{python} -m generator.runner run --repository {repository} "$@" || code=$?
[ -z "{globs}" ] || rm -f cwl.output.json
exit "${{code:-0}}"
"""


@dataclass(frozen=True)
class Run:
    code: int
    log: str
    outputs: dict[str, Any]
    folder: Path

    def names(self, output: str) -> Any:
        """The basenames of an output."""
        value = self.outputs[output]
        return sorted(one["basename"] for one in value) if isinstance(value, list) else value and value["basename"]

    @property
    def files(self) -> set[str]:
        """Everything in output_dir, without the runner's own files."""
        found = {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")}
        return found - {"process.ipynb", "result.json", "scraps.json"}


@dataclass(frozen=True)
class BareRunner:
    """Builds the package of a notebook or script without an image, and runs it."""

    folder: Path
    packmill: Callable[..., Finished]

    def __call__(
        self,
        *cells: str,
        script: Mapping[str, str] | None = None,
        job: Mapping[str, Any] | None = None,
        globs: bool = False,
        document: str = "process.cwl",
    ) -> Run:
        """Run it with the package's values, changed by ``job``; ``globs`` takes the output object away.

        ``document`` is the one that runs: a platform takes ``application.cwl``.
        """
        repository = self.folder / "ada" / "trees"
        for name, text in (script or {}).items():
            repository.mkdir(parents=True, exist_ok=True)
            (repository / name).write_text(text)
        if cells:
            write_notebook(repository / "process.ipynb", *cells)
        commit_all(repository)
        options = ["--process", "run.sh"] if script else []
        built = self.packmill("build", repository, "--no-image", "--output", self.folder / "packages", *options)
        assert built.code == 0, built.err
        process = next((self.folder / "packages").rglob("process.cwl"))
        chosen = process.with_name(document)
        entry = _remove_container(chosen)
        values = {**read_yaml(process.with_name("inputs.yml").read_text()), **(job or {})}
        (self.folder / "job.json").write_text(json.dumps(values))
        self._write_runner(repository, globs=globs)
        return self._run(f"{chosen}{entry}")

    def _write_runner(self, repository: Path, *, globs: bool) -> None:
        runner = self.folder / "bin" / "packmill-runner"
        runner.parent.mkdir()
        runner.write_text(_RUNNER.format(python=sys.executable, repository=repository, globs="yes" if globs else ""))
        runner.chmod(0o755)

    def _run(self, document: str) -> Run:
        path = os.pathsep.join((str(self.folder / "bin"), os.environ["PATH"]))
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(Path(__file__).parents[2])}
        options = ("--quiet", "--preserve-environment", "PYTHONPATH", "--outdir", "results")
        done = forked_programs.run(CWLTOOL, *options, document, "job.json", cwd=self.folder, env=environment)
        outputs = json.loads(done.stdout) if done.stdout.strip() else {}
        return Run(code=done.returncode, log=done.stderr, outputs=outputs, folder=self.folder / "results" / "output")


def _remove_container(path: Path) -> str:
    """Let a document run without a container; return its entry point, such as ``#trees``."""
    document = read_yaml(path.read_text())
    tool = document["$graph"][-1] if "$graph" in document else document
    del tool["requirements"]["DockerRequirement"], tool["requirements"]["ResourceRequirement"]
    path.write_text(json.dumps(document))
    return f"#{document['$graph'][0]['id']}" if "$graph" in document else ""
