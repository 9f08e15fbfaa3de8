"""What was asked for: from arguments or from CI variables. The only reader of the environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from generator.repository.address import Repository, check_checkout, parse_repository
from generator.repository.destination import Destination
from generator.request.checks import check_commit, check_reference, check_registry, default_process, process_name
from generator.request.settings import Settings
from generator.shared.errors import RepositoryError, UsageError
from generator.shared.path_templates import check_template


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildRequest:
    """A package that is to be built.

    ``fresh`` uses nothing of earlier builds; ``standard`` leaves environments to repo2docker's own build packs;
    ``lock`` (name and text) is installed instead of what the environment's files ask for; ``base_image`` is the base of
    the environment instead of the one in the settings; ``replace`` allows replacing what another repository has at the
    same place.
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
    commit: str | None = None
    fresh: bool = False
    standard: bool = False
    lock: tuple[str, str] | None = None
    replace: bool = False
    base_image: str | None = None


def check_localities(request: BuildRequest, settings: Settings) -> None:
    """Refuses repositories of this machine where they are not to be used.

    Raises:
        RepositoryError: the repository or the destination is one.
    """
    wanted = (request.repository, *((request.destination.repository,) if request.destination else ()))
    for repository in wanted:
        if repository.local and not settings.local_repositories:
            raise RepositoryError(f"{repository.address}: folders of this machine are not used here: give an https URL")


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
    commit: str | None = None,
    fresh: bool = False,
    standard: bool = False,
    lock: tuple[str, str] | None = None,
    replace: bool = False,
    base_image: str | None = None,
) -> BuildRequest:
    """A checked request.

    Raises:
        UsageError, RepositoryError, ProcessError: something in it cannot be meant.
    """
    if output_template:
        check_template(output_template)
    if registry and not build_image:
        raise UsageError("an image is pushed only when it is built: leave out either --push or --no-image")
    return BuildRequest(
        repository=parse_repository(repository),
        checkout=check_checkout(checkout) if checkout else None,
        processes=tuple(dict.fromkeys(process_name(process) for process in processes)) or (default_process,),
        environment=environment or None,
        output=output,
        image=check_reference(image) if image else None,
        build_image=build_image,
        network=network,
        output_template=output_template or None,
        registry=check_registry(registry) if registry else None,
        destination=destination,
        commit=check_commit(commit) if commit else None,
        fresh=fresh,
        standard=standard,
        lock=lock,
        replace=replace,
        base_image=base_image,
    )
