"""Image builds: environments by repo2docker, packmill's own build contexts by the engine's builder."""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

from generator.containers.unreachable import explain_build, explain_fetch
from generator.shared.errors import EnvironmentSpecError, ImageBuildError
from generator.subprocesses.streams import build_lines

_KEPT_LINES = 400
"""Number of output lines of a build that are kept for its error message."""
_LONGEST = 2000
"""Characters of each of them; some of the patterns that search them take time with the square of a line's length."""
_BUILDER_NOISE = re.compile(
    r"#\d+ (\[internal\]|transferring|DONE|exporting|writing image|naming to|sha256:|resolve|extracting|building with)"
    r"|#\d+$|(Picked|Using) .*(content provider|local repo|builder)"
)
"""Lines of a builder that are not shown: neither a step nor the output of one."""


def repo2docker_app(
    folder: Path, *, image: str, base_image: str | None, packs: tuple[type, ...], time: int, fresh: bool
) -> Any:
    """Configure repo2docker to build a checkout as the user jovyan with uid 1000, ``packs`` before its own build packs.

    ``fresh`` ignores cached layers; ``time`` as in `build_context`.
    """
    from repo2docker.app import Repo2Docker
    from traitlets.config import Config

    from generator.containers.build_packs import with_context_on_disk

    settings = Config()
    if fresh:
        settings.DockerEngine.extra_buildx_build_args = ["--no-cache"]
    app = Repo2Docker(config=settings)
    app.repo = str(folder)
    app.buildpacks = [*packs, *map(with_context_on_disk, app.buildpacks)]
    if base_image:
        app.base_image = base_image
    app.output_image_spec = image
    app.extra_build_args = {"SOURCE_DATE_EPOCH": str(time)}
    app.user_id, app.user_name = 1000, "jovyan"
    # `run` only makes repo2docker load the image into the engine's store; build() does not start it.
    app.run, app.push = True, False
    app.get_engine = partial(_docker_engine, app)
    return app


def _docker_engine(app: Any) -> Any:
    """Return repo2docker's engine, set to always run the docker command, and to end it if packmill is interrupted.

    It would run podman itself if DOCKER_HOST mentions it, with options that Podman 4.3 does not have;
    `generator.containers.podman` has replaced the docker command already. And it would wait until an interrupted build
    ends, and then report that the build failed.
    """
    from repo2docker import docker

    engine = type(app).get_engine(app)
    engine._container_cli = "docker"  # noqa: SLF001 - repo2docker has no setting for it
    docker.execute_cmd = _execute_build
    return engine


def _execute_build(command: Sequence[str], capture: bool) -> Iterator[str]:  # noqa: ARG001, FBT001 - see below
    """Run a build in place of ``repo2docker.utils.execute_cmd``, whose signature it has: yield its lines."""
    with closing(build_lines(tuple(command))) as lines:
        for line in lines:
            yield f"{line}\n"


def build_environment(app: Any, *, on_line: Callable[[str], None]) -> None:
    """Build the environment of a checkout with an ``app`` from `repo2docker_app`.

    Raises:
        EnvironmentSpecError: repo2docker refuses the configuration files.
        ImageBuildError: the build fails; the message ends with the last relevant lines of the build.
    """
    tail: deque[str] = deque(maxlen=_KEPT_LINES)
    app.initialize()
    app.log.handlers = [_LineHandler(on_line, tail)]
    app.log.propagate = False
    try:
        app.build()
    except (ValueError, FileNotFoundError) as error:
        raise EnvironmentSpecError(f"environment: cannot be read: {error}") from None
    except (SystemExit, CalledProcessError):
        raise ImageBuildError(summarize_failure(tail)) from None
    except Exception as error:  # noqa: BLE001 - repo2docker does not wrap errors of its build packs in a common class
        cause = f"repo2docker cannot build the environment: {type(error).__name__}: {error}"
        advice = "set HTTPS_PROXY to a proxy that reaches it, or give another environment with --env"
        explanation = explain_fetch([str(error)], advice=advice)
        raise ImageBuildError(f"{explanation}\n  {cause}" if explanation else cause) from None


class _LineHandler(logging.Handler):
    """Pass repo2docker's log on as whole lines."""

    def __init__(self, on_line: Callable[[str], None], tail: deque[str]) -> None:
        super().__init__()
        self.on_line, self.tail, self.rest = on_line, tail, ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.INFO:
            return
        *lines, self.rest = (self.rest + record.getMessage().replace("\r", "\n")).split("\n")
        for line in filter(str.strip, lines):
            shown = _hide_mounts(line)
            self.tail.append(shown[:_LONGEST])
            if not _BUILDER_NOISE.match(shown):
                self.on_line(shown)


def build_context(context: Path, *, image: str, time: int, on_line: Callable[[str], None], fresh: bool = False) -> None:
    """Build the Dockerfile of a folder as ``image``; ``fresh`` ignores cached layers.

    ``time`` is the image's creation time in seconds since 1970, if the builder supports SOURCE_DATE_EPOCH
    (https://reproducible-builds.org/specs/source-date-epoch/; BuildKit does since 0.11).

    Raises:
        ImageBuildError: the build fails.
    """
    tail: deque[str] = deque(maxlen=_KEPT_LINES)

    def keep(line: str) -> None:
        shown = _hide_mounts(line)
        if shown.strip():
            tail.append(shown[:_LONGEST])
            if not _BUILDER_NOISE.match(shown):
                on_line(shown)

    options = ("--no-cache",) if fresh else ()
    command = (
        "docker", "buildx", "build", "--progress", "plain", "--load", *options,
        "--build-arg", f"SOURCE_DATE_EPOCH={time}", "--tag", image, "--", str(context)
    )  # fmt: skip
    try:
        with closing(build_lines(command)) as lines:
            for line in lines:
                keep(line)
    except CalledProcessError:
        raise ImageBuildError(summarize_failure(tail)) from None


def _hide_mounts(line: str) -> str:
    """Remove the mounts from a line, because they contain names of caches (`generator.containers.caches`)."""
    return re.sub(r"--mount=\S+(?: +\\?)?", "", line)


def summarize_failure(lines: deque[str]) -> str:
    """Return the last relevant lines of a failed build: BuildKit repeats the failing step between two rules."""
    rules = [number for number, line in enumerate(lines) if re.fullmatch(r"-{6}", line.strip())]
    excerpt = list(lines)[rules[-2] + 2 : rules[-1]] if len(rules) >= 2 else list(lines)[-40:]
    plain = [re.sub(r"^(#\d+ )?(\d+\.\d+ )?", "", line).rstrip() for line in excerpt]
    shown = [
        line for line in dict.fromkeys(plain) if line.strip() and not re.match(r"(DONE|CACHED|transferring)\b", line)
    ]
    failed = next((line for line in reversed(lines) if line.startswith("ERROR:")), "")
    explanation = explain_build(lines)
    listed = "\n".join(f"  {line}" for line in [*shown[-12:], failed] if line)
    summary = explanation or f"image build failed: {_cause(shown) or failed or 'the engine does not report why'}"
    return f"{summary}\nlast lines of the build:\n{listed}"


_ARROW = "╰─▶"
_CAUSE = re.compile(r"\b(error|not found|no such|unsatisfiable|no matching|failed|cannot|conflict)\b", re.IGNORECASE)


def _cause(lines: Sequence[str]) -> str:
    """Return the last line that names a problem, else the last line; uv's explanation may continue on further lines."""
    arrow = next((number for number, line in reversed([*enumerate(lines)]) if _ARROW in line), None)
    if arrow is not None:
        return " ".join(line.strip() for line in [lines[arrow].partition(_ARROW)[2], *lines[arrow + 1 :]])
    plain = [re.sub(r"^(error|ERROR|cause): ", "", line.strip()) for line in lines]
    return next((line for line in reversed(plain) if _CAUSE.search(line)), plain[-1] if plain else "")
