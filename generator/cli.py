"""``packmill``: arguments become requests, results go to stdout, progress to stderr, errors to an exit code.

Every command imports what it needs when it runs, so that ``packmill inspect`` stays as quick as it is small.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from generator import __version__
from generator.errors import PackmillError

_EXIT_CODES = """\
exit codes:
  0 done   2 wrong usage   10 repository or checkout   11 process missing or of an unknown kind   12 not a notebook
  13 parameters cell   14 environment   15 image build   16 runner check in the image   17 a document is not valid
  18 publish   19 no container engine   20 run of the package failed   130 interrupted"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; its exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a repository may hold text that a terminal cannot show
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(_without_engine_options(words))
    options.engine_options = tuple(words[len(_without_engine_options(words)) + 1 :])
    try:
        code: int = options.command(options)
    except PackmillError as error:
        _report(error, as_json=getattr(options, "json", False))
        return error.exit_code
    except KeyboardInterrupt:
        print("packmill: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _terminate(_signal: int, _frame: object) -> None:
    """A CI system that cancels a job sends SIGTERM: temporary folders are removed as after Ctrl-C."""
    raise KeyboardInterrupt


def _without_engine_options(words: list[str]) -> list[str]:
    """The words before ``--``, after which ``packmill run`` hands everything to the CWL engine."""
    return words[: words.index("--")] if words[:1] == ["run"] and "--" in words else words


def _report(error: PackmillError, *, as_json: bool) -> None:
    print(f"packmill: {error}", file=sys.stderr)
    if as_json:
        import json

        print(json.dumps({"error": error.to_dict()}, indent=1, ensure_ascii=False))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="packmill",
        description="Turns a git repository with a notebook into a package: container image, CWL, descriptor JSON.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"packmill {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    _add_inspect(commands)
    _add_build(commands)
    _add_validate(commands)
    _add_run(commands)
    _add_setup(commands)
    _add_ci(commands)
    return parser


_Commands = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _command(commands: _Commands, name: str, brief: str, text: str) -> argparse.ArgumentParser:  # type: ignore[valid-type]
    return commands.add_parser(  # type: ignore[attr-defined,no-any-return]
        name, help=brief, description=text, epilog=_EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def _add_repository(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("repository", metavar="REPOSITORY", help="https, ssh or file URL, or a local path")
    parser.add_argument("--checkout", metavar="NAME", help="branch, tag or commit (default: the default branch)")


def _add_inspect(commands: _Commands) -> None:  # type: ignore[valid-type]
    text = """\
Shows the interface that the notebook's parameters cell gives: name, type, default and doc of every input and output,
and every warning. Starts no engine and runs nothing. A local folder is read as it stands, without git, unless
--checkout is given."""
    parser = _command(commands, "inspect", "show the interface of a process", text)
    _add_repository(parser)
    parser.add_argument(
        "--process", default="process.ipynb", metavar="PATH", help="notebook or shell script (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_inspect)


def _add_build(commands: _Commands) -> None:  # type: ignore[valid-type]
    text = """\
Builds the image of a repository at a commit and writes the package to DIR/<owner>/<name>/<checkout>/, with several
processes a folder each below it. The last line on stdout is its path. An image that is there already is not built
again. For a private https repository set PACKMILL_GIT_TOKEN in the environment."""
    parser = _command(commands, "build", "build the package of a repository", text)
    _add_repository(parser)
    parser.add_argument(
        "--process",
        action="append",
        default=[],
        metavar="PATH",
        help="notebook or shell script; may be given several times (default: process.ipynb)",
    )
    parser.add_argument(
        "--env", metavar="PATH|URL", help="environment instead of the repository's own: a path in it, or an https URL"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("packages"), metavar="DIR", help="where packages go (default: %(default)s)"
    )
    parser.add_argument(
        "--image", metavar="NAME", help="name of the image (default: <owner>.<name>:<checkout>-<short commit>)"
    )
    parser.add_argument("--no-image", action="store_true", help="write the documents alone, build nothing")
    parser.add_argument(
        "--network", action="store_true", help="let the process reach the network when it runs (CWL NetworkAccess)"
    )
    parser.add_argument(
        "--push",
        metavar="REGISTRY",
        help="push the image to a registry, such as registry.example.org/group; the documents then name it by digest",
    )
    parser.add_argument(
        "--output-template",
        metavar="TEMPLATE",
        help="where a run puts the executed notebook, as a template such as '{{ args.year }}/{{ args.notebook_name }}' "
        "(default: its own name)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the path")
    parser.set_defaults(command=_build)


def _add_validate(commands: _Commands) -> None:  # type: ignore[valid-type]
    text = """\
Runs every oracle over a package, one line each: cwltool --validate --strict on the CWL, JSON Schema on the
descriptor."""
    parser = _command(commands, "validate", "check a package", text)
    parser.add_argument("package", type=Path, metavar="PACKAGE", help="folder of a package")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_validate)


def _add_run(commands: _Commands) -> None:  # type: ignore[valid-type]
    text = """\
Runs a package by a CWL engine. Values come from the job file (default: the package's inputs.yml), and -p changes one.
All are checked against the interface first. Progress goes to stderr, CWL's output object to stdout.
What follows a -- goes to the engine: packmill run PACKAGE -- --debug"""
    parser = _command(commands, "run", "run a package", text)
    parser.add_argument("package", type=Path, metavar="PACKAGE", help="folder of a package, or its process.cwl")
    parser.add_argument(
        "job", type=Path, nargs="?", metavar="JOB.yml", help="job file (default: the package's inputs.yml)"
    )
    parser.add_argument(
        "-p",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="values",
        help="one value; may be given several times",
    )
    parser.add_argument("--outdir", type=Path, default=Path(), metavar="DIR", help="where outputs go (default: here)")
    parser.add_argument(
        "--engine", choices=("cwltool", "toil"), default="cwltool", help="CWL engine (default: %(default)s)"
    )
    parser.set_defaults(command=_run)


def _add_setup(commands: _Commands) -> None:  # type: ignore[valid-type]
    text = """\
Makes sure that images can be built here: looks for a container engine with buildx and for a base image. On Debian and
as root it installs and starts what is missing; elsewhere it says what to install."""
    parser = _command(commands, "setup", "make sure that images can be built here", text)
    parser.set_defaults(command=_setup)


def _add_ci(commands: _Commands) -> None:  # type: ignore[valid-type]
    from generator.request import variables

    listed = "\n".join(f"  {name:<22}{what}" for name, what in variables.items())
    text = f"""\
What build.sh runs: sets the machine up, reads the variables below from the environment, and builds. Without
'repository' it builds the bundled example and runs its package.

variables:
{listed}"""
    parser = _command(commands, "ci", "build what the CI variables ask for", text)
    parser.set_defaults(command=_ci)


def _inspect(options: argparse.Namespace) -> int:
    from generator.inspection import inspect, table
    from generator.request import build_request, read_settings

    request = build_request(options.repository, checkout=options.checkout, processes=(options.process,))
    described = inspect(request, read_settings(os.environ))
    if options.json:
        import json

        print(json.dumps(described, indent=1, ensure_ascii=False))
    else:
        print(table(described))
    return 0


def _build(options: argparse.Namespace) -> int:
    from generator.pipeline import build
    from generator.progress import Progress
    from generator.request import build_request, read_settings

    settings = read_settings(os.environ)
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
    )
    built = build(request, settings, Progress(sections=settings.gitlab_job))
    if options.json:
        import json

        print(
            json.dumps(
                {
                    "package": str(built.folder),
                    "image": built.image,
                    "image_built": built.image_built,
                    "changed": built.changed,
                }
            )
        )
    else:
        print(built.folder)
    return 0


def _validate(options: argparse.Namespace) -> int:
    from generator.validation import report, validate

    return report(validate(options.package), as_json=options.json)


def _run(options: argparse.Namespace) -> int:
    import json

    from generator.run import run_package

    outputs = run_package(
        options.package,
        job=options.job,
        values=options.values,
        outdir=options.outdir,
        engine=options.engine,
        options=options.engine_options,
    )
    print(json.dumps(outputs, indent=2, ensure_ascii=False))
    return 0


def _setup(_: argparse.Namespace) -> int:
    from generator.ci import set_up
    from generator.progress import Progress
    from generator.request import read_settings

    settings = read_settings(os.environ)
    set_up(settings, Progress(sections=settings.gitlab_job))
    return 0


def _ci(_: argparse.Namespace) -> int:
    from generator.ci import main as ci

    ci(os.environ)
    return 0
