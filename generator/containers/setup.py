"""Set up a Docker engine with buildx: find it, or install and start it as root on Debian."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from generator.containers.podman import use_podman_command
from generator.shared.errors import EngineMissingError
from generator.subprocesses.commands import Finished, run
from generator.subprocesses.detached import start_detached

_START_TIMEOUT = 60.0
_ADVICE = """container engine: cannot be set up here: {reason}
  install Docker with buildx (https://docs.docker.com/engine/install/), start it, and check: docker buildx version
  on Debian and Ubuntu, packmill does that itself if it runs as root"""
_TRIXIE_SOURCE = Path("/etc/apt/sources.list.d/packmill-trixie.list")
_TRIXIE_PIN = Path("/etc/apt/preferences.d/packmill-trixie")
_log = Path("/var/log/packmill-dockerd.log")


def ensure_engine(
    *,
    docker_host: str | None,
    say: Callable[[str], None],
    confined: bool = False,
    daemon_options: Callable[[], tuple[str, ...]] = tuple,
) -> int | None:
    """Install and start what is missing of a Docker engine with buildx.

    A ``confined`` job of the service installs and starts nothing. ``daemon_options`` is asked for options of a daemon
    that is started without systemd.

    Returns:
        The process ID of the daemon that was started; None if one was running, or systemd manages it.

    Raises:
        EngineMissingError: the engine or buildx is missing and cannot be set up.
    """
    if _use_podman():
        return None
    # e.g. a CI container with access to an engine, but without the client
    if docker_host and shutil.which("docker") is None and not confined:
        _require_install_rights("the docker command is missing")
        say("installing Docker's command (docker.io)")
        _apt_install("docker.io")
    answers, has_buildx = _engine_answers(), _has_buildx()
    if answers and has_buildx:
        return None
    if docker_host and not answers:
        raise EngineMissingError(
            f"DOCKER_HOST={docker_host}: no engine answers; start it, or unset DOCKER_HOST to use a local one"
        )
    if confined:
        raise EngineMissingError(
            f"{'the buildx plugin is missing' if answers else 'no container engine answers'}, and confined jobs of "
            "'packmill serve' cannot set it up; run 'packmill setup', or restart the service, which does so"
        )
    _require_install_rights("the buildx plugin is missing" if answers else "no engine answers")
    if shutil.which("docker") is None or (not answers and shutil.which("dockerd") is None):
        say("installing Docker (docker.io, iptables)")
        _apt_install("docker.io", "iptables")
    if not _has_buildx():
        say("installing Docker's buildx plugin")
        _install_buildx()
    daemon = None
    if not _engine_answers():
        say(f"starting the Docker engine; its log: {_log}")
        daemon = _start_engine(daemon_options)
    if not _has_buildx():
        raise EngineMissingError(_ADVICE.format(reason="the buildx plugin does not answer"))
    return daemon


def _use_podman() -> bool:
    try:
        return use_podman_command()
    except EngineMissingError:
        return False


def _engine_answers() -> bool:
    return run(("docker", "version", "--format", "{{.Server.Version}}"), timeout=30).code == 0


def _has_buildx() -> bool:
    return run(("docker", "buildx", "version"), timeout=30).code == 0


def _require_install_rights(what: str) -> None:
    if os.geteuid() != 0:
        raise EngineMissingError(_ADVICE.format(reason=f"{what}, and packmill does not run as root"))
    if shutil.which("apt-get") is None:
        raise EngineMissingError(_ADVICE.format(reason=f"{what}, and apt-get is missing"))


def _apt_install(*packages: str) -> None:
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    run(("apt-get", "update", "-qq"), environment=environment, timeout=600)
    install = ("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages)
    done = run(install, environment=environment, timeout=1200)
    if done.code != 0:
        raise EngineMissingError(
            _ADVICE.format(reason=f"apt-get install {' '.join(packages)} failed: {_read_last_line(done)}")
        )


def _install_buildx() -> None:
    """Install Debian 13's package, also on Debian 12, which has none, but a libc that is new enough for it."""
    policy = run(("apt-cache", "policy", "docker-buildx"), timeout=60).stdout
    if "Candidate: " in policy and "Candidate: (none)" not in policy:
        _apt_install("docker-buildx")
        return
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    _TRIXIE_SOURCE.write_text(f"deb [signed-by={keyring}] http://deb.debian.org/debian trixie main\n")
    _TRIXIE_PIN.write_text("Package: *\nPin: release n=trixie\nPin-Priority: 50\n")
    _apt_install("docker-buildx")


def _start_engine(daemon_options: Callable[[], tuple[str, ...]]) -> int | None:
    daemon = None
    if Path("/run/systemd/system").is_dir():
        done = run(("systemctl", "start", "docker"), timeout=_START_TIMEOUT)
        if done.code != 0:
            raise EngineMissingError(_ADVICE.format(reason=f"systemctl start docker failed: {_read_last_line(done)}"))
    else:
        _remove_stale_pid_file(Path("/var/run/docker.pid"))
        if not _is_running("containerd-shim"):  # of containers that outlived their daemon
            _remove_stale_networks(Path("/var/run/docker/netns"))
        daemon = start_detached(("dockerd", *daemon_options()), log=_log)
    deadline = time.monotonic() + _START_TIMEOUT
    while not _engine_answers():
        if time.monotonic() > deadline:
            lines = _log.read_text(errors="replace").strip().splitlines()[-3:] if _log.exists() else []
            raise EngineMissingError(
                _ADVICE.format(reason="\n  ".join(["dockerd does not answer; the last lines of its log:", *lines]))
            )
        time.sleep(0.25)
    return daemon


def _remove_stale_pid_file(pid_file: Path) -> None:
    """Remove the pid file of a killed daemon: another program may have the number by now."""
    if not pid_file.exists():
        return
    try:
        name = Path("/proc", pid_file.read_text().strip(), "comm").read_text().strip()
    except OSError:
        name = ""
    if name != "dockerd":
        pid_file.unlink()


def _is_running(program: str) -> bool:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")  # empty for one that has ended
            if os.fsdecode(words[0]).rpartition("/")[2].startswith(program):
                return True
    return False


def _remove_stale_networks(folder: Path) -> None:
    """Remove the networks of containers of a killed daemon, whose addresses answer in place of new containers'.

    A daemon with another data folder does not know them.
    """
    for place in folder.glob("*"):
        if place.name != "default":
            run(("umount", str(place)), timeout=60)
            with suppress(OSError):  # still mounted
                place.unlink()


def _read_last_line(done: Finished) -> str:
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[-1] if lines else f"exit code {done.code}"
