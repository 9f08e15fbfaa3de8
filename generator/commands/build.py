"""``packmill build``: the package of a repository."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from generator.commands.parser import (
    Commands,
    add_kernel,
    add_parameters_cell,
    add_repository,
    add_resources,
    command,
    requested_resources,
)

if TYPE_CHECKING:
    from generator.build.pipeline import Built
    from generator.platforms.platform import Platform
    from generator.repository.destination import Destination
    from generator.request.settings import Settings
    from generator.signing.keys import SigningKey


def add(commands: Commands) -> None:
    """Add the command."""
    text = """\
Builds the image of a repository at a commit and writes the package to DIR/<owner>/<name>/<checkout>/. A process other
than process.ipynb has a folder of its own below it: that of a/b.ipynb is a-b. The last line on stdout is the package's
path; with several processes, that of the folder of the checkout. Progress, and then the commands that run and validate
the package, go to stderr. Images and environments whose files have not changed are reused, from the engine or from the
registry. For a private https repository set PACKMILL_GIT_TOKEN in the environment."""
    parser = command(commands, "build", "build the package of a repository", text)
    add_repository(parser)
    parser.add_argument(
        "--process",
        action="append",
        default=[],
        metavar="PATH",
        help="notebook or shell script; may be given several times (default: process.ipynb)",
    )
    add_parameters_cell(parser)
    add_kernel(parser)
    parser.add_argument(
        "--env", metavar="PATH|URL", help="environment instead of the repository's own: a path in it, or an https URL"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("packages"),
        metavar="DIR",
        help="folder for packages (default: %(default)s)",
    )
    parser.add_argument(
        "--image", metavar="NAME", help="name of the image (default: <owner>.<name>:<checkout>-<commit>-<digest>)"
    )
    parser.add_argument(
        "--standard-buildpacks",
        action="store_true",
        help="build every environment with repo2docker's own build packs (conda), also plain Python ones",
    )
    parser.add_argument(
        "--kernel-gateway",
        action="store_true",
        help="add the Jupyter Kernel Gateway to the image, for 'packmill-runner gateway --api jupyter-websocket'",
    )
    parser.add_argument("--no-cache", action="store_true", help="ignore cached images and layers; rebuild from scratch")
    parser.add_argument(
        "--cache-registry",
        metavar="REGISTRY",
        help="registry that caches environments and runners: pulled before a build, pushed after it",
    )
    parser.add_argument("--no-image", action="store_true", help="write the documents only; build no image")
    parser.add_argument(
        "--network", action="store_true", help="let the process reach the network when it runs (CWL NetworkAccess)"
    )
    parser.add_argument(
        "--push",
        metavar="REGISTRY",
        help="push the image to a registry, such as registry.example.org/group; the documents then name it by digest",
    )
    parser.add_argument(
        "--sign",
        metavar="KEY",
        help="sign the pushed images, and attest how they were built, with a private key in PEM or of cosign: ECDSA "
        "P-256 or Ed25519; its password is in PACKMILL_SIGN_PASSWORD",
    )
    parser.add_argument(
        "--publish",
        metavar="GIT-URL",
        help="deposit the package in a git repository at its path below --output; descriptors then name its address",
    )
    parser.add_argument("--publish-branch", metavar="NAME", help="branch of that repository (default: main)")
    parser.add_argument(
        "--publish-address",
        metavar="TEMPLATE",
        help="address of deposited files, such as https://example.org/{branch}/{path} (default: the host's usual one)",
    )
    parser.add_argument(
        "--deploy",
        metavar="URL",
        help="deploy the package to a platform with OGC API - Processes, Part 2, such as "
        "https://platform.example.org/ogc-api; needs --push; the token is in PACKMILL_DEPLOY_TOKEN",
    )
    parser.add_argument(
        "--output-template",
        metavar="TEMPLATE",
        help="path of the executed notebook, as a template such as "
        "'{{ args.year }}/{{ args.notebook_name }}' (default: its own name)",
    )
    parser.add_argument(
        "--emit",
        action="append",
        default=[],
        metavar="NAME",
        help="also write documents of this kind; may be given several times: airflow (DAGs that run the image with "
        "Docker, and a notebook in place with papermill), maap (files that register the process with MAAP or HySDS), "
        "ro-crate (metadata that make the package a Workflow RO-Crate)",
    )
    parser.add_argument(
        "--scatter",
        action="append",
        default=[],
        metavar="NAME",
        help="an input that scatter.cwl takes as a list, to run the process once for each item; may be given several "
        "times (default: the staged input, if there is exactly one)",
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help="replace a package or an image of another repository or process at the same place",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the path")
    add_resources(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    built, settings = execute(options)
    if options.json:
        import json

        print(json.dumps(built.to_dict()))
    else:
        print(built.folder, flush=True)
        if not settings.gitlab_job:
            from generator.build.next_steps import next_steps

            print(next_steps(built, has_image=not options.no_image), file=sys.stderr)
    return 0


def execute(options: argparse.Namespace) -> tuple[Built, Settings]:
    """Build what the options request; return the packages and the settings."""
    from generator.build.pipeline import build
    from generator.progress import Progress
    from generator.request.build import build_request
    from generator.request.checks import check_registry
    from generator.request.settings import read_settings

    settings = read_settings(os.environ)
    if options.cache_registry:
        settings = replace(settings, cache_registry=check_registry(options.cache_registry))
    if options.sign:
        settings = replace(settings, sign_key=_signing_key(options))
    request = build_request(
        options.repository,
        checkout=options.checkout,
        processes=tuple(options.process),
        environment=options.env,
        output=options.output,
        image=options.image,
        build_image=not options.no_image,
        network=options.network,
        output_template=options.output_template,
        registry=options.push,
        destination=_destination(options),
        platform=_platform(options),
        fresh=options.no_cache,
        standard=options.standard_buildpacks,
        kernel_gateway=options.kernel_gateway,
        submodules=not options.no_submodules,
        replace=options.replace,
        emits=tuple(options.emit),
        scatter=tuple(options.scatter),
        resources=requested_resources(options),
        parameters_cell=options.parameters_cell,
        kernel=options.kernel,
        language=options.language,
    )
    return build(request, settings, Progress(sections=settings.gitlab_job)), settings


def _signing_key(options: argparse.Namespace) -> SigningKey:
    from generator.request.settings import read_signing_key
    from generator.shared.errors import UsageError

    if not options.push:
        raise UsageError("--sign needs --push: signatures are in the registry of the image; add --push")
    return read_signing_key(options.sign, os.environ, where="--sign")


def _platform(options: argparse.Namespace) -> Platform | None:
    from generator.platforms.platform import parse_platform

    return parse_platform(options.deploy) if options.deploy else None


def _destination(options: argparse.Namespace) -> Destination | None:
    from generator.repository.destination import parse_destination
    from generator.shared.errors import UsageError

    if options.publish:
        return parse_destination(
            options.publish, branch=options.publish_branch, template=options.publish_address, trusted=True
        )
    if options.publish_branch or options.publish_address:
        raise UsageError("--publish-branch and --publish-address need --publish; add it")
    return None
