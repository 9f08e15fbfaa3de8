"""The image of a checkout: environment, runner, repository, each found or built; proof that processes can run in it.

Each is known by a key of what it is made of, and nothing is built twice: not what the engine's store holds, and not
what a registry holds.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from generator.containers import builder, engine
from generator.containers.caches import cache_name
from generator.environment.environment import BuildPack, Environment
from generator.image import contexts
from generator.image import names as image
from generator.image.base.find import Base, find_base
from generator.image.contents import repository_folder, start_script
from generator.image.dockerfiles import image_dockerfile
from generator.image.environment.context import plan_key
from generator.image.environment.plan import Caches, Lock, Plan, make_plan
from generator.image.keys import digest_of, image_key
from generator.image.layers import shown_size, summary
from generator.image.runner import Runners, build_early, ensure_runner
from generator.image.store import ImageStore
from generator.progress import Progress
from generator.repository.source import Source


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageSpec:
    """An image that is wanted: its name, what it is of, and what its environment is made of.

    ``environment_key`` identifies an environment that was asked for in place of the repository's own; ``lock`` are
    lines to install instead of resolving anew; ``standard`` leaves environments to repo2docker's own build packs.
    ``find_pushed`` gives the image of that key where a registry has it.
    """

    reference: str
    source: Source
    folder: Path
    environment: Environment
    environment_key: str
    base_image: str | None
    lock: Lock | None = None
    standard: bool = False
    store: ImageStore = field(default_factory=ImageStore)
    find_pushed: Callable[[str], BuiltImage | None] = lambda _: None


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltImage:
    """The image that is there now.

    ``digest`` is the registry's, where it came from one; ``base`` what it stands on, where that was chosen here;
    ``layers`` are diff ids (OCI image-spec, config, "rootfs"); ``pushed`` says that the registry that was asked for
    has it; ``runner`` is the runner image that a build copied from.
    """

    reference: str
    built: bool
    digest: str | None
    base: Base | None = None
    layers: tuple[str, ...] = ()
    pushed: bool = False
    runner: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _EnvironmentPlan:
    """What the key of an environment was made of."""

    key: str
    base: Base | None = None
    plan: Plan | None = None


def ensure_image(wanted: ImageSpec, progress: Progress) -> BuiltImage:
    """The image, built unless the same one is there already.

    Raises:
        EngineMissingError, EnvironmentSpecError, ImageBuildError: it cannot be built.
    """
    planned = _plan_environment(wanted, progress)
    key = image_key(wanted.source, environment=planned.key)
    found = None if wanted.store.fresh else wanted.find_pushed(key) or _find_cached(wanted.reference, key)
    if found:
        progress.say(f"{found.reference} is built already")
        return replace(found, base=planned.base)
    runners = Runners(base=planned.base, address=wanted.source.address, store=wanted.store)
    with build_early(runners) as ahead:
        environment = _ensure_environment(wanted, planned, progress)
    ahead.tell(progress)
    runner = ensure_runner(runners, environment, progress, made=ahead.made)
    with progress.step("Adding the runner and the repository"):
        _compose(wanted, environment, runner, key, progress)
    return replace(_describe_built(wanted, planned.base, progress), runner=runner)


def _find_cached(reference: str, key: str) -> BuiltImage | None:
    """The image of the engine's store, if it has that key."""
    present = engine.inspect(reference)
    if present is None or present.labels.get(image.key_label) != key:
        return None
    return BuiltImage(reference=reference, built=False, digest=present.digest, layers=present.layers)


def _plan_environment(wanted: ImageSpec, progress: Progress) -> _EnvironmentPlan:
    environment = wanted.environment
    if environment.buildpack is not BuildPack.PLAIN_PYTHON:
        whole = (wanted.source.address, wanted.source.commit, wanted.environment_key, str(wanted.standard))
        made_by = (wanted.base_image or "", version("jupyter-repo2docker"), engine.architecture())
        return _EnvironmentPlan(key=digest_of(*whole, *made_by))
    base = find_base(
        wanted.base_image, python=environment.python, python_from=environment.python_from, say=progress.say
    )
    plan = make_plan(wanted.folder, environment, base_image=base.pinned, python=base.python, lock=wanted.lock)
    for sentence in plan.remarks:
        progress.warn(sentence)
    return _EnvironmentPlan(key=plan_key(plan, base_id=base.id), base=base, plan=plan)


def _ensure_environment(wanted: ImageSpec, planned: _EnvironmentPlan, progress: Progress) -> str:
    """The environment's name in the engine's store."""
    names = _environment_names(wanted, planned)
    title = f"{wanted.environment.buildpack}: {', '.join(wanted.environment.files) or 'no configuration file'}"
    present = next(filter(wanted.store.has, names), "")
    if present:
        progress.say(f"the environment is there already ({title})")
        return present
    with progress.step(f"Building the environment, {title}"):
        pack: Any = None
        if planned.plan and planned.base:
            from generator.image.environment.plain_python import prepare_build_pack

            pack = prepare_build_pack(planned.plan, _cache_names(planned.base, wanted.source.address))
        base = planned.base.pinned if planned.base else wanted.base_image
        # repo2docker builds no image whose name is there; and a name is given to what is whole
        unfinished = f"{names[0]}-{secrets.token_hex(4)}"
        app = builder.repo2docker_app(
            wanted.folder,
            image=unfinished,
            base_image=base,
            packs=(pack,) if pack else (),
            time=image.settled if planned.plan else int(wanted.source.time.timestamp()),
            fresh=wanted.store.fresh,
        )
        builder.build_environment(app, on_line=progress.say)
        reference = names[-1] if pack and pack.made and pack.made.apart else names[0]
        engine.tag(unfinished, reference)
        engine.untag(unfinished)
        wanted.store.keep(reference)
    return reference


def _environment_names(wanted: ImageSpec, planned: _EnvironmentPlan) -> tuple[str, ...]:
    """What the environment may be called: by its content alone, and by its content and its repository.

    The first is for what comes of its files and the network alone, and so is the same for everybody. Where a
    repository's own cache has a part in it, an earlier commit of the same repository may have, too.
    """
    shared = image.environment_reference(planned.key)
    if planned.plan is None:
        return (shared,)
    own = image.environment_reference(digest_of(wanted.source.address, planned.key))
    return (own,) if planned.plan.apart else (shared, own)


def _cache_names(base: Base, address: str) -> Caches:
    """What a base's programs could plant in a cache reaches nobody on another base."""
    return Caches(own=cache_name("own", base.id, address), wheels=cache_name("wheels", base.id))


def _compose(wanted: ImageSpec, environment: str, runner: str, key: str, progress: Progress) -> None:
    present = engine.inspect(environment)
    config = present.config if present else {}
    inside = (present.labels if present else {}).get(image.repository_label) != "beside"
    dockerfile = image_dockerfile(
        config, wanted.source, environment=environment, runner=runner, inside=inside, image_key=key
    )
    place = _describe_repository(wanted, config)
    with contexts.image_context(
        dockerfile, repository=wanted.folder, place=place, inside=inside, time=wanted.source.time
    ) as context:
        builder.build_context(
            context,
            image=wanted.reference,
            time=int(wanted.source.time.timestamp()),
            on_line=progress.say,
            fresh=wanted.store.fresh,
        )


def _describe_repository(wanted: ImageSpec, config: Mapping[str, Any]) -> dict[str, Any]:
    """What the runner has to know of the repository; see `generator.runner.packaged.workspace.repository_place`."""
    start = start_script(config)
    hidden = (entry.name for entry in wanted.folder.iterdir() if entry.name.startswith(".") and entry.name != ".git")
    place = {"folder": repository_folder(config), "commit": wanted.source.commit, "hidden": sorted(hidden)}
    return {**place, "start": start} if start else place


def _describe_built(wanted: ImageSpec, base: Base | None, progress: Progress) -> BuiltImage:
    built = engine.inspect(wanted.reference)
    below = engine.history(base.reference) if base else ()
    progress.say(f"{wanted.reference}: {shown_size(built.size if built else 0)}")
    progress.say(summary(engine.history(wanted.reference), below))
    return BuiltImage(
        reference=wanted.reference,
        built=True,
        digest=built.digest if built else None,
        base=base,
        layers=built.layers if built else (),
    )
