"""The program that runs cwltool for packmill: containers within limits, and outputs that are checked.

`generator.package.engines.cwltool` starts it as a process of its own, in an environment without the operator's
secrets. The first argument is a JSON object (`ContainerLimits`), the others are cwltool's own. Exit codes are
cwltool's.

cwltool takes what a container leaves at its word, with the rights of the user who runs it. Here every tool runs in
a container, and `generator.package.engines.checked_cwltool.outputs` checks what the container left before cwltool
touches it.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import cwltool.main
import cwltool.process
from cwltool.argparser import arg_parser
from cwltool.command_line_tool import CommandLineTool
from cwltool.context import LoadingContext, RuntimeContext
from cwltool.docker import DockerCommandLineJob, PodmanCommandLineJob
from cwltool.errors import WorkflowException
from cwltool.job import CommandLineJob, JobBase
from cwltool.load_tool import jobloaderctx
from cwltool.pathmapper import MapperEnt
from cwltool.process import Process
from cwltool.workflow import default_make_tool

from generator.containers.limits import ContainerLimits, output_advice
from generator.package.engines.checked_cwltool.documents import PackageFetcher
from generator.package.engines.checked_cwltool.gpus import satisfiable_hints
from generator.package.engines.checked_cwltool.kinds import keep_declared_kind
from generator.package.engines.checked_cwltool.mounts import (
    CheckedPaths,
    check_image,
    check_in_place,
    check_mounts,
    folders_in_place,
    keep_logs,
)
from generator.package.engines.checked_cwltool.outputs import OutputFolder, OutputRefusedError
from generator.shared.write_limits import watched
from generator.subprocesses.commands import run as run_command

_UNLIMITED = 1e15
"""MiB or cores: more than any machine has."""
_NO_CONTAINER = "{name}: has no DockerRequirement, and nothing of a package runs outside of a container"


def main(arguments: Sequence[str], output: TextIO | None = None, **options_of_run: Any) -> int:
    """Run cwltool with the arguments after the first; return its exit code.

    ``output`` takes what cwltool prints on stdout and stderr; ``options_of_run`` are those of cwltool's own function.
    """
    limits = ContainerLimits.from_json(arguments[0])
    options = arg_parser().parse_args(list(arguments[1:]))
    if options.record_container_id and not options.cidfile_dir:
        options.cidfile_dir = str(Path.cwd())
    del options.record_container_id
    loading, running = LoadingContext(vars(options)), RuntimeContext(vars(options))
    loading.singularity, loading.podman = running.singularity, running.podman
    loading.construct_tool_object = _maker(limits)
    if not limits.bare:
        loading.fetcher_constructor = _fetcher(options.workflow, options.job_order)
    vars(cwltool.main)["jobloaderctx"] = _plain_job(jobloaderctx)
    vars(cwltool.main)["_signal_handler"] = _end
    running.path_mapper, running.log_dir_handler = CheckedPaths, keep_logs
    streams = {"stdout": output, "stderr": output} if output else {}
    schemas = {} if options.enable_ext else {"custom_schema_callback": _prepare_schemas}
    given = {**schemas, **streams, **options_of_run}
    return int(cwltool.main.run(args=options, loadingContext=loading, runtimeContext=running, **given))


def _end(number: int, _: Any) -> None:
    """End after SIGTERM, which ends containers, too (`cwltool.main.run`).

    cwltool's own handler ends them first, and waits ten seconds for a process for which the interrupted code waits.
    """
    sys.exit(number)


def validate(arguments: Sequence[str]) -> int:
    """Validate the documents after the first argument; print a JSON array of problems and seconds, in their order."""
    limits, *documents = arguments
    verdicts = []
    for document in documents:
        began, said = time.monotonic(), io.StringIO()
        words = (limits, "--validate", "--strict", "--disable-color", "--", document)
        code = main(words, said)
        verdicts.append({"problem": said.getvalue().strip() if code else "", "seconds": time.monotonic() - began})
    print(json.dumps(verdicts))
    return 0


def _prepare_schemas() -> None:
    """Read the schema of CWL v1.2 once, and take the types of files and folders from it.

    cwltool would read the schema again for each document, and that of v1.0 for these types, which are the same there:
    each takes half a second.
    """
    types = cwltool.process.get_schema("v1.2")[3].idx
    for name, url in (("ANY", "salad#Any"), ("FILE", "cwl#File"), ("DIR", "cwl#Directory")):
        vars(cwltool.process)[f"SCHEMA_{name}"] = types[f"https://w3id.org/cwl/{url}"]


def _plain_job(context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the context of a job without the fields that the loader takes for addresses, at any depth.

    packmill's jobs have the absolute address of each file. Every other ``path`` or ``location``, such as the key of a
    dictionary, is the user's own text.
    """
    return {name: meaning for name, meaning in context.items() if name not in ("path", "location")}


def _fetcher(document: str, job: Sequence[str]) -> Any:
    return partial(PackageFetcher, folder=Path(document).parent, files=tuple(Path(one) for one in job[:1]))


def _maker(limits: ContainerLimits) -> Any:
    def make(document: Any, loading: LoadingContext) -> Process:
        if document.get("class") == "CommandLineTool":
            return GuardedTool(document, loading, limits)
        if document.get("class") == "ProcessGenerator":
            raise WorkflowException(f"{document.get('id')}: a ProcessGenerator is not run here")
        return default_make_tool(document, loading)

    return make


class GuardedTool(CommandLineTool):
    """A tool whose container has limits and whose outputs are checked."""

    def __init__(self, document: Any, loading: LoadingContext, limits: ContainerLimits) -> None:
        super().__init__(document, loading)
        self.hints = satisfiable_hints(self.hints)
        self.limits = limits

    def make_job_runner(self, runtimeContext: RuntimeContext) -> type[JobBase]:  # noqa: N803 - cwltool's name
        """Choose what runs the tool: only containers do."""
        runner: type[JobBase] = super().make_job_runner(runtimeContext)
        if runner is CommandLineJob and not self.limits.bare:
            raise WorkflowException(_NO_CONTAINER.format(name=str(self.tool.get("id", "")).rpartition("/")[2]))
        if runner is not CommandLineJob:
            check_image(self.get_requirement("DockerRequirement")[0] or {}, trust=self.limits.bare)
        if runner in (DockerCommandLineJob, PodmanCommandLineJob):
            return type("GuardedJob", (_GuardedJob, runner), {"limits": self.limits})
        if not self.limits.bare:
            raise WorkflowException("containers run in Docker or Podman here; --trust lets other programs run them")
        return runner

    def collect_output_ports(self, ports: Any, builder: Any, outdir: str, rcode: int, *rest: Any, **named: Any) -> Any:
        """Collect the outputs of a container that has ended."""
        given = [mapped for _, mapped in builder.pathmapper.items()] if builder.pathmapper else []
        inputs = [mapped.resolved for mapped in given if not mapped.type.startswith("Create")]
        folder = OutputFolder(outdir, inside=builder.outdir, inputs=[path for path in inputs if path.startswith("/")])
        builder.make_fs_access = lambda _: folder
        outputs = super().collect_output_ports(ports, builder, outdir, rcode, *rest, **named)
        declared = {str(port["id"]).rpartition("#")[2].rpartition("/")[2] for port in ports}
        known = {name: value for name, value in outputs.items() if name in declared}
        folder.check(known)
        return known

    def collect_output(self, schema: Any, *rest: Any, **named: Any) -> Any:
        """Collect one output by its glob; files and folders of another kind are left out."""
        return keep_declared_kind(schema, super().collect_output(schema, *rest, **named))


class _GuardedJob(DockerCommandLineJob):
    """A container within limits; nothing looks at what it left before it is gone."""

    limits: ContainerLimits

    def create_runtime(
        self,
        env: MutableMapping[str, str],
        runtimeContext: RuntimeContext,  # noqa: N803 - cwltool's name
    ) -> tuple[list[str], str | None]:
        """Give the command that starts the container."""
        if OutputRefusedError.refusals:
            raise WorkflowException("not started: an earlier step left something that cannot be an output")
        check_mounts(self._mapped(), self.builder.outdir, in_place=self.inplace_update)
        runtime, cidfile = super().create_runtime(env, runtimeContext)
        requirement = self.builder.get_requirement("ResourceRequirement")[0] or {}
        asked = [_number(requirement.get(f"{kind}Max", requirement.get(f"{kind}Min", 0))) for kind in ("ram", "cores")]
        runtime += self.limits.options(ram=asked[0], cores=asked[1])
        if "--log-driver=none" not in runtime:
            runtime.append("--log-driver=none")  # what it prints is handed on; the engine need not keep it, too
        return runtime, cidfile

    def docker_monitor(
        self,
        cidfile: str,
        tmpdir_prefix: str,  # noqa: ARG002 - cwltool's signature
        cleanup_cidfile: bool,  # noqa: FBT001
        docker_exe: str,
        process: Any,
    ) -> None:
        """Wait until the container is gone, then check where cwltool is about to relink files.

        cwltool calls this while the container runs, to watch its memory.
        """
        code = self._wait(process, partial(_remove_container, docker_exe, Path(cidfile)))
        if code < 0 or code == 125:  # the docker command ended; its container need not have
            _remove_container(docker_exe, Path(cidfile))
        if cleanup_cidfile:
            Path(cidfile).unlink(missing_ok=True)
        try:
            self._check_left()
        except WorkflowException:
            self.generatemapper = None  # or cwltool would go on to remove secrets at places that it names
            raise

    def _wait(self, process: Any, remove: Callable[[], None]) -> int:
        """Wait until the container has ended, and remove it beyond a limit of what it may write.

        Raises:
            OutputRefusedError: it wrote more; the message names the limit.
        """
        requirement = self.builder.get_requirement("ResourceRequirement")[0] or {}
        kinds = ("outdir", "tmpdir")
        disk = sum(_number(requirement.get(f"{kind}Max", requirement.get(f"{kind}Min", 0))) for kind in kinds)
        limits, folders, problems = self.limits.writing(disk=disk), [Path(self.outdir), Path(self.tmpdir)], list[str]()

        def end(problem: str) -> None:
            problems.append(problem)
            with suppress(WorkflowException):  # the engine is busy: the next measurement removes it
                remove()

        with watched(lambda: (problems or [limits.problem(folders)])[0], end) if limits.are_set else nullcontext():
            code = int(process.wait())
        if problem := (problems or [limits.problem(folders, has_ended=True)])[0]:
            self.generatemapper = None
            raise OutputRefusedError(f"{problem}; {output_advice}")
        return code

    def _check_left(self) -> None:
        for mapped in self._mapped():
            if mapped.target.startswith(self.builder.outdir + "/"):
                self._check_staged(Path(self.outdir, mapped.target[len(self.builder.outdir) + 1 :]))
        for changed in folders_in_place(self._mapped()) if self.inplace_update else ():
            check_in_place(changed)

    def _mapped(self) -> list[MapperEnt]:
        return [mapped for paths in (self.pathmapper, self.generatemapper) if paths for _, mapped in paths.items()]

    def _check_staged(self, target: Path) -> None:
        """Check that the folder of a file that cwltool put into the output folder is still a folder."""
        if not target.parent.resolve().is_relative_to(Path(self.outdir).resolve()):
            raise OutputRefusedError(f"{target.parent.name}: the process put a link in place of a folder of its inputs")


def _number(value: Any) -> float:
    """Return a limit as a number; cwltool evaluates limits that are expressions."""
    return float(min(value, _UNLIMITED)) if isinstance(value, int | float) else 0.0


def _remove_container(docker: str, cidfile: Path) -> None:
    try:
        container = cidfile.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return
    if not container:
        return
    removed = run_command((docker, "rm", "--force", container), timeout=60)
    if removed.code != 0 and "No such container" not in removed.stderr:
        raise WorkflowException(f"container {container[:12]}: the engine does not report whether it has ended")
