"""Build the image of the service from a base image and packmill's own wheel."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import uv

from generator import __version__
from generator.containers import builder
from generator.containers.caches import cache_name
from generator.containers.engine import host_ca_bundle, inspect, pull
from generator.image.base import debian
from generator.image.contexts import file_time
from generator.image.names import holds_label
from generator.operation.wheel import write_wheel
from generator.progress import Progress
from generator.resources import checkout_folder, render
from generator.shared.errors import EngineMissingError

default_image = f"localhost/packmill-service:{__version__.replace('+', '-')}"
"""The name of the image; ``localhost`` is not a registry that anyone pulls from."""
data_folder = "/srv/packmill"
user = 10001
"""The user ID and group ID of the service in the image."""
port = 8080
_PUBLIC_BASE = "docker.io/library/python:3.13-slim-trixie"
_RELEASE = next(release for release in debian.releases if release.suite == "trixie")
"""Debian 13 has the engine's client without the engine, and buildx."""
_ADVICE = """base image of the service: unavailable: {reason}
  name one with Debian 13 and Python, such as: packmill service image --base registry.example.org/python:3.13-trixie
  as root on Debian, packmill builds one itself from Debian's packages"""


def build_service_image(name: str, *, base: str | None, progress: Progress, fresh: bool = False) -> str:
    """Build the image of the service and return its ID; unchanged layers are reused unless ``fresh``.

    Raises:
        EngineMissingError: the base image is missing and can be neither pulled nor built.
        ImageBuildError: the build fails.
    """
    with progress.step("Looking for a base image with Debian 13"):
        found = find_base(base, progress.say)
    with progress.step("Building the image of the service"), _context(found) as context:
        builder.build_context(context, image=name, time=file_time, on_line=progress.say, fresh=fresh)
    built = inspect(name)
    return built.id if built else ""


def find_base(named: str | None, say: Callable[[str], None]) -> str:
    """Return a base image in the engine: the one named, else the public one, else one made from Debian's packages.

    Raises:
        EngineMissingError: the image is missing and can be neither pulled nor built.
    """
    wanted = named or _PUBLIC_BASE
    if inspect(wanted) is not None:
        return wanted
    if named is None and inspect(_RELEASE.reference) is not None:
        return _RELEASE.reference
    say(f"pulling {wanted}")
    reason = pull(wanted)
    if not reason:
        return wanted
    if named or not debian.can_make():
        raise EngineMissingError(_ADVICE.format(reason=f"{wanted} cannot be pulled: {reason}"))
    say(f"cannot be pulled ({reason}); building {_RELEASE.reference} from Debian's packages")
    try:
        debian.make(_RELEASE)
    except EngineMissingError as error:
        raise EngineMissingError(_ADVICE.format(reason=error)) from None
    return _RELEASE.reference


@contextmanager
def _context(base: str) -> Iterator[Path]:
    """Write the build context to a temporary folder."""
    with TemporaryDirectory(prefix="packmill-service-") as temporary:
        folder = Path(temporary)
        wheel = write_wheel(folder)
        shutil.copyfile(checkout_folder() / "requirements.lock", folder / "requirements.lock")
        shutil.copy(uv.find_uv_bin(), folder / "uv")
        bundle = host_ca_bundle()
        if bundle:
            shutil.copyfile(bundle, folder / "ca-certificates.crt")
        (folder / "Dockerfile").write_text(service_dockerfile(base, wheel=wheel.name, certificates=bundle is not None))
        yield folder


def service_dockerfile(base: str, *, wheel: str, certificates: bool) -> str:
    """Render the Dockerfile; ``certificates`` adds those that this machine trusts."""
    return render(
        "service/Dockerfile",
        base=base,
        wheel=wheel,
        certificates=certificates,
        cache=cache_name("service", base),
        version=__version__,
        holds_label=holds_label,
        data=data_folder,
        user=user,
        port=port,
    )
