"""The layer with the packages that read scientific formats: found, or built, for a runner.

Images of processes and the staging image copy it from an image of its own, so that it is the same blob in both.
"""

from __future__ import annotations

from generator.containers import builder
from generator.containers.caches import cache_name
from generator.image import contexts
from generator.image import names as image
from generator.image.dockerfiles import formats_dockerfile
from generator.image.keys import formats_key
from generator.image.runner import Runners
from generator.progress import Progress


def ensure_formats(runners: Runners, runner: str, environment: str, progress: Progress) -> str:
    """Return the name of the image with the layer for ``runner``, which is built in the base or in ``environment``.

    Raises:
        ImageBuildError: the build fails.
    """
    reference = image.formats_reference(formats_key(runner))
    if runners.store.has(reference):
        return reference
    dockerfile = formats_dockerfile(
        builder=runners.base.pinned if runners.base else environment,
        runner=runner,
        cache=cache_name("runner", runners.built_by),
    )
    with progress.step("Building the readers of scientific formats"), contexts.formats_context(dockerfile) as context:
        builder.build_context(
            context,
            image=reference,
            time=contexts.file_time,
            on_line=progress.say,
            fresh=runners.store.fresh,
        )
    runners.store.keep(reference)
    return reference
