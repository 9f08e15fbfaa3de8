"""The base image of environments without a Dockerfile: named, pulled, or made from Debian's packages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from generator.errors import EngineMissingError
from generator.image import bootstrapped_base_image, default_base_image
from generator.tools.engine import host_ca_bundle, inspect, pull
from generator.tools.process import run

_PACKAGES = ("ca-certificates", "python3", "python3-dev", "gcc", "libc6-dev", "git", "curl")
_CA_IN_IMAGE = "/etc/ssl/certs/ca-certificates.crt"
_ADVICE = """no base image: {reason}
  name one that this machine can pull, or that is here already: PACKMILL_BASE_IMAGE=registry.example.org/python:3
  as root on Debian packmill makes one itself, from the packages of Debian's archive"""


def ensure_base_image(named: str | None, *, say: Callable[[str], None]) -> str:
    """The base image to use, present in the engine's store.

    A named one is taken as it is. Otherwise the one made earlier on this machine, then the default, pulled; and where
    nothing can be pulled, one made of Debian's packages with the host's CA bundle, so that a network with a
    certificate authority of its own is trusted inside as it is outside.

    Raises:
        EngineMissingError: there is none, and none can be made here.
    """
    if named:
        if inspect(named) is None:
            say(f"pulling {named}")
            reason = pull(named)
            if reason:
                raise EngineMissingError(
                    _ADVICE.format(reason=f"PACKMILL_BASE_IMAGE={named} is not here and cannot be pulled: {reason}")
                )
        return named
    for candidate in (default_base_image, bootstrapped_base_image):
        if inspect(candidate) is not None:
            return candidate
    say(f"pulling {default_base_image}")
    reason = pull(default_base_image)
    if not reason:
        return default_base_image
    say(f"cannot be pulled ({reason}); making {bootstrapped_base_image} from Debian's packages")
    _bootstrap(reason)
    return bootstrapped_base_image


def _bootstrap(reason: str) -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise EngineMissingError(_ADVICE.format(reason=f"{default_base_image} cannot be pulled: {reason}"))
    if shutil.which("mmdebstrap") is None:
        done = run(
            ("apt-get", "install", "-y", "-qq", "--no-install-recommends", "mmdebstrap"),
            environment={"DEBIAN_FRONTEND": "noninteractive"},
            timeout=600,
        )
        if done.code != 0:
            raise EngineMissingError(
                _ADVICE.format(reason=f"mmdebstrap cannot be installed: {done.stderr.strip()[-300:]}")
            )
    with TemporaryDirectory(prefix="packmill-base-") as temporary:
        # The tree is unpacked by mmdebstrap's child under another user, which must get to it.
        Path(temporary).chmod(0o755)
        tar = Path(temporary, "base.tar")
        bundle = host_ca_bundle()
        hooks: tuple[str, ...] = ()
        if bundle:
            hooks = (f"--customize-hook=upload {bundle} {_CA_IN_IMAGE}",)
        command = ("mmdebstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", *hooks, "bookworm", str(tar))
        done = run(command, timeout=1800)
        if done.code != 0:
            raise EngineMissingError(_ADVICE.format(reason=f"mmdebstrap failed: {done.stderr.strip()[-300:]}"))
        trust = tuple(f"{name}={_CA_IN_IMAGE}" for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"))
        variables = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", *trust)
        changes = tuple(word for variable in variables for word in ("--change", f"ENV {variable}"))
        done = run(("docker", "import", *changes, str(tar), bootstrapped_base_image), timeout=600)
        if done.code != 0:
            raise EngineMissingError(_ADVICE.format(reason=f"docker import failed: {done.stderr.strip()[-300:]}"))
