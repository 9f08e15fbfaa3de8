"""Query a built image: whether it can run a process, and which packages it contains."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from generator.containers import engine, image_notes
from generator.image.config import repository_folder
from generator.image.launch import check_launch
from generator.image.passed_checks import describe_check, environment_identity, note_kernel, recall_kernel
from generator.process.process import Process
from generator.progress import Progress
from generator.shared import contract
from generator.shared.errors import RunnerCheckError

_LONGEST = 60
"""Lines of a failed command's output in a message."""
_RUNNER = "/opt/packmill/bin/packmill-runner"
_KERNEL = re.compile(r"[A-Za-z0-9._-]{1,200}")
"""Names of kernels (jupyter_client, "Kernel specs"); the image prints its own, and documents have it."""


def check_process(
    process: Process, reference: str, progress: Progress, *, folder: Path, declared_in: str = "", fresh: bool = False
) -> Process:
    """Import the modules of the process in the image, and return the process with the kernel that runs it.

    A check that passed in the same environment is not repeated for the same imports, unless it has to be ``fresh``.
    ``folder`` is the checkout; ``declared_in`` is the environment's file that declares packages, for advice on missing
    ones.

    Raises:
        RunnerCheckError: the image cannot run the process; the message names what is missing.
    """
    check_launch(reference)
    present, passed = engine.inspect(reference), describe_check(process, folder)
    known = None if fresh else recall_kernel(present, passed)
    if known:
        progress.say(f"{process.path}: kernel {known}; its imports passed the check before")
        return replace(process, kernel=known)
    kernel, warnings = _ask_image(process, reference, declared_in)
    for warning in warnings:
        progress.warn(warning)
    if not warnings:
        note_kernel(present, passed, kernel)
    progress.say(f"{process.path}: kernel {kernel}" if kernel else f"{process.path}: present")
    return replace(process, kernel=kernel)


def _ask_image(process: Process, reference: str, declared_in: str) -> tuple[str | None, list[str]]:
    """Return the kernel that runs the process in the image, and the warnings of the check."""
    kernel_words: tuple[str, ...] = (contract.kernel_option, process.kernel) if process.kernel else ()
    kernel_words += (contract.exact_kernel_option,) if process.has_chosen_kernel else ()
    kernel_words += (contract.language_option, process.chosen_language) if process.chosen_language else ()
    file_words = (f"{contract.declared_in_option}={declared_in}",) if declared_in else ()
    words = (contract.process_option, process.path, *kernel_words, contract.import_option, *file_words)
    command = ("packmill-runner", "check", *words)
    found = query(reference, command, question=" ".join(command), about=process.path)
    try:
        kernel, warnings = found["kernel"], list(found["warnings"])
    except (KeyError, TypeError):
        kernel, warnings = found, []
    if kernel is not None and not (isinstance(kernel, str) and _KERNEL.fullmatch(kernel)):
        raise RunnerCheckError(_describe_failure(process.path, reference, f"it printed {found!r}"[:200]))
    return kernel, [str(warning) for warning in warnings]


def read_contents(reference: str) -> Any:
    """Return the packages and locks that the image reports (`generator.runner.check.check.image_contents`).

    Files of a repository that the environment was built without cannot affect the answer: their folder is hidden from
    the query, which runs without an entrypoint. So the answer stays valid when a notebook is edited.

    Raises:
        RunnerCheckError: the query fails, or prints no JSON.
    """
    present = engine.inspect(reference)
    command, question = ("check", "--contents"), "contents"
    identity = environment_identity(present) if present else ""
    if present is None or not identity:
        return query(reference, command, question=question, entrypoint=_RUNNER)
    hidden = repository_folder(present.config)
    return query(reference, command, question=question, entrypoint=_RUNNER, identity=identity, hidden=hidden)


def query(
    reference: str,
    command: tuple[str, ...],
    *,
    question: str,
    about: str = "packmill-runner",
    identity: str = "",
    entrypoint: str | None = None,
    hidden: str = "",
) -> Any:
    """Run a command in the image and parse the JSON object that it prints last, once for each image or ``identity``.

    ``entrypoint`` and ``hidden`` as in `generator.containers.engine.run_in`.

    Raises:
        RunnerCheckError: the command fails, or prints no JSON object.
    """
    present = engine.inspect(reference)
    identity = identity or (present.id if present else "")
    known = image_notes.recall(identity, question) if identity else None
    if known is not None:
        return known
    code, out, err = engine.run_in(reference, command, entrypoint=entrypoint, hidden=hidden)
    if code != 0:
        raise RunnerCheckError(_describe_failure(about, reference, err or out))
    found = _last_object(out)
    if found is None:
        cause = f"its ENTRYPOINT does not run the command that it gets; it printed {out.strip()[:200]!r}"
        raise RunnerCheckError(_describe_failure(about, reference, cause))
    if identity:
        image_notes.note(identity, question, found)
    return found


def _last_object(printed: str) -> Any:
    """Return the last line that is a JSON object, since a ``start`` script may print lines of its own."""
    for line in reversed(printed.splitlines()):
        if line.startswith("{"):
            with suppress(ValueError, RecursionError):
                return json.loads(line)
    return None


def _describe_failure(path: str, reference: str, output: str) -> str:
    lines = output.strip().splitlines()[-_LONGEST:] or ["no output"]
    head = f"{path} cannot run in the image {reference}:"
    return "\n".join([head, *(f"  {line.removeprefix('packmill-runner: ')}" for line in lines)])
