"""``packmill service``: install the CI service as a container, or with systemd."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path

from generator.commands.parser import Commands, command


def add(commands: Commands) -> None:
    """Add the command."""
    text = """\
Installs 'packmill serve' for operation:
  image    builds its container image from this packmill, and prints the image's name
  compose  writes a compose file for that image, with new tokens, to a folder: docker compose up --detach
  unit     prints a systemd unit that starts this packmill
The image runs as user 10001 and uses the engine by its socket or at an address. docs/operation.md has the steps."""
    parser = command(commands, "service", "install the CI service: image, compose file, systemd unit", text)
    parser.add_argument("action", choices=("image", "compose", "unit"))
    parser.add_argument(
        "--image", metavar="NAME", help="name of the image (default: localhost/packmill-service:VERSION)"
    )
    parser.add_argument(
        "--base",
        metavar="IMAGE",
        help="image: base image with Debian 13 and Python "
        "(default: python:3.13-slim-trixie, or one made from Debian's packages)",
    )
    parser.add_argument("--no-cache", action="store_true", help="image: rebuild from scratch, with the latest packages")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("packmill-service"),
        metavar="DIR",
        help="compose: folder for the compose file and the tokens (default: %(default)s)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="compose, unit: data folder on the engine's machine (default: /srv/packmill, /var/lib/packmill)",
    )
    parser.add_argument(
        "--port", type=int, default=8080, metavar="N", help="compose, unit: port on 127.0.0.1 (default: %(default)s)"
    )
    parser.add_argument(
        "--engine",
        default="",
        metavar="ADDRESS",
        help="compose: address of the engine (default: this machine's socket)",
    )
    parser.add_argument("--user", default="packmill", metavar="NAME", help="unit: account (default: %(default)s)")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    from generator.shared.errors import UsageError

    if not 0 < options.port < 65536:
        raise UsageError(f"--port {options.port}: give a number from 1 to 65535")
    return {"image": _image, "compose": _compose, "unit": _unit}[options.action](options)


def _image(options: argparse.Namespace) -> int:
    from generator.ci.stages import set_up
    from generator.operation.image import build_service_image, default_image
    from generator.progress import Progress
    from generator.request.settings import read_settings

    settings = read_settings(os.environ)
    progress = Progress(sections=settings.gitlab_job)
    set_up(settings, progress)  # the service cannot build a base image of environments itself, as it is not root
    name = options.image or default_image
    build_service_image(name, base=options.base, progress=progress, fresh=options.no_cache)
    print(name)
    return 0


def _compose(options: argparse.Namespace) -> int:
    import sys

    from generator.operation.compose import compose_file, write_compose
    from generator.operation.image import data_folder, default_image

    data = options.data or Path(data_folder)
    image = options.image or default_image
    written = write_compose(
        options.output, compose_file(image=image, data=data, port=options.port, engine=options.engine)
    )
    for file in written:
        print(file)
    print(
        f"start: docker compose --project-directory {shlex.quote(str(options.output))} up --detach\n"
        f"then:  http://127.0.0.1:{options.port}, signed in with the token in {options.output}/secrets/access_token",
        file=sys.stderr,
    )
    return 0


def _unit(options: argparse.Namespace) -> int:
    import sys

    from generator.operation.unit import needs_home, unit_file

    print(unit_file(data=options.data or Path("/var/lib/packmill"), port=options.port, user=options.user), end="")
    if needs_home():
        print(
            f"warning: {sys.prefix} is in a home folder, which {options.user} may not be able to enter; install "
            "packmill for all users, such as: UV_TOOL_DIR=/opt/uv-tools UV_TOOL_BIN_DIR=/usr/local/bin uv tool install "
            "--python /usr/bin/python3 git+ADDRESS",
            file=sys.stderr,
        )
    return 0
