"""The image of a checkout: environment, runner and repository, each found or built.

Each has a key, a digest of everything it is made of, and is built only if neither the engine nor a registry has it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from generator.containers import builder, engine
from generator.containers.caches import cache_name
from generator.environment.environment import BuildPack, Environment
from generator.image import contexts
from generator.image import names as image
from generator.image.base.find import Base, find_base, list_present
from generator.image.config import home_of_user, repository_folder, search_variables, start_script
from generator.image.dockerfiles import image_dockerfile
from generator.image.environment.context import plan_key
from generator.image.environment.plan import Caches, Lock, Plan, make_plan
from generator.image.format_layer import ensure_formats
from generator.image.keys import content_key, digest_of, image_key
from generator.image.layers import describe_layers, format_size
from generator.image.runner import Runners, build_early, ensure_runner
from generator.image.store import ImageStore
from generator.metadata.metadata import Metadata
from generator.progress import Progress
from generator.repository.source import Source
from generator.shared.errors import ImageBuildError


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageSpec:
    """An image to find or build: its name, its source, and its environment.

    ``environment_key`` identifies an environment that was requested in place of the repository's own; ``lock`` is
    installed as it is instead of resolving requirements again; ``standard`` leaves environments to repo2docker's own
    build packs; ``kernel_gateway`` adds the Jupyter Kernel Gateway, ``formats`` the packages that read scientific
    formats. ``metadata`` is the repository's. ``find_pushed`` looks up an image by its key in a registry.
    """

    reference: str
    source: Source
    folder: Path
    environment: Environment
    environment_key: str
    base_image: str | None
    lock: Lock | None = None
    standard: bool = False
    kernel_gateway: bool = False
    formats: bool = False
    metadata: Metadata = field(default_factory=Metadata)
    store: ImageStore = field(default_factory=ImageStore)
    find_pushed: Callable[[str], BuiltImage | None] = lambda _: None


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltImage:
    """An image that exists, whether it was ``built`` now or found.

    ``digest`` is the registry's, if it came from one; ``base`` its base image, if packmill chose it; ``layers`` are
    diff ids (OCI image-spec, config, "rootfs"); ``pushed`` is true if the requested registry has it; ``runner`` is the
    runner image that a build copied from. ``keys`` are those that the image of this name may have: another build can
    give the name to an image of its own. Names that no build reuses have none.
    """

    reference: str
    built: bool
    digest: str | None
    base: Base | None = None
    layers: tuple[str, ...] = ()
    pushed: bool = False
    runner: str = ""
    keys: tuple[str, ...] = ()

    def is_same(self, labels: Mapping[str, str]) -> bool:
        """Whether an image with these labels is this one, or one that does as well."""
        return not self.keys or labels.get(image.key_label) in self.keys


@dataclass(frozen=True, kw_only=True, slots=True)
class _PlannedEnvironment:
    """The key of an environment, and the base and plan that packmill's own build pack uses for it.

    ``complete_key`` is the key that it would have with the Git LFS files that could not be fetched.
    """

    key: str
    complete_key: str = ""
    base: Base | None = None
    plan: Plan | None = None


def ensure_image(spec: ImageSpec, progress: Progress) -> BuiltImage:
    """Find the image, or build it.

    Raises:
        EngineMissingError: no engine answers, or no base image is available.
        EnvironmentSpecError: the environment's files are invalid.
        ImageBuildError: the build fails.
    """
    planned = _plan_environment(spec, progress)
    keys = _keys(spec, _environment_key(spec, planned.key))
    found = None if spec.store.fresh else _find_complete(spec, planned, progress) or _find(spec, keys)
    if found:
        progress.say(f"{found.reference} is up to date")
        return replace(found, base=planned.base)
    runners = Runners(
        base=planned.base,
        store=spec.store,
        kernel_gateway=spec.kernel_gateway,
        other_bases=() if planned.base else tuple(list_present(spec.base_image)),
    )
    with build_early(runners) as early:
        environment = _ensure_environment(spec, planned, progress)
    early.report(progress)
    runners = runners.suit(environment)
    runner = ensure_runner(runners, environment, progress, built=early.reference)
    formats = ensure_formats(runners, runner, environment, progress) if spec.formats else ""
    with progress.step("Adding the runner and the repository"):
        _compose(spec, environment, (runner, formats), keys[0], progress)
    return replace(_describe_build(spec, planned.base, progress), runner=runner, keys=tuple(keys))


def require_own(built: BuiltImage) -> None:
    """Check, once all that a build asks of its image was asked, that no other build took the image's name meanwhile.

    Raises:
        ImageBuildError: the name is that of another image now, or of none.
    """
    if not built.keys:
        return
    present = engine.inspect(built.reference)
    if present is None or not built.is_same(present.labels):
        raise ImageBuildError(
            f"{built.reference}: another build gave this name to an image of its own meanwhile; build again, or choose "
            "another --image"
        )


def _environment_key(spec: ImageSpec, key: str) -> str:
    return key if spec.environment_key == image.own_environment else digest_of(spec.environment_key, key)


def _find_complete(spec: ImageSpec, planned: _PlannedEnvironment, progress: Progress) -> BuiltImage | None:
    """Find an image with the Git LFS files that could not be fetched now: one with pointers must not replace it."""
    if not spec.source.pointers:
        return None
    complete = replace(spec, source=replace(spec.source, pointers=()))
    found = _find(complete, _keys(complete, _environment_key(spec, planned.complete_key)))
    if found:
        progress.say("an image of this commit has the Git LFS files that could not be fetched now")
    return found


def _keys(spec: ImageSpec, environment_key: str) -> list[str]:
    """Return the key of the image, then that of the image with the readers of formats, which does as well."""
    kinds = [True] if spec.formats else [False, True]
    return [
        image_key(spec.source, environment=environment_key, kernel_gateway=spec.kernel_gateway, formats=formats)
        for formats in kinds
    ]


def _find(spec: ImageSpec, keys: list[str]) -> BuiltImage | None:
    found = (spec.find_pushed(key) or _find_cached(spec.reference, key, keys) for key in keys)
    return next(filter(None, found), None)


def _find_cached(reference: str, key: str, keys: Sequence[str]) -> BuiltImage | None:
    """Return the engine's image of that name, if it has that key."""
    present = engine.inspect(reference)
    if present is None or present.labels.get(image.key_label) != key:
        return None
    return BuiltImage(reference=reference, built=False, digest=present.digest, layers=present.layers, keys=tuple(keys))


def _plan_environment(spec: ImageSpec, progress: Progress) -> _PlannedEnvironment:
    environment = spec.environment
    if environment.buildpack is not BuildPack.PLAIN_PYTHON:
        asked = (spec.environment_key, str(spec.standard))
        tools = (spec.base_image or "", version("jupyter-repo2docker"), engine.architecture())
        key, complete = (
            digest_of(spec.source.address, content, *asked, *tools)
            for content in (content_key(spec.source), spec.source.commit)
        )
        return _PlannedEnvironment(key=key, complete_key=complete)
    base = find_base(spec.base_image, python=environment.python, python_from=environment.python_from, say=progress.say)
    plan = make_plan(
        spec.folder,
        environment,
        base_image=base.pinned,
        python=base.python,
        lock=spec.lock,
        version=spec.source.version,
    )
    for remark in plan.remarks:
        progress.warn(remark)
    key = plan_key(plan, base_id=base.id)
    complete = plan_key(plan, base_id=base.id, with_lfs=True) if spec.source.pointers else key
    return _PlannedEnvironment(key=key, complete_key=complete, base=base, plan=plan)


def _ensure_environment(spec: ImageSpec, planned: _PlannedEnvironment, progress: Progress) -> str:
    """Find or build the environment; return its name in the engine."""
    names = _environment_names(spec, planned)
    title = f"{spec.environment.buildpack}: {', '.join(spec.environment.files) or 'no configuration file'}"
    present = next(filter(spec.store.has, names), "")
    if present:
        progress.say(f"reusing the environment ({title})")
        return present
    with progress.step(f"Building the environment, {title}"):
        pack: Any = None
        if planned.plan and planned.base:
            from generator.image.environment.plain_python import prepare_build_pack

            pack = prepare_build_pack(planned.plan, _cache_names(planned.base, spec.source.address, planned.key))
        base = planned.base.pinned if planned.base else spec.base_image
        # repo2docker skips an image whose name exists; and the final name is given to a complete image only
        unfinished = f"{names[0]}-{secrets.token_hex(4)}"
        app = builder.repo2docker_app(
            spec.folder,
            image=unfinished,
            base_image=base,
            packs=(pack,) if pack else (),
            time=contexts.file_time if planned.plan else int(spec.source.time.timestamp()),
            fresh=spec.store.fresh,
        )
        builder.build_environment(app, on_line=progress.say)
        reference = names[-1] if pack and pack.built_plan and pack.built_plan.needs_private_cache else names[0]
        engine.tag(unfinished, reference)
        engine.untag(unfinished)
        spec.store.keep(reference)
    return reference


def _environment_names(spec: ImageSpec, planned: _PlannedEnvironment) -> tuple[str, ...]:
    """Return the names of the environment: one by its content alone, one by its content and its repository.

    The first is for an environment built from its files and the network alone, which is the same for all repositories.
    One built with a private cache may contain files of the repository's earlier commits, so it is not shared.
    """
    shared = image.environment_reference(planned.key)
    if planned.plan is None:
        return (shared,)
    own = image.environment_reference(digest_of(spec.source.address, planned.key))
    return (own,) if planned.plan.needs_private_cache else (shared, own)


def _cache_names(base: Base, address: str, key: str) -> Caches:
    """Name the caches of a build; none is shared between bases, because a base's programs could tamper with it.

    The own cache is for an environment of this ``key`` alone: commits of strangers, such as those of pull requests,
    have the address of the repository, and a package that is rebuilt can have any lock.
    """
    return Caches(own=cache_name("own", base.id, address, key), wheels=cache_name("wheels", base.id))


def _compose(spec: ImageSpec, environment: str, layers: tuple[str, str], key: str, progress: Progress) -> None:
    """Build the image from an environment, and the images of the runner and of the readers of formats."""
    present = engine.inspect(environment)
    config = present.config if present else {}
    inside = (present.labels if present else {}).get(image.repository_label) != "beside"
    dockerfile = image_dockerfile(
        config,
        spec.source,
        environment=environment,
        runner=layers[0],
        inside=inside,
        kernel_gateway=spec.kernel_gateway,
        formats=layers[1],
        image_key=key,
        metadata=spec.metadata,
    )
    place = _describe_repository(spec, config)
    with contexts.image_context(
        dockerfile, repository=spec.folder, place=place, inside=inside, time=spec.source.time
    ) as context:
        builder.build_context(
            context,
            image=spec.reference,
            time=int(spec.source.time.timestamp()),
            on_line=progress.say,
            fresh=spec.store.fresh,
        )


def _describe_repository(spec: ImageSpec, config: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the repository for the runner; see `generator.runner.packaged.repository_location.locate_repository`."""
    start = start_script(config)
    hidden = (entry.name for entry in spec.folder.iterdir() if entry.name.startswith(".") and entry.name != ".git")
    place = {
        "folder": repository_folder(config),
        "commit": spec.source.commit,
        "hidden": sorted(hidden),
        "variables": search_variables(config),
        **home_of_user(config),
    }
    return {**place, "start": start} if start else place


def _describe_build(spec: ImageSpec, base: Base | None, progress: Progress) -> BuiltImage:
    built = engine.inspect(spec.reference)
    below = engine.history(base.reference) if base else ()
    progress.say(f"{spec.reference}: {format_size(built.size if built else 0)}")
    progress.say(describe_layers(engine.history(spec.reference), below))
    return BuiltImage(
        reference=spec.reference,
        built=True,
        digest=built.digest if built else None,
        base=base,
        layers=built.layers if built else (),
    )
