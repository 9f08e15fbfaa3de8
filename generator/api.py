"""The functions of the package ``packmill``: the commands ``inspect``, ``build`` and ``run`` as Python calls.

A call is the command itself with the same options, and returns the values that ``--json`` prints.
"""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

StrPath = str | os.PathLike[str]


class Description(TypedDict):
    """The interface of a process, as ``packmill inspect --json`` prints it."""

    process: str
    language: str
    kernel: str | None
    environment: list[str]
    metadata: dict[str, Any]
    resources: dict[str, Any]
    inputs: list[dict[str, Any]]
    stage_in: list[dict[str, Any]]
    outputs: list[dict[str, Any]]
    warnings: list[dict[str, Any]]


class _Built(TypedDict):
    package: str
    packages: list[str]
    image: str
    image_built: bool
    changed: bool
    commit: str


class BuiltPackage(_Built, total=False):
    """The result of a build, as ``packmill build --json`` prints it; only published packages have an address."""

    address: str
    deployed: list[str]


def inspect(
    repository: StrPath,
    *,
    checkout: str | None = None,
    process: str = "process.ipynb",
    no_submodules: bool = False,
    parameters_cell: int | None = None,
    kernel: str | None = None,
    language: str | None = None,
    cores: float | str | None = None,
    ram: int | str | None = None,
    disk: int | str | None = None,
    time: int | str | None = None,
    gpu: int | str | None = None,
) -> Description:
    """Return the interface of a process, without running or building anything.

    Raises:
        PackmillError: the repository, the notebook or its parameters cell cannot be read.
    """
    from generator.commands.inspect import execute

    described: Description = execute(_options(locals()))  # type: ignore[assignment]
    return described


def build(
    repository: StrPath,
    *,
    checkout: str | None = None,
    process: str | Sequence[str] = (),
    env: str | None = None,
    output: StrPath = "packages",
    image: str | None = None,
    no_image: bool = False,
    no_cache: bool = False,
    cache_registry: str | None = None,
    network: bool = False,
    push: str | None = None,
    sign: StrPath | None = None,
    publish: str | None = None,
    publish_branch: str | None = None,
    publish_address: str | None = None,
    deploy: str | None = None,
    output_template: str | None = None,
    emit: Sequence[str] = (),
    scatter: Sequence[str] = (),
    replace: bool = False,
    standard_buildpacks: bool = False,
    kernel_gateway: bool = False,
    no_submodules: bool = False,
    parameters_cell: int | None = None,
    kernel: str | None = None,
    language: str | None = None,
    cores: float | str | None = None,
    ram: int | str | None = None,
    disk: int | str | None = None,
    time: int | str | None = None,
    gpu: int | str | None = None,
) -> BuiltPackage:
    """Build the image of a repository and write the package; progress goes to stderr.

    Raises:
        PackmillError: a step failed; ``exit_code`` is that of the command. No partial package is left.
    """
    from generator.commands.build import execute

    options = _options(locals())
    options.process = [process] if isinstance(process, str) else list(process)
    options.output = Path(output)
    built: BuiltPackage = execute(options)[0].to_dict()  # type: ignore[assignment]
    return built


def run(
    package: StrPath,
    values: Mapping[str, Any] | None = None,
    *,
    job: StrPath | None = None,
    outdir: StrPath = ".",
    engine: str = "cwltool",
    engine_options: Sequence[str] = (),
    batch_system: str | None = None,
    container: str | None = None,
    resume: bool = False,
    provenance: StrPath | None = None,
    trust: bool = False,
    verify: StrPath | None = None,
) -> dict[str, Any]:
    """Run a package and return CWL's output object; progress goes to stderr.

    ``values`` replace those of the job file, whose default is the package's ``inputs.yml``. Files are paths, secrets
    are text. ``batch_system``, ``container`` and ``resume`` are for the engine ``toil``.

    Raises:
        UsageError: the values do not fit the interface; nothing was started.
        PackmillError: the run failed.
    """
    from generator.commands.run import execute

    return execute(
        Namespace(
            package=Path(package),
            given=dict(values or {}),
            values=[],
            job=None if job is None else Path(job),
            outdir=Path(outdir),
            engine=engine,
            engine_options=tuple(engine_options),
            batch_system=batch_system,
            container=container,
            resume=resume,
            provenance=None if provenance is None else Path(provenance),
            trust=trust,
            verify=None if verify is None else Path(verify),
        )
    )


def _options(given: dict[str, Any]) -> Namespace:
    """Return the arguments of a call as the command line has them: paths and numbers are texts."""
    texts = ("repository", "sign", "parameters_cell", "cores", "ram", "disk", "time", "gpu")
    values = {name: value for name, value in given.items() if name != "execute"}
    return Namespace(**{**values, **{name: str(given[name]) for name in texts if given.get(name) is not None}})
