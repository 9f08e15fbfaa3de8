"""Publish a build: images to a registry, the package to a git repository and next to its image."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from generator.build.address_checks import check_registry_address
from generator.build.job import BuildJob
from generator.build.record import ImageRecord, sbom_name
from generator.containers import engine
from generator.containers.package_artifact import push_package, push_sbom
from generator.containers.registry import pull, push
from generator.containers.registry_images import find_holder, look_up
from generator.containers.registry_session import Login, anonymous
from generator.containers.signatures import is_signed, sign_image
from generator.image import names as image
from generator.image.build import BuiltImage
from generator.network.address_policy import Access
from generator.package.folder import documents_of
from generator.package.place import check_place
from generator.process.process import Process
from generator.progress import Progress
from generator.repository.deposit import check_deposit, deposit
from generator.repository.destination import Destination
from generator.repository.places import Holder, foreign_files_error, place_taken_error, repository_identity
from generator.repository.process_folders import process_folder
from generator.repository.source import Source
from generator.request.build import BuildRequest
from generator.request.credentials import publish_token, registry_user
from generator.request.settings import Settings
from generator.shared.errors import PublishError
from generator.shared.safe_text import printable


def check_room(job: BuildJob, names: Mapping[str, Sequence[str]]) -> None:
    """Check that the image and the packages will not replace those of another repository or process.

    ``names`` are the files of each package, by its folder at the place.

    Raises:
        PlaceTakenError: the output folder, the destination or the registry holds another package, files or an image.
        UsageError: a folder holds something that is not a package.
    """
    request, settings = job.request, job.settings
    if request.replace:
        return
    check_place(job.top, job.claim, names)
    if request.destination:
        token = publish_token(request.destination, settings)
        limits = settings.fetch_limits
        check_deposit(request.destination, job.claim, names, token=token, policy=settings.destinations, limits=limits)
    if request.registry:
        login = _requested_login(request.registry, settings)
        target = image.pushed_reference(request.registry, job.reference)
        _check_registry(target, job.claim.own, login, is_chosen=bool(request.image))


def _check_registry(target: str, own: Holder, login: Login | None, *, is_chosen: bool) -> None:
    """Check an image that already has this name.

    A name that a person chose must be free, or that of this repository's image. packmill's own names have a digest of
    the repository, so nothing is replaced if a registry does not show such an image; some show no repository before
    its first push.

    Raises:
        PlaceTakenError: the name is that of another image.
        PublishError: it is unknown whether a chosen name is free, or the registry fails.
    """
    remote = find_holder(target, login=login) if is_chosen else look_up(target, login=login)
    if remote is None:
        return
    otherwise = "choose another --push or --image"
    address = remote.labels.get(image.source_label, "")
    if not address:
        raise foreign_files_error(target, ("an image of another program",), own, otherwise=otherwise)
    if repository_identity(address) != repository_identity(own.address):
        raise place_taken_error(target, Holder(address=address, checkout="", place=""), own, otherwise=otherwise)


def find_pushed(registry: str | None, reference: str, key: str, *, settings: Settings) -> BuiltImage | None:
    """Find the image with this key in the requested registry, and pull it; None when the registry has no such image.

    The image keeps the registry's name: a request may name any registry, and its images serve that request alone.
    """
    if not registry:
        return None
    target = image.pushed_reference(registry, reference)
    login = _requested_login(registry, settings)
    remote = look_up(target, login=login)
    if remote is None or remote.labels.get(image.key_label) != key:
        return None
    by_digest = f"{target.rpartition(':')[0]}@{remote.digest}"
    if settings.sign_key and not is_signed(by_digest, settings.sign_key.public, login=login):
        return None  # anyone who may push there can set a label, and its signature would be the operator's
    present = engine.inspect(by_digest)
    if present is None and pull(by_digest, login=login):
        present = engine.inspect(by_digest)
    if present is None:
        return None
    return BuiltImage(reference=by_digest, built=False, digest=remote.digest, layers=present.layers, pushed=True)


def fetch_cached(reference: str, *, settings: Settings, progress: Progress) -> bool:
    """Pull an environment or a runner from the cache registry; whether it is in the engine now.

    Signatures are not checked: the cache registry is trusted (docs/security.md, "Signed images").
    """
    if not settings.cache_registry:
        return False
    there = image.cached_reference(settings.cache_registry, reference)
    if not pull(there, login=_login(settings.cache_registry, settings)):
        return False
    engine.tag(there, reference)
    engine.untag(there)
    progress.say(f"fetched {there}")
    return True


def keep_cached(reference: str, *, settings: Settings, progress: Progress, replaces: bool = False) -> None:
    """Push an environment or a runner to the cache registry; a failure is a warning.

    One that the registry has stays, unless the new one ``replaces`` it, as after a build that ignored caches.
    """
    if not settings.cache_registry:
        return
    there, login = image.cached_reference(settings.cache_registry, reference), _login(settings.cache_registry, settings)
    try:
        if not replaces and look_up(there, login=login):
            return
        push(reference, there, login=login, on_line=progress.say)
        engine.untag(there)
    except PublishError as error:
        progress.warn(str(error))


def push_image(found: BuiltImage, registry: str, settings: Settings, progress: Progress) -> BuiltImage:
    """Push an image, unless the registry has it, and return it by digest, which no later push can change.

    Raises:
        PublishError: the registry refuses the image.
    """
    return _push(found, image.pushed_reference(registry, found.reference), registry, settings, progress)


def push_staging_image(staging: BuiltImage, registry: str, settings: Settings, progress: Progress) -> BuiltImage:
    """Push the staging image next to the package's image; the documents then name it by digest.

    Raises:
        PublishError: the registry refuses the image.
    """
    present = engine.inspect(staging.reference)
    name = image.pushed_staging_name((present.labels if present else {}).get(image.key_label, ""))
    return _push(staging, image.pushed_reference(registry, name), registry, settings, progress)


def sign_images(job: BuildJob, images: Sequence[BuiltImage], record: ImageRecord, progress: Progress) -> None:
    """Sign the pushed images, and attest how the first one was built and what it contains.

    Raises:
        PublishError: the registry refuses a signature.
    """
    key, registry = job.settings.sign_key, job.request.registry
    if not key or not registry:
        return
    for one in images:
        with progress.step(f"Signing {one.reference}"):
            predicates = record.predicates if one is images[0] else {}
            sign_image(one.reference, key, predicates, login=_requested_login(registry, job.settings))


def _push(found: BuiltImage, target: str, registry: str, settings: Settings, progress: Progress) -> BuiltImage:
    if found.pushed:
        progress.say(f"{found.reference} is already in the registry")
        return found
    login = _requested_login(registry, settings)
    with progress.step(f"Pushing {target}"):
        digest = push(found.reference, target, login=login, on_line=progress.say)
        progress.say(f"{target} is {digest}")
    by_digest = f"{target.rpartition(':')[0]}@{digest}"
    _check_pushed(found, by_digest, login)
    return replace(found, reference=by_digest, digest=digest)


def _check_pushed(found: BuiltImage, by_digest: str, login: Login | None) -> None:
    """Check the image that was pushed by its name, which another build can have given to its own meanwhile.

    A registry that does not show it leaves the name in the engine as the evidence.

    Raises:
        PublishError: it is another image.
    """
    if not found.keys:
        return
    shown = look_up(by_digest, login=login) or engine.inspect(found.reference)
    if shown is None or not found.is_same(shown.labels):
        raise PublishError(
            f"{by_digest}: the image that was pushed is not this build's, because another build gave the name "
            f"{found.reference} to an image of its own meanwhile; build again, or choose another --image"
        )


def address(request: BuildRequest, folder: Path) -> str:
    """Return the address of a package's folder after it is deposited; empty without a destination."""
    place = folder.relative_to(request.output).as_posix()
    return request.destination.address(place) if request.destination else ""


def publish_package(job: BuildJob, pushed: BuiltImage, progress: Progress) -> None:
    """Deposit the packages of a build in the destination, and push them next to an image that was pushed.

    Packages of other processes in the output folder are from earlier builds, and are not published.

    Raises:
        PublishError: the destination refuses the package.
    """
    if job.request.destination:
        _deposit_packages(job, job.request.destination, progress)
    if job.request.registry and pushed.digest:
        for process, folder in job.packages:
            _push_package(job, process, folder, pushed.reference, progress)
        _push_sbom(job, job.packages[0][1] / sbom_name, pushed.reference, progress)


def _deposit_packages(job: BuildJob, destination: Destination, progress: Progress) -> None:
    source, place = job.source, job.package.relative_to(job.request.output).as_posix()
    with progress.step(f"Depositing the package in {destination.repository.address}"):
        done = deposit(
            job.top,
            [str((folder / name).relative_to(job.top)) for _, folder in job.packages for name in _documents_in(folder)],
            destination,
            path=job.place,
            message=_deposit_message(source, place),
            token=publish_token(destination, job.settings),
            replace=job.request.replace,
            policy=job.settings.destinations,
            limits=job.settings.fetch_limits,
        )
        how = f"commit {done.commit[:12]}" if done.changed else "unchanged"
        progress.say(f"{destination.branch}:{place}: {how}")


def _documents_in(folder: Path) -> list[str]:
    return sorted(documents_of(folder) or ())


def _push_package(job: BuildJob, process: Process, folder: Path, image_name: str, progress: Progress) -> None:
    """Push the package as an OCI artifact; a registry that only accepts images is a warning."""
    with progress.step("Pushing the package next to the image"):
        try:
            login = _requested_login(job.request.registry or "", job.settings)
            name = process_folder(process.path)
            progress.say(push_package(folder, _documents_in(folder), image_name, name=name, login=login))
        except PublishError as error:
            progress.warn(str(error))


def _push_sbom(job: BuildJob, file: Path, image_name: str, progress: Progress) -> None:
    """Push the bill of materials as an OCI artifact; a registry that only accepts images is a warning."""
    if not file.is_file():
        return
    try:
        login = _requested_login(job.request.registry or "", job.settings)
        progress.say(push_sbom(file, image_name, login=login))
    except PublishError as error:
        progress.warn(str(error))


def _requested_login(registry: str, settings: Settings) -> Login | None:
    """Return the login for a registry that a request names; the operator's ``docker login`` needs full access.

    Raises:
        PublishError: the operator's policy refuses the registry.
    """
    access = check_registry_address(registry, settings)
    login = _login(registry, settings)
    if access is Access.PUBLIC:
        return replace(login or anonymous, guarded=True, reachable=settings.registries.reachable)
    return login


def _login(registry: str, settings: Settings) -> Login | None:
    user = registry_user(registry, settings)
    return Login(user=user, password=settings.registry_password) if user else None


def _deposit_message(source: Source, place: str) -> str:
    """Return the message of the commit that deposits a package.

    Hosts act on words in a message, such as ``[skip ci]``, ``Closes #1``, ``@ada`` and trailers. In the title of the
    repository's commit, they get neither the marks nor the beginning of a line.
    """
    title = re.sub(r"[\[\]#@!*]|://|:(?=\s)", " ", printable(source.title))
    return f'{place}: {source.commit[:12]}\n\n{source.address}\n\nBuilt from "{" ".join(title.split())}"'
