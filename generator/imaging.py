"""The image of a checkout: environment, runner, repository, each found or built; proof that processes can run in it.

Each is known by a key of what it is made of, and nothing is built twice: not what the engine's store holds, and not
what a registry holds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from generator import image
from generator.buildpacks.plan import Lock, Plan, make_plan, plan_key
from generator.environment import BuildPack, Environment
from generator.image_layers import shown_size, summary
from generator.progress import Progress
from generator.setup.base_image import Base, find_base
from generator.templates import data_folder
from generator.tools import builder, contexts, engine, image_notes


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """An image that is wanted: its name, what it is of, and what its environment is made of.

    ``environment_key`` identifies an environment that was asked for in place of the repository's own; ``lock`` are
    lines to install instead of resolving anew; ``fresh`` uses nothing of earlier builds; ``standard`` leaves
    environments to repo2docker's own build packs. ``find_pushed`` gives the image of that key where a registry has it,
    ``fetch_cached`` and ``keep_cached`` share environments and runners with other machines.
    """

    reference: str
    source: image.Source
    folder: Path
    environment: Environment
    environment_key: str
    base_image: str | None
    lock: Lock | None = None
    fresh: bool = False
    standard: bool = False
    find_pushed: Callable[[str], Found | None] = lambda _: None
    fetch_cached: Callable[[str], bool] = lambda _: False
    keep_cached: Callable[[str], None] = lambda _: None


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """The image that is there now.

    ``digest`` is the registry's, where it came from one; ``base`` what it stands on, where that was chosen here;
    ``layers`` are diff ids (OCI image-spec, config, "rootfs"); ``pushed`` says that the registry that was asked for
    has it.
    """

    reference: str
    built: bool
    digest: str | None
    base: Base | None = None
    layers: tuple[str, ...] = ()
    pushed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class _Planned:
    """What the key of an environment was made of."""

    key: str
    base: Base | None = None
    plan: Plan | None = None


def ensure_image(wanted: Wanted, progress: Progress) -> Found:
    """The image, built unless the same one is there already.

    Raises:
        EngineMissingError, EnvironmentSpecError, ImageBuildError: it cannot be built.
    """
    planned = _plan(wanted, progress)
    key = image.key(wanted.source, environment=planned.key)
    found = None if wanted.fresh else wanted.find_pushed(key) or _present(wanted.reference, key)
    if found:
        progress.say(f"{found.reference} is built already")
        return replace(found, base=planned.base)
    with _runner_ahead(wanted, planned) as ahead:
        environment = _ensure_environment(wanted, planned, progress)
    ahead.tell(progress)
    runner = _ensure_runner(environment, wanted, progress, made=ahead.made)
    with progress.step("Adding the runner and the repository"):
        _compose(wanted, environment, runner, key, progress)
    return _built(wanted, planned.base, progress)


def _present(reference: str, key: str) -> Found | None:
    """The image of the engine's store, if it has that key."""
    present = engine.inspect(reference)
    if present is None or present.labels.get(image.key_label) != key:
        return None
    return Found(reference=reference, built=False, digest=present.digest, layers=present.layers)


def _plan(wanted: Wanted, progress: Progress) -> _Planned:
    environment = wanted.environment
    if environment.buildpack is not BuildPack.PLAIN_PYTHON:
        whole = (wanted.source.address, wanted.source.commit, wanted.environment_key, str(wanted.standard))
        return _Planned(key=image.digest_of(*whole, wanted.base_image or ""))
    base = find_base(
        wanted.base_image, python=environment.python, python_from=environment.python_from, say=progress.say
    )
    plan = make_plan(wanted.folder, environment, base_image=base.pinned, python=base.python, lock=wanted.lock)
    for sentence in plan.remarks:
        progress.warn(sentence)
    return _Planned(key=plan_key(plan, base_id=base.id), base=base, plan=plan)


def _ensure_environment(wanted: Wanted, planned: _Planned, progress: Progress) -> str:
    """The environment's name in the engine's store."""
    reference = image.environment_reference(planned.key)
    title = f"{wanted.environment.buildpack}: {', '.join(wanted.environment.files) or 'no configuration file'}"
    if _is_there(reference, wanted):
        progress.say(f"the environment is there already ({title})")
        return reference
    with progress.step(f"Building the environment, {title}"):
        packs: tuple[type, ...] = ()
        if planned.plan:
            from generator.buildpacks.plain_python import prepared

            packs = (prepared(planned.plan, own_cache=image.digest_of(wanted.source.address)[:16]),)
        base = planned.base.pinned if planned.base else wanted.base_image
        # repo2docker builds no image whose name is there; and a name is given to what is whole
        unfinished = f"{reference}-{os.getpid()}"
        app = builder.repo2docker_app(
            wanted.folder,
            image=unfinished,
            base_image=base,
            packs=packs,
            time=image.settled if planned.plan else int(wanted.source.time.timestamp()),
            fresh=wanted.fresh,
        )
        builder.build_environment(app, on_line=progress.say)
        engine.tag(unfinished, reference)
        engine.untag(unfinished)
        wanted.keep_cached(reference)
    return reference


@dataclass(slots=True)
class _Ahead:
    """The runner that is built while the environment is: its name when it is made, and what was said meanwhile."""

    made: str = ""
    lines: list[str] = field(default_factory=list)

    def tell(self, progress: Progress) -> None:
        """What was said, in a step of its own: two builds at once would talk over each other."""
        if self.lines:
            with progress.step("Building the runner, beside the environment"):
                for line in self.lines:
                    progress.say(line)


@contextmanager
def _runner_ahead(wanted: Wanted, planned: _Planned) -> Iterator[_Ahead]:
    """Builds the runner on the base while the body builds the environment, where that is likely to be the right one.

    A plain Python environment has its base's Python and mostly no kernel. Where it turns out otherwise, the runner that
    fits is built afterwards.
    """
    ahead = _Ahead()
    if planned.base is None:
        yield ahead
        return
    facts, builder_image = _facts(planned.base.pinned), planned.base.pinned
    if not wanted.fresh and engine.inspect(image.runner_reference(image.runner_key(facts))):
        yield ahead
        return
    with ThreadPoolExecutor(max_workers=1) as pool:
        building = pool.submit(_make_runner, facts, builder_image, wanted, ahead.lines.append)
        yield ahead
        ahead.made = building.result()


def _ensure_runner(environment: str, wanted: Wanted, progress: Progress, *, made: str) -> str:
    """The name of the runner's image for the Pythons of an environment; ``made`` is one that was just built."""
    facts = _facts(environment)
    reference = image.runner_reference(image.runner_key(facts))
    if reference == made:
        return made
    if _is_there(reference, wanted):
        return reference
    with progress.step("Building the runner"):
        return _make_runner(facts, environment, wanted, progress.say)


def _make_runner(facts: image.Facts, builder_image: str, wanted: Wanted, say: Callable[[str], None]) -> str:
    """Fetches or builds the runner's image; its name."""
    reference = image.runner_reference(image.runner_key(facts))
    if not wanted.fresh and wanted.fetch_cached(reference):
        return reference
    with contexts.runner_context(image.runner_dockerfile(facts, builder=builder_image)) as context:
        builder.build_context(context, image=reference, time=image.settled, on_line=say, fresh=wanted.fresh)
    wanted.keep_cached(reference)
    return reference


def _is_there(reference: str, wanted: Wanted) -> bool:
    """Whether an environment or a runner is in the engine, or was fetched from where others left it."""
    if wanted.fresh:
        return False
    if engine.inspect(reference):
        wanted.keep_cached(reference)
        return True
    return wanted.fetch_cached(reference)


def _facts(environment: str) -> image.Facts:
    """What the runner's layer depends on, looked at in a container once for each environment."""
    present = engine.inspect(environment)
    image_id = present.id if present else ""
    known = image_notes.recall(image_id, "facts")
    if known:
        return image.Facts(**known)
    probe = (data_folder("templates") / "image" / "probe.sh").read_text(encoding="utf-8")
    _, out, _ = engine.run_in(environment, ("-c", probe), entrypoint="sh")
    said = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.startswith(("runner ", "kernel "))}
    path, version, machine, libc = (*said.get("runner", ()), "", "", "", "")[:4]
    name, kernel = (*said.get("kernel", ()), "", "")[:2]
    facts = {
        "runner_python": path, "runner_version": version, "machine": machine, "libc": libc,
        "kernel_python": name, "kernel_version": kernel,
    }  # fmt: skip
    image_notes.note(image_id, "facts", facts)
    return image.Facts(**facts)


def _compose(wanted: Wanted, environment: str, runner: str, key: str, progress: Progress) -> None:
    present = engine.inspect(environment)
    config = present.config if present else {}
    inside = (present.labels if present else {}).get(image.repository_label) != "beside"
    dockerfile = image.image_dockerfile(
        config, wanted.source, environment=environment, runner=runner, inside=inside, image_key=key
    )
    place = _place(wanted, image.repository_folder(config))
    with contexts.image_context(
        dockerfile, repository=wanted.folder, place=place, inside=inside, time=wanted.source.time
    ) as context:
        builder.build_context(
            context,
            image=wanted.reference,
            time=int(wanted.source.time.timestamp()),
            on_line=progress.say,
            fresh=wanted.fresh,
        )


def _place(wanted: Wanted, folder: str) -> dict[str, Any]:
    """What the runner has to know of the repository; see `generator.runner.workspace.repository_place`."""
    hidden = (entry.name for entry in wanted.folder.iterdir() if entry.name.startswith(".") and entry.name != ".git")
    return {"folder": folder, "commit": wanted.source.commit, "hidden": sorted(hidden)}


def _built(wanted: Wanted, base: Base | None, progress: Progress) -> Found:
    built = engine.inspect(wanted.reference)
    below = engine.history(base.reference) if base else ()
    progress.say(f"{wanted.reference}: {shown_size(built.size if built else 0)}")
    progress.say(summary(engine.history(wanted.reference), below))
    return Found(
        reference=wanted.reference,
        built=True,
        digest=built.digest if built else None,
        base=base,
        layers=built.layers if built else (),
    )
