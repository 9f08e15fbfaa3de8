"""Publishing: the image into a registry, the package into a git repository and beside the image."""

from __future__ import annotations

from pathlib import Path

from generator import image
from generator.errors import PublishError
from generator.imaging import Found
from generator.progress import Progress
from generator.request import BuildRequest, Settings, publish_token, registry_user
from generator.tools.deposit import deposit
from generator.tools.files import documents_below
from generator.tools.registry import Login, push, push_package


def push_image(found: Found, registry: str, settings: Settings, progress: Progress) -> Found:
    """The image under its name by digest in the registry, which no later push can change.

    Raises:
        PublishError: the registry does not take it.
    """
    target = image.pushed_reference(registry, found.reference)
    with progress.step(f"Pushing {target}"):
        digest = push(found.reference, target, login=_login(registry, settings), on_line=progress.say)
        progress.say(f"{target} is {digest}")
    by_digest = f"{target.rpartition(':')[0]}@{digest}"
    return Found(reference=by_digest, built=found.built, digest=digest)


def address(request: BuildRequest, folder: Path) -> str:
    """Where a package's folder will be read; the empty string when it is not deposited."""
    place = folder.relative_to(request.output).as_posix()
    return request.destination.address(place) if request.destination else ""


def publish_package(
    request: BuildRequest, source: image.Source, top: Path, found: Found, *, settings: Settings, progress: Progress
) -> None:
    """Deposits the package in ``top``, and pushes it beside an image that was pushed.

    Raises:
        PublishError: the destination does not take it.
    """
    if request.destination:
        place = top.relative_to(request.output).as_posix()
        with progress.step(f"Depositing the package in {request.destination.repository.address}"):
            message = f"{place}: {source.commit[:12]}\n\n{source.address}\n{source.title}"
            token = publish_token(request.destination, settings)
            files = documents_below(top)
            done = deposit(top, files, request.destination, path=place, message=message, token=token)
            how = f"commit {done.commit[:12]}" if done.changed else "it lies there already"
            progress.say(f"{request.destination.branch}:{place}: {how}")
    if request.registry and found.digest:
        _push_beside(top, found, request.registry, settings, progress)


def _push_beside(top: Path, found: Found, registry: str, settings: Settings, progress: Progress) -> None:
    """The package as an OCI artifact; a registry that takes images alone is no reason to fail."""
    with progress.step("Pushing the package beside the image"):
        try:
            progress.say(push_package(top, documents_below(top), found.reference, login=_login(registry, settings)))
        except PublishError as error:
            progress.warn(str(error))


def _login(registry: str, settings: Settings) -> Login | None:
    user = registry_user(registry, settings)
    return Login(user=user, password=settings.registry_password) if user else None
