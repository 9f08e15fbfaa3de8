"""The image of a checkout: found, or built; and proof that its processes can run in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from generator import image
from generator.environment import BuildPack, Environment
from generator.errors import RunnerCheckError
from generator.process import Process
from generator.progress import Progress
from generator.setup.base_image import ensure_base_image
from generator.tools import engine


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """An image that is wanted: its name, what it is of, and what its environment is made of.

    ``environment_key`` identifies an environment that was asked for in place of the repository's own.
    """

    reference: str
    source: image.Source
    folder: Path
    environment: Environment
    environment_key: str
    base_image: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """The image that is there now; ``digest`` is the registry's, where it came from one."""

    reference: str
    built: bool
    digest: str | None


def ensure_image(wanted: Wanted, progress: Progress) -> Found:
    """The image, built unless the same one is there already.

    Raises:
        EngineMissingError, EnvironmentSpecError, ImageBuildError: it cannot be built.
    """
    base, base_id = wanted.base_image, ""
    if wanted.environment.buildpack is BuildPack.PLAIN_PYTHON:
        base = ensure_base_image(wanted.base_image, say=progress.say)
        known = engine.inspect(base)
        base_id = known.id if known else ""
    key = image.key(wanted.source, environment=wanted.environment_key, base_image=base or "", base_id=base_id)
    present = engine.inspect(wanted.reference)
    if present and present.labels.get(image.key_label) == key:
        progress.say(f"{wanted.reference} is built already")
        return Found(reference=wanted.reference, built=False, digest=present.digest)
    _build(wanted, base, key, progress)
    built = engine.inspect(wanted.reference)
    if built:
        progress.say(f"{wanted.reference}: {built.size / 1e6:.0f} MB")
    return Found(reference=wanted.reference, built=True, digest=built.digest if built else None)


def _build(wanted: Wanted, base: str | None, key: str, progress: Progress) -> None:
    scaffold = f"packmill/environment:{key[:16]}"
    with progress.step(f"Building the environment: {wanted.environment.buildpack}"):
        progress.say(", ".join(wanted.environment.files) or "no configuration file")
        engine.build_environment(wanted.folder, image=scaffold, base_image=base, on_line=progress.say)
    try:
        with progress.step("Adding the runner"):
            scaffolded = engine.inspect(scaffold)
            config = scaffolded.config if scaffolded else {}
            labels = image.labels(wanted.source, key)
            engine.build_layer(
                image.runner_layer(config, environment_image=scaffold, image_labels=labels),
                repository=wanted.folder,
                place=_place(wanted, config),
                image=wanted.reference,
                on_line=progress.say,
            )
    finally:
        engine.untag(scaffold)


def _place(wanted: Wanted, config: Mapping[str, Any]) -> dict[str, Any]:
    """What the runner has to know of the repository; see `generator.runner.workspace.repository_place`."""
    hidden = (entry.name for entry in wanted.folder.iterdir() if entry.name.startswith(".") and entry.name != ".git")
    return {
        "folder": image.repository_folder(config),
        "commit": wanted.source.commit,
        "hidden": sorted(hidden),
    }


def checked(process: Process, reference: str, progress: Progress) -> Process:
    """The process with the kernel that the image runs it with.

    Raises:
        RunnerCheckError: it cannot run there; the message says what is missing.
    """
    wanted = ("--kernel", process.kernel) if process.kernel else ()
    code, out, err = engine.run_in(reference, ("packmill-runner", "check", "--process", process.path, *wanted))
    if code != 0:
        raise RunnerCheckError(_failure(process, reference, err or out))
    try:
        found = json.loads(out.strip().splitlines()[-1])
        kernel, warnings = found["kernel"], list(found["warnings"])
    except (ValueError, IndexError, KeyError, TypeError):
        said = f"its ENTRYPOINT does not run what it is given; it printed {out.strip()[:200]!r}"
        raise RunnerCheckError(_failure(process, reference, said)) from None
    for warning in warnings:
        progress.warn(warning)
    progress.say(f"{process.path}: kernel {kernel}" if kernel else f"{process.path}: present")
    return replace(process, kernel=kernel)


def _failure(process: Process, reference: str, said: str) -> str:
    lines = said.strip().splitlines()[-12:] or ["nothing was said"]
    head = f"{process.path} cannot run in the image {reference}:"
    return "\n".join([head, *(f"  {line.removeprefix('packmill-runner: ')}" for line in lines)])
