"""The staging image: packmill's own image for the steps that fetch inputs and deliver results.

These steps see credentials, so nothing of a repository may affect the image: its base is packmill's default base or the
one that PACKMILL_BASE_IMAGE names, regardless of the repository.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from generator.containers import builder, engine
from generator.image import contexts
from generator.image import names as image
from generator.image.base.find import Base, find_base
from generator.image.build import BuiltImage
from generator.image.dockerfiles import staging_dockerfile
from generator.image.format_layer import ensure_formats
from generator.image.keys import staging_key
from generator.image.runner import Runners, ensure_runner
from generator.image.store import ImageStore
from generator.progress import Progress


@dataclass(frozen=True, kw_only=True, slots=True)
class StagingSpec:
    """A staging image to find or build.

    ``base_image`` is the base that PACKMILL_BASE_IMAGE names; ``formats`` adds the packages that read NetCDF, HDF5,
    Zarr and GeoTIFF for the STAC catalog of the results; ``made_runner`` is a runner image that the same build built
    before; ``find_pushed`` looks up a name and a key in the registry of the request.
    """

    base_image: str | None
    store: ImageStore
    formats: bool = False
    made_runner: str = ""
    find_pushed: Callable[[str, str], BuiltImage | None] = lambda _name, _key: None


def ensure_staging_image(spec: StagingSpec, progress: Progress) -> BuiltImage:
    """Find the staging image in the engine or a registry, or build it.

    An image in the registry of the request is used only if this engine has no other one for the same key: everyone who
    can write to that registry can compute keys.

    Raises:
        EnvironmentSpecError, EngineMissingError: no base image is available.
        ImageBuildError: the build fails.
    """
    base = find_base(spec.base_image, say=progress.say)
    runners = Runners(base=base, store=spec.store)
    key = staging_key(runners.reference(runners.pythons(base.pinned)), base_id=base.id, formats=spec.formats)
    stored = image.staging_store_reference(key)
    is_present = spec.store.has(stored)
    pushed = None if spec.store.fresh else spec.find_pushed(image.pushed_staging_name(key), key)
    if pushed and (not is_present or pushed.layers == _layers(stored)):
        return pushed
    if not is_present:
        _build(spec, base, runners, key, progress)
        spec.store.keep(stored)
    name = image.staging_reference(spec.base_image, formats=spec.formats)
    engine.tag(stored, name)
    return BuiltImage(reference=name, built=not is_present, digest=None, layers=_layers(stored))


def _layers(reference: str) -> tuple[str, ...]:
    present = engine.inspect(reference)
    return present.layers if present else ()


def _build(spec: StagingSpec, base: Base, runners: Runners, key: str, progress: Progress) -> None:
    runner = ensure_runner(runners, base.pinned, progress, built=spec.made_runner)
    formats = ensure_formats(runners, runner, base.pinned, progress) if spec.formats else ""
    dockerfile = staging_dockerfile(base=base.pinned, runner=runner, formats=formats, key=key)
    with progress.step("Building the staging image"), contexts.staging_context(dockerfile) as context:
        builder.build_context(
            context,
            image=image.staging_store_reference(key),
            time=contexts.file_time,
            on_line=progress.say,
            fresh=spec.store.fresh,
        )
