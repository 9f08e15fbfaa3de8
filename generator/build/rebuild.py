"""Rebuild a package's image and documents from the provenance in the package.

Packages are untrusted. A package decides what is built, but chooses no image name, gets no token for a host of its
choice, and reads no file outside its folder. Code of its choice runs in the build: that of its base image, its lock and
the environment that it requests. So nobody's account and no folder of this machine are used for its repository, unless
the user trusts the package: the build could send a private repository away. Nor does its image take the name of the
user's own image of that commit, which packages on this machine start by its name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from generator import __version__
from generator.build.pipeline import Built, build
from generator.image.environment.plan import PYLOCK, REQUIREMENTS_LOCK
from generator.progress import Progress
from generator.request.build import BuildRequest, build_request, optional_documents
from generator.request.resources import resource_names
from generator.request.settings import Settings
from generator.shared.errors import RepositoryError, UsageError
from generator.shared.regular_files import open_regular_file
from generator.shared.safe_text import printable

_TRUST = "if it is your own package, or you have read its package.json, add --trust"
_LARGEST = 64 * 1024**2
"""Bytes of a file of a package."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """The inputs of a package's build, as its ``package.json`` records them."""

    packmill: str
    address: str
    checkout: str
    commit: str
    process: str
    base: str
    layers: tuple[str, ...]
    lock: tuple[str, str] | None
    options: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rebuilt:
    """The new package; ``same`` holds for each old layer whether it was reproduced, ``layers`` counts the new ones."""

    built: Built
    same: tuple[bool, ...]
    layers: int


def rebuild(
    package: Path,
    settings: Settings,
    progress: Progress,
    *,
    output: Path,
    fresh: bool,
    image: str | None = None,
    replacing: bool = False,
    trusted: bool = False,
) -> Rebuilt:
    """Build the package's commit on its base image with its locked versions; ``image`` names the new image.

    ``replacing`` allows replacing a package of another repository below ``output``; ``trusted`` fetches the package's
    repository as that of any other request.

    Raises:
        UsageError: the folder is not a package with an image.
        RepositoryError: the repository cannot be fetched, or only for a package that is trusted.
        PackmillError: the build failed.
    """
    record = read_provenance(package)
    for sentence in _remarks(record, image):
        progress.warn(sentence)
    if not settings.git_host:
        settings = replace(settings, git_token="")
    request = _request(record, output=output, fresh=fresh, image=image)
    if not trusted:
        settings = _without_account(request, package, settings)
    try:
        built = build(replace(request, replace=replacing, untrusted=not trusted), settings, progress)
    except RepositoryError as error:
        if trusted:
            raise
        raise RepositoryError(
            f"{error}\n  packages are rebuilt without your git login and private networks; {_TRUST}"
        ) from None
    same = tuple(layer in built.layers for layer in record.layers)
    _report(same, progress)
    return Rebuilt(built=built, same=same, layers=len(built.layers))


def _without_account(request: BuildRequest, package: Path, settings: Settings) -> Settings:
    """Return the settings with which a stranger's repository is fetched: a listed one, or a public address.

    Raises:
        RepositoryError: the repository is a folder of this machine.
    """
    if request.repository.local:
        address = printable(request.repository.address)
        raise RepositoryError(f"{package}: its repository is the folder {address} of this machine; {_TRUST}")
    return replace(settings, repositories=replace(settings.repositories, guarded=True))


def read_provenance(package: Path) -> Provenance:
    """Read the provenance in a package's ``package.json``, with its lock.

    Raises:
        UsageError: ``package.json`` is missing, invalid, or describes no image.
    """
    try:
        record = json.loads(_text_of(package, "package.json"))
    except (OSError, ValueError, RecursionError) as error:
        inside = sorted(path.parent.name for path in package.glob("*/package.json"))
        problem = (
            f"contains several packages; choose one: {', '.join(inside)}"
            if inside
            else f"not a readable package: {error}"
        )
        raise UsageError(f"{package}: {problem}") from None
    build = _at(record, "build")
    if not isinstance(build, dict):
        raise UsageError(
            f"{package}: package.json does not describe an image, because of --no-image or an older packmill; "
            "use packmill build instead"
        )
    texts = {
        "address": _at(record, "repository", "address"),
        "checkout": _at(record, "checkout"),
        "commit": _at(record, "commit", "id"),
        "process": _at(record, "process", "path"),
        "base": build.get("base", ""),
        "packmill": _at(record, "packmill"),
    }
    layers, options, lock = build.get("layers"), build.get("options", {}), build.get("lock", "")
    is_ours = all(isinstance(text, str) for text in (*texts.values(), lock)) and isinstance(options, dict)
    if not is_ours or not isinstance(layers, list) or not layers or not all(isinstance(one, str) for one in layers):
        raise UsageError(f"{package}: invalid package.json; packmill did not write it")
    return Provenance(**texts, layers=tuple(layers), options=options, lock=_lock(package, lock) if lock else None)


def _at(value: Any, *names: str) -> Any:
    """Return the nested value of a JSON document; None when a name is missing."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _lock(package: Path, name: str) -> tuple[str, str]:
    if name not in (REQUIREMENTS_LOCK, PYLOCK):
        raise UsageError(f"{package}: package.json names the unknown lock file {printable(name)!r}")
    try:
        return name, _text_of(package, name)
    except (OSError, ValueError) as error:
        raise UsageError(f"{package}: {name} cannot be read: {error}") from None


def _text_of(package: Path, name: str) -> str:
    """Read a regular file of the package; links are refused."""
    with open_regular_file(package / name, follow_links=False) as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise ValueError("larger than 64 MiB")
    return data.decode("utf-8")


def _remarks(record: Provenance, image: str | None) -> Iterator[str]:
    if record.packmill != __version__:
        made_by = printable(record.packmill)
        yield f"the package was built by packmill {made_by}, this is {__version__}; the runner layer will differ"
    named = record.options.get("image")
    if named and image is None:
        shown = printable(str(named))
        yield f"the package's image was named {shown}, the new one gets packmill's own name; set another with --image"


def _request(record: Provenance, *, output: Path, fresh: bool, image: str | None) -> BuildRequest:
    def text(option: str) -> str | None:
        value = record.options.get(option)
        return value if isinstance(value, str) else None

    return build_request(
        record.address,
        checkout=record.checkout,
        commit=record.commit,
        processes=(record.process,),
        environment=text("env"),
        output=output,
        image=image,
        network=record.options.get("network") is True,
        output_template=text("output_template"),
        parameters_cell=text("parameters_cell"),
        kernel=text("kernel"),
        language=text("language"),
        emits=tuple(name for name in (text("emit") or "").split() if name in optional_documents),
        scatter=tuple((text("scatter") or "").split()),
        standard=record.options.get("standard_buildpacks") is True,
        kernel_gateway=record.options.get("kernel_gateway") is True,
        submodules=record.options.get("no_submodules") is not True,
        fresh=fresh,
        lock=record.lock,
        base_image=record.base or None,
        resources={name: text(name) for name in resource_names},
    )


def _report(same: tuple[bool, ...], progress: Progress) -> None:
    if all(same):
        progress.say(f"all {len(same)} layers are identical to the package's")
    else:
        progress.warn(f"{same.count(False)} of {len(same)} layers differ from the package's")
