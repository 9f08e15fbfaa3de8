"""``packmill rebuild``: build a package again, from its own provenance."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from generator.commands.parser import Commands, command


def add(commands: Commands) -> None:
    """Add the command."""
    text = """\
Builds the image and the documents of a package again, from its package.json and its lock file: the same commit,
base image and versions. Reports which layers are identical. The last line on stdout is the new package's path.

Packages are not trusted with credentials: PACKMILL_GIT_TOKEN is used only for the host in PACKMILL_GIT_HOST. Nor are
they with what is private: a repository that is a folder of this machine, needs your git login, or is in a private
network, needs --trust or, for a host, PACKMILL_REPOSITORIES. Code of the package's choice runs in the build."""
    parser = command(commands, "rebuild", "build a package again, from its own provenance", text)
    parser.add_argument("package", type=Path, metavar="PACKAGE", help="folder of a package")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("rebuilt"),
        metavar="DIR",
        help="folder for the new package (default: %(default)s)",
    )
    parser.add_argument(
        "--image", metavar="NAME", help="name of the image (default: packmill's own name, not the package's)"
    )
    parser.add_argument("--no-cache", action="store_true", help="ignore cached images and layers; rebuild from scratch")
    parser.add_argument(
        "--replace", action="store_true", help="replace a package of another repository or process at the same place"
    )
    parser.add_argument(
        "--trust",
        action="store_true",
        help="fetch the package's repository as your own, also from a folder of this machine or with your git login",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the path")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    from generator.build.rebuild import rebuild
    from generator.progress import Progress
    from generator.request.settings import read_settings

    settings = read_settings(os.environ)
    progress = Progress(sections=settings.gitlab_job)
    rebuilt = rebuild(
        options.package,
        settings,
        progress,
        output=options.output,
        fresh=options.no_cache,
        image=options.image,
        replacing=options.replace,
        trusted=options.trust,
    )
    if options.json:
        import json

        built = rebuilt.built
        same = {"same_layers": rebuilt.same.count(True), "layers": len(rebuilt.same)}
        print(
            json.dumps({"package": str(built.folder), "image": built.image, "image_built": built.image_built, **same})
        )
    else:
        print(rebuilt.built.folder)
    return 0
