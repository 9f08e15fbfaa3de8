"""Where the repository of a run is: in the folder that an image's build noted, or in one that the user names."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from generator.runner.image_note import ImageVariables, noted_variables, read_image_note
from generator.runner.packaged.home import find_image_home


@dataclass(frozen=True, slots=True)
class RepositoryLocation:
    """The repository's folder, and the image's home folder.

    ``hidden`` are the repository's own names at the top that begin with a dot. ``is_in_image`` is whether an image's
    build put it there: nobody else has these files.
    """

    folder: Path
    hidden: frozenset[str]
    variables: ImageVariables = field(default_factory=ImageVariables)
    home: Path | None = None
    is_in_image: bool = False


def locate_repository(folder: str | None) -> RepositoryLocation:
    """Return the repository's location noted by the image's build; ``folder`` overrides it."""
    noted = read_image_note()
    where = Path(folder or noted.get("folder") or ".")
    hidden = noted.get("hidden", [entry.name for entry in where.glob(".*")])
    return RepositoryLocation(
        folder=where.resolve(),
        hidden=frozenset(hidden),
        variables=noted_variables(noted),
        home=find_image_home(noted),
        is_in_image="folder" in noted and where.resolve() == Path(noted["folder"]).resolve(),
    )
