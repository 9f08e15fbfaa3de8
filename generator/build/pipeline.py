"""The steps of a build, from a request to a published package."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from generator.build.address_checks import check_addresses
from generator.build.deploy import check_platform, deploy_packages
from generator.build.images import build_image, build_staging_image, check_runner, push_images
from generator.build.packages import planned_names, write_packages
from generator.build.publish import address, check_room, publish_package, sign_images
from generator.build.reading import fetch_commit, read_commit
from generator.build.record import record_image
from generator.containers.podman import check_engine
from generator.image.build import require_own
from generator.progress import Progress
from generator.request.build import BuildRequest, check_localities
from generator.request.settings import Settings
from generator.subprocesses.environment import signing_variables, without_variables


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """The packages of a build on disk; ``folder`` is that of the package, or the one that holds several.

    ``address`` is where the package is deposited; ``deployed`` has the address of each process on the platform.
    """

    folder: Path
    packages: tuple[Path, ...]
    image: str
    image_built: bool
    changed: bool
    processes: tuple[str, ...]
    commit: str
    address: str = ""
    deployed: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the object that ``packmill build --json`` prints."""
        return {
            "package": str(self.folder),
            "packages": [str(folder) for folder in self.packages],
            "image": self.image,
            "image_built": self.image_built,
            "changed": self.changed,
            "commit": self.commit,
            **({"address": self.address} if self.address else {}),
            **({"deployed": list(self.deployed)} if self.deployed else {}),
        }


def build(request: BuildRequest, settings: Settings, progress: Progress) -> Built:
    """Build the image and the packages of a request.

    Raises:
        PackmillError: a step failed; no partial package is left.
    """
    check_localities(request, settings)
    check_addresses(request, settings)
    if request.build_image:
        check_engine()
    # libraries start programs, too: repo2docker the builder, those of registries the helpers that know passwords
    with without_variables(signing_variables), TemporaryDirectory(prefix="packmill-") as temporary:
        checkout = fetch_commit(request, settings, Path(temporary, "repository"), progress)
        job = read_commit(request, settings, checkout, progress)
        check_room(job, planned_names(job))
        check_platform(job)
        built = build_image(job, progress)
        job = check_runner(job, built, progress)
        staging = build_staging_image(job, built, progress)
        image, staging = push_images(job, built, staging, progress)
        record = record_image(job, image, local=built.reference)
        require_own(built)
        sign_images(job, [image, *([staging] if staging else [])], record, progress)
        copy = Path(temporary, "packages")
        changed = write_packages(job, image, staging, record, progress, copy=copy)
        # from the copy: another build may replace the packages in the folder of outputs by now
        written = replace(job, request=replace(request, output=copy))
        publish_package(written, image, progress)
        deployed = deploy_packages(written, image, progress)
        return Built(
            folder=job.package,
            packages=tuple(folder for _, folder in job.packages),
            image=image.reference,
            image_built=image.built,
            layers=image.layers,
            changed=changed,
            processes=request.processes,
            commit=job.source.commit,
            address=address(request, job.package),
            deployed=deployed,
        )
