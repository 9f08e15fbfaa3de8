"""The runner's command line: the contract with the generated CWL, and papermill's options."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from textwrap import fill

from generator.runner.options import add_process, add_run, take_pairs
from generator.runner.run_command import packaged_run, run_packaged, run_standalone, say
from generator.shared import contract
from generator.shared.failures import BadInputsError, DiskFullError, RunFailedError, exit_codes
from generator.shared.passing_errors import is_full_disk
from generator.staging.options import add_stage_in, add_stage_out

_exit_codes = "exit codes: " + ", ".join(f"{code} {words}" for code, words in exit_codes.items())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command of the runner and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    folder = ""
    if words[:1] == ["-C"] and len(words) > 1:  # from packmill-launch
        folder, words = words[1], words[2:]
    parser = _parser(words if words[:1] in (["serve"], ["token"], ["gateway"], ["hub"]) else ())
    if folder:
        try:
            os.chdir(folder)
        except OSError as error:
            parser.error(f"-C {folder}: {error.strerror}")
    try:
        options = _parse(parser, words)
        staging = words[:1] in (["stage-in"], ["stage-out"])
        code: int = options.command(options, say) if staging else options.command(options)
    except RunFailedError as error:
        say(f"packmill-runner: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        say("packmill-runner: interrupted")
        return 130
    except OSError as error:
        if error.errno is None:
            raise
        where = f"{error.filename}: " if error.filename else ""
        say(f"packmill-runner: {where}{error.strerror}")
        return (DiskFullError if is_full_disk(error) else BadInputsError).exit_code
    return code


def _parse(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    """Parse a command line with the parts that argparse cannot."""
    pairs: dict[str, list[tuple[str, str]]] = {}
    try:
        if words[:1] in (["run"], ["rows"]):
            words, pairs = take_pairs(words)
        elif words[:1] == ["gateway"]:
            words = _translate(words)
    except (ValueError, BadInputsError) as error:
        parser.error(str(error))
    options = parser.parse_args(words)
    for name, values in pairs.items():
        setattr(options, name, values)
    return options


def _parser(serves: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Return the parser; the server's commands have their options only if it is imported for their words ``serves``."""
    parser = argparse.ArgumentParser(
        prog="packmill-runner",
        description="Runs notebooks, and the notebooks and shell scripts of an image that packmill built.",
        epilog=_exit_codes,
    )
    parser.add_argument("--version", action="store_true", help="show the versions of packmill and papermill")
    parser.set_defaults(command=_version)
    commands = parser.add_subparsers(metavar="COMMAND")
    run = commands.add_parser("run", help="run a notebook or a process of the image", epilog=fill(_exit_codes, 100))
    add_run(run)
    run.add_argument("--version", action="store_true", help=argparse.SUPPRESS)
    run.set_defaults(command=_run)
    check = commands.add_parser(
        "check",
        help="prove that a process can run here",
        description="Finds the process, its kernel and a way to inject parameters, and starts the kernel once. "
        "Prints a JSON object.",
    )
    add_process(check, required=False)
    check.add_argument("--contents", action="store_true", help="print the image's packages and lock files instead")
    # prints the words that follow and exits with 42, to test the image's start script
    check.add_argument("--launch", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    check.add_argument(contract.kernel_option, metavar="NAME", help="kernel to use (default: the notebook's)")
    check.add_argument(contract.exact_kernel_option, action="store_true", help="accept no other kernel in its place")
    check.add_argument(
        contract.language_option, metavar="NAME", help="language of the notebook's code (default: the notebook's)"
    )
    check.add_argument(
        contract.import_option,
        action="store_true",
        dest="execute_imports",
        help="import the notebook's modules, which runs their code",
    )
    check.add_argument(
        contract.declared_in_option,
        default="",
        metavar="FILE",
        help="the file that declares the environment's packages, for advice on missing modules",
    )
    check.set_defaults(command=_check)
    serve = commands.add_parser("serve", help="serve notebooks over HTTP")
    token = commands.add_parser("token", help="manage the tokens of serve")
    rows = commands.add_parser(
        "rows",
        help="run a process of the image for many rows of values, for packmill map",
        description="Reads a JSON object a line, runs the process for it in a fresh kernel, and answers with a line.",
    )
    add_run(rows)
    rows.usage = "packmill-runner rows --process PATH --output DIRECTORY [--way WAY] [OPTION]..."
    rows.add_argument("--way", choices=("auto", "direct", "kernel", "cold"), default="auto", help=argparse.SUPPRESS)
    rows.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    rows.set_defaults(command=_rows)
    gateway = commands.add_parser("gateway", help="serve annotated cells, as the Jupyter Kernel Gateway does")
    hub = commands.add_parser("hub", help="serve the homes of JupyterHub's users, as a service of the hub")
    if serves[:1] == ["gateway"]:
        _add_gateway(gateway, serves[1:])
    elif serves[:1] == ["hub"]:
        _add_hub(hub)
    elif serves:
        _add_server_commands(serve, token)
    add_stage_in(commands.add_parser("stage-in", help="fetch files from anywhere"))
    add_stage_out(commands.add_parser("stage-out", help="upload results to their destination"))
    _add_template(commands.add_parser("template", help="manage output templates by name"))
    return parser


def _add_server_commands(serve: argparse.ArgumentParser, token: argparse.ArgumentParser) -> None:
    """Add the options of the server, which is a layer of its own in images."""
    serve.set_defaults(command=_serve)
    token.set_defaults(command=_token)
    try:
        from generator.runner.server.container import container_defaults, is_container
        from generator.runner.server.options import add_serve
        from generator.runner.server.tokens.command import add_token
    except ModuleNotFoundError:
        serve.error("this image has no server; use the image of a package, not the staging image")
    add_serve(serve)
    add_token(token)
    if is_container():
        defaults = container_defaults(os.environ)
        serve.set_defaults(**defaults)
        token.set_defaults(data=defaults["data"])


def _add_gateway(gateway: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """Add the options of the gateway, which is in the server's layer."""
    gateway.set_defaults(command=_gateway)
    try:
        from generator.runner.server.container import gateway_defaults, is_container
        from generator.runner.server.gateway.options import add_gateway
    except ModuleNotFoundError:
        gateway.error("this image has no server; use the image of a package, not the staging image")
    try:
        add_gateway(gateway, words)
    except BadInputsError as error:
        gateway.error(str(error))
    if is_container():
        gateway.set_defaults(**gateway_defaults(os.environ))


def _add_hub(hub: argparse.ArgumentParser) -> None:
    """Add the options of the service of JupyterHub, which is in the server's layer."""
    hub.set_defaults(command=_hub)
    try:
        from generator.runner.server.hub.options import add_hub
    except ModuleNotFoundError:
        hub.error("this image has no server; use the image of a package, not the staging image")
    add_hub(hub)


def _translate(words: list[str]) -> list[str]:
    """Replace the Kernel Gateway's spelling of options."""
    try:
        from generator.runner.server.gateway.options import translate_words
    except ModuleNotFoundError:
        return words
    return translate_words(words)


def _add_template(parser: argparse.ArgumentParser) -> None:
    parser.description = "Lists, writes and removes the stored templates of executed notebooks' paths."
    parser.add_argument("action", choices=("list", "show", "set", "delete"))
    parser.add_argument("name", nargs="?", help="the template's name")
    parser.add_argument("content", nargs="?", help="its text, for set")
    parser.add_argument("--default", action="store_true", help="use it in runs that name no template")
    parser.add_argument(
        "--templates", metavar="FILE", help="the file of stored templates (default: $PACKMILL_TEMPLATES)"
    )
    parser.set_defaults(command=_template)


def _version(options: argparse.Namespace) -> int:
    if not options.version:
        _parser().error(
            "COMMAND is missing; choose run, rows, serve, gateway, hub, token, check, stage-in, stage-out or template"
        )
    from importlib.metadata import PackageNotFoundError, version

    from generator import __version__

    try:
        papermill = version("papermill")
    except PackageNotFoundError:
        papermill = "none"
    print(f"packmill-runner {__version__}, papermill {papermill}, Python {sys.version.split()[0]}")
    return 0


def _run(options: argparse.Namespace) -> int:
    if options.version:
        return _version(options)
    return (run_packaged if options.process is not None else run_standalone)(options)


def _rows(options: argparse.Namespace) -> int:
    if options.process is None:
        raise BadInputsError("rows: --process PATH is missing")
    try:
        from generator.runner.server.rows.program import run_rows
    except ModuleNotFoundError:
        raise BadInputsError(
            "this image cannot run rows; build the package again, or use packmill map --engine cwltool"
        ) from None
    return run_rows(packaged_run(options), options.way, one=options.one)


def _check(options: argparse.Namespace) -> int:
    from generator.runner.check.check import Check, check, describe_image

    if options.contents:
        print(json.dumps(describe_image()))
        return 0
    if options.launch is not None:
        print(json.dumps({"launch": options.launch}))
        return 42
    if not options.process:
        raise BadInputsError("check: --process PATH or --contents is missing")
    request = Check(
        process=options.process,
        kernel=options.kernel,
        exact_kernel=options.exact_kernel,
        language=(options.language or "").lower(),
        repository=options.repository,
        execute_imports=options.execute_imports,
        declared_in=options.declared_in,
    )
    print(json.dumps(check(request)))
    return 0


def _serve(options: argparse.Namespace) -> int:
    from generator.runner.server.start import start

    return start(options, say)


def _gateway(options: argparse.Namespace) -> int:
    from generator.runner.server.gateway.start import start

    return start(options, say)


def _hub(options: argparse.Namespace) -> int:
    from generator.runner.server.hub.start import start

    return start(options, say)


def _token(options: argparse.Namespace) -> int:
    from generator.runner.server.tokens.command import manage_tokens

    return manage_tokens(options, say)


def _template(options: argparse.Namespace) -> int:
    from generator.runner.template_store import find_store

    store = find_store(options.templates, os.environ)
    if store is None:
        raise BadInputsError("template: no file of templates; set --templates FILE or PACKMILL_TEMPLATES")
    if options.action != "list" and not options.name:
        raise BadInputsError(f"template {options.action}: NAME is missing")
    if options.action == "list":
        for one in store.all():
            print(f"{one.name}{' (default)' if one.default else ''}: {one.content}")
    elif options.action == "show":
        print(store.get(options.name).content)
    elif options.action == "set":
        if options.content is None:
            raise BadInputsError("template set: the text is missing; write NAME TEXT")
        store.put(options.name, options.content, default=options.default)
    else:
        store.delete(options.name)
    return 0
