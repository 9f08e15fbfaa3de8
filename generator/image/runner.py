"""The runner's image: found, or made; beside the environment, where it can be foreseen.

Whoever's programs make a runner could make it otherwise than asked. So an environment of packmill's own build pack gets
the runner that its base image makes, which is everybody's on that base; what stands on an image of the repository's
choice gets one that is the repository's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace

from generator.containers import builder, engine, image_notes
from generator.containers.caches import cache_name
from generator.image import contexts
from generator.image import names as image
from generator.image.base.find import Base
from generator.image.contents import ImagePythons, read_image_pythons
from generator.image.dockerfiles import runner_dockerfile
from generator.image.keys import digest_of, runner_key
from generator.image.store import ImageStore
from generator.progress import Progress
from generator.resources import data_folder
from generator.shared.errors import ImageBuildError, PackmillError
from generator.subprocesses import stop_streams

_PYTHON = "python3"


@dataclass(frozen=True, kw_only=True, slots=True)
class Runners:
    """The runners for environments on ``base``, where that was chosen here, of the repository at ``address``."""

    base: Base | None
    address: str
    store: ImageStore

    @property
    def made_in(self) -> str:
        """Whose programs make them."""
        return f"base {self.base.id}" if self.base else f"repository {self.address}"

    def reference(self, facts: ImagePythons) -> str:
        """The name of the one for these Pythons."""
        return image.runner_reference(runner_key(facts, made_in=self.made_in))

    def facts(self, environment: str) -> ImagePythons:
        """What the runner of an environment depends on; of one on a base, it has a say in its kernel alone."""
        found = probe_pythons(environment)
        if self.base is None:
            return found
        return replace(
            probe_pythons(self.base.pinned), kernel_python=found.kernel_python, kernel_version=found.kernel_version
        )

    def foreseen(self) -> ImagePythons | None:
        """The facts that an environment on the base most likely has: the base's Python, and no kernel."""
        return probe_pythons(self.base.pinned) if self.base and self.base.python == _PYTHON else None

    def make(self, facts: ImagePythons, environment: str, say: Callable[[str], None]) -> str:
        """Fetches or builds one; its name."""
        reference = self.reference(facts)
        if not self.store.fresh and self.store.fetch(reference):
            return reference
        dockerfile = runner_dockerfile(
            facts,
            builder=self.base.pinned if self.base else environment,
            kernel_command=self.base.python if self.base else facts.kernel_python,
            cache=cache_name("runner", self.made_in),
        )
        with contexts.runner_context(dockerfile) as context:
            builder.build_context(context, image=reference, time=image.settled, on_line=say, fresh=self.store.fresh)
        self.store.keep(reference)
        return reference


@dataclass(slots=True)
class EarlyRunner:
    """The runner that is built while the environment is: its name when it is made, and what was said meanwhile."""

    made: str = ""
    lines: list[str] = field(default_factory=list)
    abandoned: bool = False

    def say(self, line: str) -> None:
        """Keeps a line: two builds at once would talk over each other."""
        if self.abandoned:
            raise ImageBuildError("nobody waits for the runner any more")
        self.lines.append(line)

    def tell(self, progress: Progress) -> None:
        """What was said, in a step of its own."""
        if self.lines:
            with progress.step("Building the runner, beside the environment"):
                for line in self.lines:
                    progress.say(line)


@contextmanager
def build_early(runners: Runners) -> Iterator[EarlyRunner]:
    """Builds the runner that is likely to be the right one while the body builds the environment.

    Where it turns out otherwise, or this one cannot be built, the one that fits is built afterwards.
    """
    ahead, facts = EarlyRunner(), runners.foreseen()
    if facts is None or (not runners.store.fresh and engine.inspect(runners.reference(facts))):
        yield ahead
        return
    with ThreadPoolExecutor(max_workers=1) as pool:
        building = pool.submit(runners.make, facts, "", ahead.say)
        try:
            yield ahead
        except BaseException:
            ahead.abandoned = True
            stop_streams()
            raise
        try:
            ahead.made = building.result()
        except PackmillError as error:
            ahead.say(str(error))


def ensure_runner(runners: Runners, environment: str, progress: Progress, *, made: str) -> str:
    """The name of the runner's image for an environment; ``made`` is one that was just built.

    Raises:
        ImageBuildError: it cannot be built.
    """
    facts = runners.facts(environment)
    reference = runners.reference(facts)
    if reference == made or runners.store.has(reference):
        return reference
    with progress.step("Building the runner"):
        return runners.make(facts, environment, progress.say)


def probe_pythons(environment: str) -> ImagePythons:
    """The Pythons of an image, looked at in a container once for each image.

    Raises:
        ImageBuildError: its container does not come to an end.
    """
    present = engine.inspect(environment)
    image_id = present.id if present else ""
    probe = (data_folder("templates") / "image" / "probe.sh").read_text(encoding="utf-8")
    question = f"facts {digest_of(probe, *asdict(ImagePythons()))}"
    known = image_notes.recall(image_id, question)
    if known:
        return ImagePythons(**known)
    code, out, err = engine.run_in(environment, ("-c", probe), entrypoint="sh")
    if code in (124, 125, 137):  # too long, no container at all, killed: that says nothing of the image
        raise ImageBuildError(f"the Pythons of {environment} cannot be looked at: {err.strip()[-300:]}")
    facts = read_image_pythons(out)
    image_notes.note(image_id, question, asdict(facts))
    return facts
