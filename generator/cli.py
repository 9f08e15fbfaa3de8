"""``packmill``: arguments become requests, results go to stdout, progress to stderr, errors to an exit code.

Every command imports what it needs when it runs, so that ``packmill inspect`` stays fast.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import stat
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

from generator import __version__
from generator.commands.parser import HelpFormatter, exit_codes
from generator.progress import survive_a_full_log
from generator.shared.errors import DiskFullError, PackmillError, describe_exit
from generator.shared.passing_errors import is_full_disk
from generator.shared.safe_text import for_terminal, json_for_terminal

_COMMANDS = (
    *("init", "inspect", "build", "rebuild", "validate", "run", "map"),
    *("serve", "token", "audit", "service", "setup", "doctor", "prune", "complete", "ci"),
)
_SCREEN = 20
"""Lines of a message whose beginning is in sight when its end is."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup has it
        signal.signal(signal.SIGHUP, _hang_up)
    survive_a_full_log()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a repository may hold text that a terminal cannot show
    if "_ARGCOMPLETE" in os.environ:  # the shell asks what can follow
        _complete()
    try:
        try:
            return _run(list(sys.argv[1:] if arguments is None else arguments))
        finally:
            if sys.stdout:  # not closed by the caller
                sys.stdout.flush()  # Python would report a failure at its end, with another exit code
    except BrokenPipeError:
        _discard_output()
        return 1
    except OSError as error:  # the output goes to a full disk
        if not is_full_disk(error):
            raise
        _discard_output()
        full = DiskFullError(error)
        print(f"packmill: {full}", file=sys.stderr)
        return full.exit_code


def _run(words: list[str]) -> int:
    """Run the command that the words name; return its exit code."""
    options = _parser(words).parse_args(_without_engine_options(words))
    options.engine_options = tuple(words[len(_without_engine_options(words)) + 1 :])
    try:
        code: int = options.command(options)
    except PackmillError as error:
        return _report(error, options)
    except KeyboardInterrupt:
        print("packmill: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        raise
    except OSError as error:
        if not is_full_disk(error):
            raise
        return _report(DiskFullError(error), options)
    return code


def _discard_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complete() -> None:
    """Answer a shell's request for completions, and exit."""
    import argcomplete

    words = os.environ.get("COMP_LINE", "").split()[1:]
    typed = words[:-1] if words and not os.environ["COMP_LINE"].endswith(" ") else words
    argcomplete.autocomplete(_parser(typed))


def _terminate(_signal: int, _frame: object) -> None:
    """Remove temporary folders as after Ctrl-C: a CI system sends SIGTERM to cancel a job."""
    raise KeyboardInterrupt


def _hang_up(_signal: int, _frame: object) -> None:
    """End as after SIGTERM when the terminal is closed, such as by a lost connection.

    The shell sends the signal again, and printing to such a terminal is an error: neither may end the clean-up.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for stream in (1, 2):
        with suppress(OSError):
            if stat.S_ISCHR(os.fstat(stream).st_mode) and not os.isatty(stream):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    signal.raise_signal(signal.SIGTERM)


def _without_engine_options(words: list[str]) -> list[str]:
    """Return the words before ``--``; ``packmill run`` and ``packmill map`` pass the words after it to the engine."""
    return words[: words.index("--")] if words[:1] in (["run"], ["map"]) and "--" in words else words


def _report(error: PackmillError, options: argparse.Namespace) -> int:
    """Print an error and return its exit code.

    That of a CI job, or a long one, ends with the reason and the exit code in one line.
    """
    message, reason = for_terminal(str(error)), for_terminal(error.reason)
    ends_with_reason = getattr(options, "is_job", False) or len(message.splitlines()) > _SCREEN
    if not ends_with_reason or message != reason:
        print(f"packmill: {message}", file=sys.stderr)
    if ends_with_reason:
        print(f"packmill: {reason} ({describe_exit(error.exit_code)})", file=sys.stderr)
    if getattr(options, "json", False):
        print(json_for_terminal({"error": error.to_dict()}))
    return error.exit_code


def _parser(words: list[str]) -> argparse.ArgumentParser:
    """Return the parser of the command in ``words``; of all commands, if the first word is not a command."""
    parser = argparse.ArgumentParser(
        prog="packmill",
        description="Turns a git repository with a notebook into a package: container image, CWL, descriptor JSON.",
        epilog=exit_codes(),
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"packmill {__version__}")
    # without a prog, argparse formats a usage to find it, and imports modules for compression with shutil
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands", prog="packmill")
    for name in words[:1] if words[:1] and words[0] in _COMMANDS else _COMMANDS:
        import_module(f"generator.commands.{name}").add(commands)
    return parser
