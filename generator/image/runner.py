"""The runner image: found, or built; in parallel with the environment if the environment's Pythons can be predicted.

The image that builds a runner can tamper with it. So an environment of packmill's own build pack gets the runner that
its base image builds, which is shared by everything on that base. An environment on an image that the repository chose
gets such a runner, too, if a base has the same Pythons; otherwise it builds a runner that no other environment uses.
An address names no builder: commits of strangers, such as those of pull requests, have the address of the repository.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace

from generator.containers import builder, engine, image_notes
from generator.containers.caches import cache_name
from generator.image import contexts
from generator.image import names as image
from generator.image.base.find import Base
from generator.image.dockerfiles import runner_dockerfile
from generator.image.keys import digest_of, runner_key
from generator.image.pythons import ImagePythons, parse_pythons
from generator.image.store import ImageStore
from generator.progress import Progress
from generator.resources import data_folder
from generator.shared.errors import EnvironmentSpecError, ImageBuildError, PackmillError
from generator.subprocesses.streams import stop_streams

_PYTHON = "python3"
_DOWNLOAD = "python-build-standalone"
"""Part of the address from which uv downloads a Python."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Runners:
    """The runner images for environments on ``base``, if packmill chose it.

    With ``kernel_gateway`` they have a layer with the Jupyter Kernel Gateway. Without a base, ``other_bases`` are those
    whose runners an environment with the same Pythons can use, and ``environment_id`` identifies the image of the
    environment; `suit` sets it.
    """

    base: Base | None
    store: ImageStore
    kernel_gateway: bool = False
    other_bases: tuple[Base, ...] = ()
    environment_id: str = ""

    def suit(self, environment: str) -> Runners:
        """Return the runners that fit an environment: those of a base with the same Pythons, or its own.

        A probe may lie, because the repository chose its image; then the image gets an honest runner that does not fit.

        Raises:
            ImageBuildError: the environment is missing, or a container of it does not start.
        """
        if self.base:
            return self
        present = engine.inspect(environment)
        if present is None:
            raise ImageBuildError(f"{environment}: removed during the build; try again")
        own = replace(self, environment_id=present.identity, other_bases=())
        found = probe_pythons(environment) if self.other_bases else None
        same = (base for base in self.other_bases if found and found.run_like(probe_pythons(base.pinned)))
        return replace(own, base=next(same, None))

    @property
    def built_by(self) -> str:
        """The identity of the image that builds the runner: a shared base, or this environment."""
        return f"base {self.base.id}" if self.base else f"environment {self.environment_id}"

    def reference(self, pythons: ImagePythons) -> str:
        """Return the name of the runner image for these Pythons."""
        return image.runner_reference(runner_key(pythons, built_by=self.built_by, kernel_gateway=self.kernel_gateway))

    def pythons(self, environment: str) -> ImagePythons:
        """Return the Pythons that the runner of an environment depends on.

        On a base, the environment decides about the kernel alone.
        """
        found = probe_pythons(environment)
        if self.base is None:
            return found
        return replace(
            probe_pythons(self.base.pinned), kernel_python=found.kernel_python, kernel_version=found.kernel_version
        )

    def predict_pythons(self) -> ImagePythons | None:
        """Return the Pythons that an environment on the base most likely has: the base's Python, and no kernel."""
        return probe_pythons(self.base.pinned) if self.base and self.base.python == _PYTHON else None

    def build(self, pythons: ImagePythons, environment: str, say: Callable[[str], None]) -> str:
        """Fetch or build the runner image for these Pythons; return its name."""
        reference = self.reference(pythons)
        if not self.store.fresh and self.store.fetch(reference):
            return reference
        dockerfile = runner_dockerfile(
            pythons,
            builder=self.base.pinned if self.base else environment,
            kernel_command=self.base.python if self.base else pythons.kernel_python,
            cache=cache_name("runner", self.built_by),
            kernel_gateway=self.kernel_gateway,
        )
        with contexts.runner_context(dockerfile) as context, _explain_missing_python(pythons):
            builder.build_context(
                context, image=reference, time=contexts.file_time, on_line=say, fresh=self.store.fresh
            )
        self.store.keep(reference)
        return reference


@contextmanager
def _explain_missing_python(pythons: ImagePythons) -> Iterator[None]:
    """Explain a failed download of the runner's Python, for an image that has none.

    Raises:
        EnvironmentSpecError: the build in the body cannot download a Python.
        ImageBuildError: the build in the body fails for another reason.
    """
    try:
        yield
    except ImageBuildError as error:
        if pythons.runner_python or _DOWNLOAD not in str(error):
            raise
        raise EnvironmentSpecError(
            "the environment has no Python 3.10 or later for packmill's runner, and none can be downloaded; use a base "
            "image with a later Python next to the environment's own, such as python:3.9-bookworm instead of "
            f"python:3.9-slim-bookworm, or require Python 3.10 or later\n{error}"
        ) from None


def _refuse_old_kernel(pythons: ImagePythons) -> None:
    """Refuse an environment that lacks a kernel and has a Python that packmill's kernel does not support.

    Raises:
        EnvironmentSpecError: the Python is older than 3.9.
    """
    version = re.fullmatch(r"(?:cpython|pypy)-?3(\d+)", pythons.kernel_version)
    if version and int(version[1]) < 9:
        raise EnvironmentSpecError(
            f"the environment has Python 3.{version[1]} and no ipykernel: packmill's kernel needs Python 3.9 or later; "
            "install ipykernel in the environment, or use a later Python"
        )


@dataclass(slots=True)
class EarlyRunner:
    """A runner image built in parallel with the environment: its name once it is built, and the output of the build."""

    reference: str = ""
    lines: list[str] = field(default_factory=list)
    abandoned: bool = False

    def say(self, line: str) -> None:
        """Record a line: the output of two parallel builds must not mix."""
        if self.abandoned:
            raise ImageBuildError("the build of the environment ended, so the runner is not needed")
        self.lines.append(line)

    def report(self, progress: Progress) -> None:
        """Print the recorded lines in a step of their own."""
        if self.lines:
            with progress.step("Building the runner, in parallel with the environment"):
                for line in self.lines:
                    progress.say(line)


@contextmanager
def build_early(runners: Runners) -> Iterator[EarlyRunner]:
    """Build the runner that is most likely needed while the body builds the environment.

    If another one is needed, or this build fails, `ensure_runner` builds the right one afterwards.
    """
    early, pythons = EarlyRunner(), runners.predict_pythons()
    if pythons:
        _refuse_old_kernel(pythons)
    if pythons is None or (not runners.store.fresh and engine.inspect(runners.reference(pythons))):
        yield early
        return
    with ThreadPoolExecutor(max_workers=1) as pool:
        building = pool.submit(runners.build, pythons, "", early.say)
        try:
            yield early
        except BaseException:
            early.abandoned = True
            stop_streams()
            raise
        try:
            early.reference = building.result()
        except PackmillError as error:
            early.say(str(error))


def ensure_runner(runners: Runners, environment: str, progress: Progress, *, built: str) -> str:
    """Return the name of the runner image for an environment; ``built`` is a runner image that was just built.

    Raises:
        ImageBuildError: the build fails.
    """
    pythons = runners.pythons(environment)
    _refuse_old_kernel(pythons)
    reference = runners.reference(pythons)
    if reference == built or runners.store.has(reference):
        return reference
    with progress.step("Building the runner"):
        return runners.build(pythons, environment, progress.say)


def probe_pythons(environment: str) -> ImagePythons:
    """Find the Pythons of an image in a container of it, once for each image.

    Raises:
        ImageBuildError: the container does not start, or does not end in time.
    """
    present = engine.inspect(environment)
    image_id = present.identity if present else ""
    probe = (data_folder("templates") / "image" / "probe.sh").read_text(encoding="utf-8")
    question = f"facts {digest_of(probe, *asdict(ImagePythons()))}"
    known = image_notes.recall(image_id, question)
    if known:
        return ImagePythons(**known)
    code, out, err = engine.run_in(environment, ("-c", probe), entrypoint="sh")
    if code in (124, 125, 137):  # timeout, no container, killed: none of them depends on the image
        raise ImageBuildError(f"{environment}: its Pythons cannot be found: {err.strip()[-300:]}")
    pythons = parse_pythons(out)
    image_notes.note(image_id, question, asdict(pythons))
    return pythons
