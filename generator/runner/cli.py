"""The runner's command line; its text is the contract with the generated CWL."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from generator.runner.failures import RunFailedError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command of the runner; its exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.command(options)
    except RunFailedError as error:
        print(f"packmill-runner: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("packmill-runner: interrupted", file=sys.stderr)
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="packmill-runner",
        description="Runs the notebooks and shell scripts of an image that packmill built.",
        epilog="exit codes: 0 done, 1 a cell failed, 2 inputs that do not fit, 3 process missing, 4 no kernel, "
        "5 kernel died, 6 output missing, 7 out of memory, 8 cell time limit, 9 run time limit, 10 disk full, "
        "130 and 143 interrupted",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run", help="run a process", description="Runs one process with the values of a CWL input object."
    )
    _add_process(run)
    run.add_argument(
        "--inputs", required=True, type=Path, metavar="FILE", help="JSON object with a value for each input"
    )
    run.add_argument(
        "--output",
        type=Path,
        default=Path("output"),
        metavar="DIRECTORY",
        help="where results go (default: %(default)s)",
    )
    run.add_argument(
        "--expect",
        action="append",
        default=[],
        metavar="NAME=GLOB",
        help="an output that must be there at the end; may be given several times",
    )
    run.add_argument(
        "--execution-timeout",
        type=float,
        metavar="SECONDS",
        help="the longest that a cell may take (default: no limit)",
    )
    run.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="the longest that the run may take (default: no limit)"
    )
    run.set_defaults(command=_run)
    check = commands.add_parser(
        "check",
        help="prove that a process can run here",
        description="Finds the process, its kernel and a way to inject parameters, and starts the kernel once. "
        "Prints a JSON object.",
    )
    _add_process(check)
    check.set_defaults(command=_check)
    return parser


def _add_process(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--process",
        required=True,
        metavar="PATH",
        help="notebook (.ipynb) or script (.sh), relative to the repository's top",
    )
    parser.add_argument(
        "--kernel", metavar="NAME", help="kernel to use (default: the notebook's, else one of its language)"
    )
    parser.add_argument(
        "--repository", metavar="DIRECTORY", help="where the repository lies (default: where the image has it)"
    )


def _run(options: argparse.Namespace) -> int:
    from generator.runner.run import Run, run

    run(
        Run(
            process=options.process,
            inputs=options.inputs,
            output=options.output,
            kernel=options.kernel,
            repository=options.repository,
            cell_time_limit=options.execution_timeout,
            time_limit=options.timeout,
            expected=tuple(_expectation(text) for text in options.expect),
        )
    )
    return 0


def _expectation(text: str) -> tuple[str, str]:
    name, _, pattern = text.partition("=")
    return name, pattern


def _check(options: argparse.Namespace) -> int:
    from generator.runner.check import Check, check

    print(json.dumps(check(Check(process=options.process, kernel=options.kernel, repository=options.repository))))
    return 0
