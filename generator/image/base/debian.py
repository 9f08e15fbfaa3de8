"""Base images built from Debian's packages, for machines that cannot pull one."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from generator.containers.engine import host_ca_bundle
from generator.shared.errors import EngineMissingError
from generator.shared.file_digest import file_sha256
from generator.subprocesses.commands import run

recipe_label = "org.packmill.base"
_CA_IN_IMAGE = "/etc/ssl/certs/ca-certificates.crt"
# Without a compiler: packages are compiled in a stage of the environment's build that the image does not keep.
_PACKAGES = ("ca-certificates", "python3")
_EXCLUDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")
# Images keep these options for packages that are installed later. Debian's own images do not flush each file to the
# disk either, and load no translations: a build that is interrupted leaves no layer.
_DPKG_OPTIONS = (
    "force-unsafe-io",
    *(f"path-exclude={pattern}" for pattern in _EXCLUDED),
    "path-include=/usr/share/doc/*/copyright",
)
_APT_OPTION = 'Acquire::Languages "none"'
_TIME = 315532800  # 1980-01-01: later file times are set to it, so that the same packages give the same layer
_CAP_SYS_CHROOT, _CAP_SYS_ADMIN = 18, 21
_MERGED = Path("/usr/share/mmdebstrap/hooks/merged-usr")


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """A release of Debian, and the Python that it packages."""

    suite: str
    python: str

    @property
    def reference(self) -> str:
        """The name of its base image; ``localhost`` is not a registry that anyone pulls from."""
        return f"localhost/packmill/base:{self.suite}"


releases = (Release(suite="bookworm", python="3.11"), Release(suite="trixie", python="3.13"))


def recipe(release: Release) -> str:
    """Return the digest of what the image is built from, which differs for other packages or other certificates."""
    bundle = host_ca_bundle()
    authorities = hashlib.sha256(bundle.read_bytes()).hexdigest() if bundle else ""
    parts = (release.suite, _PACKAGES, _DPKG_OPTIONS, _APT_OPTION, _TIME, _image_variables(), authorities)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def can_make() -> bool:
    """Check whether base images can be built here: as root, on Debian, and not in a confined job."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None and _has_capability(_CAP_SYS_CHROOT)


def _has_capability(number: int) -> bool:
    status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
    return bool(int(status.partition("CapEff:")[2].split()[0], 16) >> number & 1)


def make(release: Release, reference: str | None = None) -> None:
    """Build the image, under its own name or ``reference``; the same packages give a byte-identical image.

    It contains the host's CA bundle, so that containers trust a network's own certificate authority as the host does.

    Raises:
        EngineMissingError: mmdebstrap cannot be installed or fails, or the engine rejects the image.
    """
    if shutil.which("mmdebstrap") is None:
        _run_or_raise(
            ("apt-get", "install", "-y", "-qq", "--no-install-recommends", "mmdebstrap"),
            "mmdebstrap cannot be installed",
        )
    with TemporaryDirectory(prefix="packmill-base-") as temporary:
        # mmdebstrap unpacks the tree in a child process of another user, which needs access.
        Path(temporary).chmod(0o755)
        layer, archive = Path(temporary, "layer.tar"), Path(temporary, "image.tar")
        _run_or_raise(_mmdebstrap_command(release, layer), "mmdebstrap failed", TMPDIR=temporary)
        _write_image(archive, layer, reference or release.reference, recipe(release))
        _run_or_raise(("docker", "load", "--quiet", "--input", str(archive)), "the engine rejects the image")


def _mmdebstrap_command(release: Release, layer: Path) -> tuple[str, ...]:
    packages, options = list(_PACKAGES), []
    if release.suite == "bookworm" and _MERGED.is_dir():
        # Otherwise Debian 12 merges /usr with a Perl program, which makes up half of the image.
        packages.append("usr-is-merged")
        options.append(f"--hook-dir={_MERGED}")
    options += [f"--aptopt={_APT_OPTION}", *(f"--dpkgopt={option}" for option in _DPKG_OPTIONS)]
    bundle = host_ca_bundle()
    if bundle:
        options.append(f"--customize-hook=upload {bundle} {_CA_IN_IMAGE}")
    included = f"--include={','.join(packages)}"
    # What mmdebstrap mounts disappears with it, also when it is killed.
    own_mounts = ("unshare", "--mount") if _has_capability(_CAP_SYS_ADMIN) else ()
    return (*own_mounts, "mmdebstrap", "--quiet", "--variant=minbase", included, *options, release.suite, str(layer))


def _run_or_raise(command: tuple[str, ...], failure: str, **variables: str) -> None:
    environment = {"DEBIAN_FRONTEND": "noninteractive", "SOURCE_DATE_EPOCH": str(_TIME), **variables}
    done = run(command, environment=environment, timeout=1800)
    if done.code != 0:
        raise EngineMissingError(f"{failure}: {done.stderr.strip()[-300:]}")


def _write_image(archive: Path, layer: Path, reference: str, recipe_digest: str) -> None:
    """Write an image in the format of ``docker save``: unlike an imported one, its creation time is fixed."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    config = {
        "architecture": machine,
        "os": "linux",
        "created": "1980-01-01T00:00:00Z",
        "config": {"Env": _image_variables(), "Cmd": ["/bin/bash"], "Labels": {recipe_label: recipe_digest}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{file_sha256(layer)}"]},
        "history": [{"created": "1980-01-01T00:00:00Z", "created_by": "mmdebstrap"}],
    }
    text = json.dumps(config, sort_keys=True).encode()
    name = f"{hashlib.sha256(text).hexdigest()}.json"
    manifest = json.dumps([{"Config": name, "RepoTags": [reference], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(archive, "w") as tar:
        for member, data in ((name, text), ("manifest.json", manifest)):
            entry = tarfile.TarInfo(member)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
        tar.add(layer, "layer.tar")


def _image_variables() -> list[str]:
    trust = [f"{name}={_CA_IN_IMAGE}" for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")]
    return ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", *trust]
