"""The request for a build, from arguments or from CI variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from generator.notebook.choices import Choices
from generator.repository.address import Repository, check_checkout, parse_repository
from generator.repository.process_folders import default_process
from generator.request.checks import (
    check_cell_number,
    check_commit,
    check_folders,
    check_image_is_pushed,
    check_kernel,
    check_language,
    check_reference,
    check_registry,
    check_resources,
    process_name,
)
from generator.request.resources import Resources
from generator.shared.errors import RepositoryError, UsageError

if TYPE_CHECKING:  # inspecting a local folder loads neither
    from generator.platforms.platform import Platform
    from generator.repository.destination import Destination
    from generator.request.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildRequest:
    """A validated request for a package.

    ``fresh`` ignores caches; ``reuse_pushed`` takes images that the registry of the request has;
    ``standard`` uses repo2docker's own build packs for all environments;
    ``kernel_gateway`` adds the Jupyter Kernel Gateway to the image; without
    ``submodules``, their folders stay empty; ``lock`` (name and text) replaces the requirements in the environment's
    files; ``base_image`` replaces the base image in the settings; ``replace`` allows replacing a package or an image of
    another repository at the same place; ``emits`` are the optional documents, in a fixed order; ``resources`` precede
    those that the repository states; ``parameters_cell`` is the number of the notebook's cell with the parameters;
    ``platform`` is where the packages are deployed;
    ``kernel`` and ``language`` replace those that the notebook names;
    ``scatter`` are the inputs that ``scatter.cwl`` scatters over instead of the only stage-in; ``untrusted`` marks a
    request that a package of unknown origin states.
    """

    repository: Repository
    checkout: str | None
    processes: tuple[str, ...]
    environment: str | None
    output: Path
    image: str | None = None
    build_image: bool = True
    network: bool = False
    output_template: str | None = None
    registry: str | None = None
    destination: Destination | None = None
    platform: Platform | None = None
    commit: str | None = None
    fresh: bool = False
    reuse_pushed: bool = True
    standard: bool = False
    kernel_gateway: bool = False
    submodules: bool = True
    lock: tuple[str, str] | None = None
    replace: bool = False
    base_image: str | None = None
    emits: tuple[str, ...] = ()
    resources: Resources = field(default_factory=Resources)
    parameters_cell: int | None = None
    kernel: str | None = None
    language: str | None = None
    scatter: tuple[str, ...] = ()
    untrusted: bool = False

    @property
    def image_variants(self) -> tuple[str, ...]:
        """What distinguishes the image from that of a usual build of the commit, as parts of its name.

        Base and lock of a trusted package are those of its usual build, so they leave the name as it is.
        """
        options = {"standard build packs": self.standard, "kernel gateway": self.kernel_gateway}
        chosen = (f"base {self.base_image or ''}", "lock", *(self.lock or ())) if self.untrusted else ()
        return (*(name for name, is_set in options.items() if is_set), *chosen)

    @property
    def choices(self) -> Choices:
        """What the request chooses instead of what its notebooks state."""
        return Choices(kernel=self.kernel, language=self.language, parameters_cell=self.parameters_cell)


optional_documents = ("airflow", "maap", "ro-crate")
"""The documents that a package has only on request (``--emit``)."""


def check_localities(request: BuildRequest, settings: Settings) -> None:
    """Refuse local repositories if the settings do not allow them.

    Raises:
        RepositoryError: the repository or the destination is a local folder.
    """
    repositories = (request.repository, *((request.destination.repository,) if request.destination else ()))
    for repository in repositories:
        if repository.local and not settings.local_repositories:
            raise RepositoryError(f"{repository.address}: local repositories are not allowed here; give an https URL")


def build_request(
    repository: str,
    *,
    checkout: str | None = None,
    processes: tuple[str, ...] = (),
    environment: str | None = None,
    output: Path = Path("packages"),
    image: str | None = None,
    build_image: bool = True,
    network: bool = False,
    output_template: str | None = None,
    registry: str | None = None,
    destination: Destination | None = None,
    platform: Platform | None = None,
    commit: str | None = None,
    fresh: bool = False,
    standard: bool = False,
    kernel_gateway: bool = False,
    submodules: bool = True,
    lock: tuple[str, str] | None = None,
    replace: bool = False,
    base_image: str | None = None,
    emits: tuple[str, ...] = (),
    resources: Mapping[str, str | None] = MappingProxyType({}),
    parameters_cell: str | None = None,
    kernel: str | None = None,
    language: str | None = None,
    scatter: tuple[str, ...] = (),
) -> BuildRequest:
    """Validate the values of a request; ``resources`` has those of ``cores``, ``ram``, ``disk``, ``time``, ``gpu``.

    Raises:
        UsageError, RepositoryError, ProcessError: a value is invalid.
    """
    if output_template:
        from generator.shared.path_templates import check_template

        check_template(output_template)
    if registry and not build_image:
        raise UsageError("--push needs an image; omit --push or --no-image")
    if platform:
        check_image_is_pushed(registry, image if not build_image else None)
    named = tuple(dict.fromkeys(process_name(process) for process in processes)) or (default_process,)
    check_folders(named)
    return BuildRequest(
        repository=parse_repository(repository),
        checkout=check_checkout(checkout) if checkout else None,
        processes=named,
        environment=environment or None,
        output=output,
        image=check_reference(image) if image else None,
        build_image=build_image,
        network=network,
        output_template=output_template or None,
        registry=check_registry(registry) if registry else None,
        destination=destination,
        platform=platform,
        commit=check_commit(commit) if commit else None,
        fresh=fresh,
        standard=standard,
        kernel_gateway=kernel_gateway,
        submodules=submodules,
        lock=lock,
        replace=replace,
        base_image=base_image,
        emits=_check_documents(emits),
        resources=check_resources(resources),
        parameters_cell=check_cell_number(parameters_cell) if parameters_cell else None,
        kernel=check_kernel(kernel) if kernel else None,
        language=check_language(language) if language else None,
        scatter=tuple(dict.fromkeys(scatter)),
    )


def _check_documents(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of optional documents in their order.

    Raises:
        UsageError: a document is unknown.
    """
    for name in names:
        if name not in optional_documents:
            raise UsageError(f"--emit {name}: no such document; choose from: {', '.join(optional_documents)}")
    return tuple(name for name in optional_documents if name in names)
