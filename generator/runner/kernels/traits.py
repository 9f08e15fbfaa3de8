r"""Traits of kernels: how they fail, exchange messages and end, where this differs from what ipykernel does.

A kernel is known by ``implementation`` in its ``kernel_info_reply``. Code of ``prepare`` and ``question`` runs silently
in the kernel and changes nothing that a notebook is likely to use. BEL (``\a``) marks what no notebook prints itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any


class When(Enum):
    """When a question is asked after a cell."""

    ALWAYS = "after every cell"
    MARKED = "after a mark, which it confirms"
    EXIT = "after a cell that asked for the kernel's end"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """Text of a stream that shows a failure.

    Group ``value`` of ``pattern`` is the cause; group ``mark``, if any, is removed from the output.
    """

    stream: str
    pattern: re.Pattern[str]
    exits: bool = False
    """Whether it shows that the cell left the kernel successfully."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """Code whose output or error shows a failure; group ``value`` of ``pattern`` is the cause."""

    code: str
    pattern: re.Pattern[str]
    when: When = When.ALWAYS
    silent: bool = True
    """False for a kernel that does not publish outputs of silent requests; such a question counts as an execution."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Traits:
    """The traits of one kernel."""

    prepare: str = ""
    """Code that makes failures visible; runs before the first cell and after a failed one."""
    marks: tuple[Mark, ...] = ()
    question: Question | None = None
    error_name: str = "error"
    """Name of an error that the kernel does not name."""
    shows_errors: bool = True
    """Whether a failed cell gets an ``error`` output."""
    exit_ends_cells: bool = False
    """Whether a cell that asks for the kernel's end (payload ``ask_exit``) is the last one, though the kernel lives."""
    aborts_after_failure: bool = False
    """Whether the kernel refuses the requests that arrive shortly after a failure."""
    unready_version: str = ""
    """The language's version in the answers of a kernel that cannot execute yet."""
    lingers: bool = False
    """Whether the process remains long after the reply to ``shutdown_request``."""
    warning: str = ""
    """Failures that cannot be noticed."""


_METAKERNEL = Traits(shows_errors=False, lingers=True)
"""https://github.com/Calysto/metakernel: errors are in the reply and, in color, on stderr."""

_NODE_MARKS = (
    Mark(stream="stderr", pattern=re.compile(r"^(?P<mark>\a)(?:Unhandled rejection|Uncaught): (?P<value>.*)")),
)
_TSLAB = Traits(
    prepare=(
        "(0, eval)(`for (const [event, text] of [['unhandledRejection', 'Unhandled rejection:'],"
        " ['uncaughtException', 'Uncaught:']]) {"
        " process.removeAllListeners(event);"
        # A notebook may have a listener of its own for rejections; tslab has one for errors.
        " process.on(event, (error) => process.listenerCount('unhandledRejection') > 1 ||"
        " console.error('\\\\x07' + text, error)); }; undefined`)"
    ),
    marks=_NODE_MARKS,
    shows_errors=False,
    aborts_after_failure=True,
    lingers=True,
)
_DENO = Traits(
    prepare=(
        "for (const [event, text] of [['unhandledrejection', 'Unhandled rejection:'], ['error', 'Uncaught:']])"
        " globalThis.addEventListener(event, (e: any) => {"
        " console.error('\\x07' + text, e.reason ?? e.error); e.preventDefault(); })"
    ),
    marks=_NODE_MARKS,
)
_OCTAVE_ERROR = re.compile(r"(?P<mark>\a)error: (?P<value>[^\r\n]*)")
_OCTAVE_EXIT = re.compile(r"(?P<mark>\aexit status: 0\r?\n)")
_SHELL = Traits(error_name="exit status", lingers=True)
_BASH_EXIT = (
    '__packmill_shell=1; trap \'printf "\\a%s\\a" "$?" > /dev/tty\' EXIT; '
    # A trap of the notebook's replaces this one, so exit adds the status to its end.
    "exit() { local __packmill_status=${1:-$?} __packmill_trap=(); if ((BASH_SUBSHELL == 0)); then "
    'eval "__packmill_trap=($(builtin trap -p EXIT))"; '
    "[[ ${__packmill_trap[2]-} == *'\\a%s\\a'* ]] || "
    """builtin trap "${__packmill_trap[2]-}"$'\\n''printf "\\a%s\\a" '"$__packmill_status"' > /dev/tty' EXIT; fi; """
    'builtin exit "$__packmill_status"; }'
)

_BY_IMPLEMENTATION = {
    "octave kernel": replace(
        _METAKERNEL,
        # Octave rings the bell only for errors that nothing caught. A killed Octave leaves a file in the folder.
        prepare=(
            "beep_on_error(true); sighup_dumps_octave_core(false); sigterm_dumps_octave_core(false);"
            # The kernel knows only cells whose whole text is exit or quit.
            " function quit (varargin)"
            " if (isempty(varargin) || ischar(varargin{1}) || varargin{1} == 0)"
            ' printf("\\aexit status: 0\\n"); end; builtin("quit", varargin{:}); end;'
            " function exit (varargin) quit(varargin{:}); end;"
        ),
        marks=(
            Mark(stream="stdout", pattern=_OCTAVE_EXIT, exits=True),
            *(Mark(stream=one, pattern=_OCTAVE_ERROR) for one in ("stdout", "stderr")),  # plots fail on stderr
        ),
        exit_ends_cells=True,
    ),
    "gnuplot kernel": replace(
        _METAKERNEL,
        prepare="reset errors",
        # The kernel reports an error where a line has only a caret, as for gnuplot's own syntax errors.
        question=Question(
            code='if (GPVAL_ERRNO) print sprintf("   ^\\n%s", GPVAL_ERRMSG)',
            pattern=re.compile(r"\n\s*\^\n(?P<value>.*)"),
        ),
    ),
    "scheme": _METAKERNEL,
    "prolog": replace(
        _METAKERNEL,
        marks=(
            Mark(
                stream="stderr",
                pattern=re.compile(
                    r"(?P<value>Unable to process (?:query|statement)\. Please restate\.|Ask a question first\.)"
                ),
            ),
        ),
        warning="Calysto Prolog accepts most invalid text as a rule: check the results",
    ),
    "bash_kernel": replace(
        _SHELL,
        prepare=_BASH_EXIT,
        marks=(Mark(stream="stdout", pattern=re.compile(r"(?P<mark>(?:\a(?P<value>\d+)\a)?)Restarting Bash\s*\Z")),),
        question=Question(code='[ -n "$__packmill_shell" ]', pattern=re.compile("1"), when=When.MARKED),
    ),
    "zshkernel": replace(
        _SHELL,
        question=Question(code='print -r -- "$?"', pattern=re.compile(r"\A(?P<value>[1-9]\d*)\s*\Z"), silent=False),
    ),
    "fish-kernel": _SHELL,
    "irkernel": Traits(
        # The kernel replaces quit() and drops its status; .Last.sys is the one hook that quit() still calls.
        prepare=(
            ".Last.sys <- function()"
            " options(packmill.status = mget('status', parent.frame(), ifnotfound = list(0))[[1]])"
        ),
        question=Question(
            code="cat(getOption('packmill.status', 'unknown'))",
            pattern=re.compile(r"\A(?P<value>\S+)\Z"),
            when=When.EXIT,
            silent=False,
        ),
        error_name="exit status",
        exit_ends_cells=True,
    ),
    "jupyter_c_kernel": Traits(
        marks=(
            Mark(
                stream="stderr",
                pattern=re.compile(r"\A\[C kernel\] (?P<value>(?:GCC|Executable) exited with code -?\d+)"),
            ),
        ),
        lingers=True,
    ),
    "macaulay2_jupyter_kernel": Traits(
        marks=(
            Mark(
                stream="stdout",
                pattern=re.compile(
                    r"^(?:\x1b\[\?2004l\r?)?(?:\S+:\d+:\d+:\(\d+\):(?:\[\d+\]:)? error: |o\d+ = \[KERNEL )"
                    r"(?P<value>.*)",
                    re.MULTILINE,
                ),
            ),
            Mark(stream="stderr", pattern=re.compile(r"(?P<value>.+)")),
        ),
        lingers=True,
        warning="the Macaulay2 kernel ignores incomplete statements: check the results",
    ),
    "tslab": _TSLAB,
    "jslab": _TSLAB,
    "deno kernel": _DENO,
    "ijavascript": Traits(
        lingers=True,
        warning="ijavascript does not report rejected promises and errors in timers: use await in every cell",
    ),
    "ilua": Traits(unready_version="n/a"),
    "jjava": Traits(lingers=True),
    "sos": Traits(lingers=True),
    "all": Traits(warning="All the Kernels hides failures of kernels that reply 'ok' to them: check the results"),
}


_BY_LANGUAGE = {
    "bash": "bash_kernel",
    "gnuplot": "gnuplot kernel",
    "octave": "octave kernel",
    "r": "irkernel",
    "scheme": "scheme",
    "zsh": "zshkernel",
}
"""The kernel that runs a language's cells in another kernel, which does not name it."""


def find_traits_of_language(language: str) -> Traits:
    """Return the traits of the kernel that runs a language's cells in SoS."""
    return _BY_IMPLEMENTATION.get(_BY_LANGUAGE.get(language, ""), Traits())


def find_traits(info: Mapping[str, Any]) -> Traits:
    """Return the traits of the kernel that sent a ``kernel_info_reply``."""
    known = _BY_IMPLEMENTATION.get(str(info.get("implementation")).lower())
    if known is not None:
        return known
    links = [*_list(info.get("help_links")), *_list((info.get("language_info") or {}).get("help_links"))]
    return _METAKERNEL if any("metakernel" in str(link).lower() for link in links) else Traits()


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
