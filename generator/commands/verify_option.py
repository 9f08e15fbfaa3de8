"""``--verify`` of the commands that run packages: the check that their images are signed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from generator.package.image_signatures import Verification
    from generator.request.settings import Settings


def add_verify_option(parser: argparse.ArgumentParser) -> None:
    """Add the option to a command."""
    parser.add_argument(
        "--verify",
        type=Path,
        metavar="KEY",
        help="run only if every image has a signature of this public key in PEM, as packmill build --sign and cosign "
        "write them; an image without one is refused with exit code 22",
    )


def verification(key: Path | None, settings: Settings) -> Verification | None:
    """Return the check of signatures with a public key, and the settings' logins; None without a key."""
    if key is None:
        return None
    from generator.containers.registry_session import Login
    from generator.package.image_signatures import Verification
    from generator.request.credentials import registry_user
    from generator.request.settings import read_verifying_key

    def login_for(image: str) -> Login | None:
        # the package chooses the host, so a login that is for any requested registry is not for it
        user = registry_user(image, settings) if settings.registry_host else ""
        return Login(user=user, password=settings.registry_password) if user else None

    return Verification(key=read_verifying_key(key), login_for=login_for)
