"""``packmill rebuild``: a package once more, from its own provenance."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from generator.commands.parser import Commands, command


def add(commands: Commands) -> None:
    """Adds the command."""
    text = """\
Builds the image and the documents of a package once more, from what its package.json and its lock file say: the
repository at that commit, that base image, those versions. Says which layers came out the same, bit for bit. The last
line on stdout is the new package's path.

A package may be anybody's: PACKMILL_GIT_TOKEN is used only where PACKMILL_GIT_HOST says which host it is for."""
    parser = command(commands, "rebuild", "build a package once more, from its own provenance", text)
    parser.add_argument("package", type=Path, metavar="PACKAGE", help="folder of a package")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("rebuilt"),
        metavar="DIR",
        help="where the new package goes (default: %(default)s)",
    )
    parser.add_argument(
        "--image", metavar="NAME", help="name of the image (default: packmill's own, whatever the package called it)"
    )
    parser.add_argument("--no-cache", action="store_true", help="build the image anew, whatever is there of it")
    parser.add_argument(
        "--replace", action="store_true", help="replace a package of another repository at the same place"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the path")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Carries it out; the exit code."""
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
