"""The base image of environments without a Dockerfile: named, pulled, or made from Debian's packages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from packaging.specifiers import SpecifierSet

from generator.containers.engine import Image, inspect, pull, run_in
from generator.image.base import debian
from generator.image.names import default_base_image
from generator.shared.errors import EngineMissingError, EnvironmentSpecError

Say = Callable[[str], None]

_PREFERRED = "3.12"
_MINORS = (_PREFERRED, "3.14", "3.13", "3.11", "3.10")
_OTHER_MINORS = ("3.15", "3.9", "3.8")  # of a family that somebody named: they know what it has
_PLACEHOLDER = "{python}"
_ADVICE = """no base image: {reason}
  name one that this machine can pull, or that is here already: PACKMILL_BASE_IMAGE=registry.example.org/python:3
  as root on Debian packmill makes one itself, from the packages of Debian's archive;
  jobs of 'packmill serve' cannot, so call there before: packmill setup (for another Python: --python 3.13)"""
# Lists the Pythons of an image: the word that starts each, and its version. Words that PATH does not know are paths.
_LIST_PYTHONS = r"""
for name in python3 python3.6 python3.7 python3.8 python3.9 python3.10 python3.11 python3.12 python3.13 python3.14 \
            python3.15 python3.16 python3.17; do
    word=$name
    command -v "$word" > /dev/null || for folder in /usr/local/bin /usr/bin; do
        [ ! -x "$folder/$name" ] || { word=$folder/$name; break; }
    done
    version=$("$word" -I -S -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2> /dev/null) || continue
    printf 'python %s %s\n' "$word" "$version"
done
true
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Base:
    """A base image that is in the engine's store; ``digest`` is its registry's, ``python`` the command to use in it."""

    reference: str
    id: str
    digest: str | None
    python: str = "python3"

    @property
    def pinned(self) -> str:
        """Its name by digest, where a registry gave one: the tag may mean another image by tomorrow."""
        if not self.digest or "@" in self.reference:
            return self.reference
        return f"{re.sub(r':[^/:]*$', '', self.reference)}@{self.digest}"


@dataclass(frozen=True, kw_only=True, slots=True)
class _PythonRequirement:
    """Which Pythons fit, and who says so."""

    specifier: SpecifierSet
    by: str

    def fits(self, version: str) -> bool:
        return self.specifier.contains(version, prereleases=True)

    def fits_some(self, minor: str) -> bool:
        return any(self.fits(f"{minor}.{patch}") for patch in range(32))

    def refusal(self, had: Iterable[str], where: str) -> EnvironmentSpecError:
        listed = ", ".join(had) or "none"
        return EnvironmentSpecError(
            f"{self.by or 'the environment'} asks for Python {self.specifier}, which cannot be had {where}\n"
            f"  there is: {listed}\n"
            "  ask for one of these, or name a base image that has it, as"
            " PACKMILL_BASE_IMAGE=registry.example.org/python:{python}-slim"
        )


def ensure_base_image(named: str | None, *, python: str = "", python_from: str = "", say: Say) -> str:
    """The name of the base image to use; see `find_base`."""
    return find_base(named, python=python, python_from=python_from, say=say).reference


def find_base(named: str | None, *, python: str = "", python_from: str = "", say: Say) -> Base:
    """The base image to use, present in the engine's store.

    A named one is taken as it is; ``{python}`` in its name stands for a version such as 3.12. Otherwise the one made
    earlier on this machine, then python:3.12-slim-bookworm or another version of it, pulled; and where nothing can be
    pulled, one made of Debian's packages. ``python`` is a PEP 440 specifier of the Pythons that fit, ``python_from``
    the files that ask for it.

    Raises:
        EnvironmentSpecError: no base has a Python that fits.
        EngineMissingError: there is no base, and none can be made here.
    """
    asked = _PythonRequirement(specifier=SpecifierSet(python), by=python_from)
    if named and _PLACEHOLDER in named:
        return _find_in_family(named, asked, say)
    if named:
        return _use_named(named, asked, say)
    return _find_default(asked, say)


def _use_named(named: str, asked: _PythonRequirement, say: Say) -> Base:
    own = next((release for release in debian.releases if release.reference == named), None)
    if own and inspect(named) is None:  # of a package that is rebuilt: no registry has it
        _build_debian_base(own, f"{named} is not here")
    reason = _pull_if_missing(named, say)
    if reason:
        raise EngineMissingError(
            _ADVICE.format(reason=f"PACKMILL_BASE_IMAGE={named} is not here and cannot be pulled: {reason}")
        )
    pythons = _list_pythons(named) if str(asked.specifier) else ()
    base = _match(named, asked, pythons)
    if base is None:
        raise asked.refusal(dict.fromkeys(version for _, version in pythons), f"in PACKMILL_BASE_IMAGE={named}")
    return base


def _find_in_family(named: str, asked: _PythonRequirement, say: Say) -> Base:
    minors = [minor for minor in (*_MINORS, *_OTHER_MINORS) if asked.fits_some(minor)]
    if not minors:
        raise asked.refusal(_sort_versions((*_MINORS, *_OTHER_MINORS)), f"as PACKMILL_BASE_IMAGE={named}")
    names = [named.replace(_PLACEHOLDER, minor) for minor in minors]
    base, reason = _find_first(names, asked, say)
    if base:
        return base
    raise EngineMissingError(_ADVICE.format(reason=f"{names[0]} is not here and cannot be pulled: {reason}"))


def _find_default(asked: _PythonRequirement, say: Say) -> Base:
    names = [_official_image(minor) for minor in _MINORS if asked.fits_some(minor)]
    releases = [release for release in debian.releases if asked.fits_some(release.python)]
    if not names:
        raise asked.refusal(_sort_versions(_MINORS), "as python:3.N-slim-bookworm")
    # Whatever is here goes before what would have to be pulled. Without a wish, one of two is enough.
    wishes = bool(str(asked.specifier))
    for candidate in names if wishes else names[:1]:
        base = _match(candidate, asked) if inspect(candidate) else None
        if base:
            return base
    for release in releases if wishes else releases[:1]:
        present = inspect(release.reference)
        base = _match(release.reference, asked) if present else None
        if present and base:
            return _rebuild_if_outdated(release, present, asked, say) or base
    base, reason = _find_first(names if wishes else names[:1], asked, say)
    if base:
        return base
    for release in releases if wishes else releases[:1]:
        say(f"cannot be pulled ({reason}); making {release.reference} from Debian's packages")
        _build_debian_base(release, f"{names[0]} cannot be pulled: {reason}")
        base = _match(release.reference, asked)
        if base:
            return base
    had = [f"{release.python} of Debian's packages" for release in debian.releases]
    raise asked.refusal(had, f"here, where {names[0]} cannot be pulled: {reason}")


def _rebuild_if_outdated(release: debian.Release, present: Image, asked: _PythonRequirement, say: Say) -> Base | None:
    """The image made anew, when another packmill made it otherwise and one can be made here."""
    if present.labels.get(debian.recipe_label) == debian.recipe(release) or not debian.can_make():
        return None
    say(f"{release.reference} was made of other packages or certificates; making it anew")
    try:
        debian.make(release)
    except EngineMissingError as error:
        say(f"it cannot be made anew and stays as it is: {error}")
        return None
    return _match(release.reference, asked)


def _build_debian_base(release: debian.Release, reason: str) -> None:
    if not debian.can_make():
        raise EngineMissingError(_ADVICE.format(reason=reason))
    try:
        debian.make(release)
    except EngineMissingError as error:
        raise EngineMissingError(_ADVICE.format(reason=error)) from None


def _find_first(names: list[str], asked: _PythonRequirement, say: Say) -> tuple[Base | None, str]:
    """The first of these that is here or can be pulled, and fits; otherwise why the first of them cannot be had."""
    reasons = []
    for name in sorted(names, key=lambda name: inspect(name) is None):
        reason = _pull_if_missing(name, say)
        base = None if reason else _match(name, asked)
        if base:
            return base, ""
        reasons.append(reason or f"{name} has another patch release")
        if reason and not _is_absent(reason):
            break  # a registry that does not answer does not answer the next time either
    return None, reasons[0]


def _pull_if_missing(reference: str, say: Say) -> str:
    """Pulls an image that is not here; why it cannot be pulled, empty when it is here."""
    if inspect(reference) is not None:
        return ""
    say(f"pulling {reference}")
    return pull(reference)


def _is_absent(reason: str) -> bool:
    known = r"manifest unknown|manifest for \S+ not found|repository does not exist|no such (manifest|image)"
    return bool(re.search(known, reason, re.IGNORECASE))


def _match(
    reference: str, asked: _PythonRequirement, pythons: tuple[tuple[str, str], ...] | None = None
) -> Base | None:
    """The image with the first of its Pythons that fits; without a wish nobody looks which it has."""
    image = inspect(reference)
    if image is None:
        return None
    of_image = partial(Base, reference=reference, id=image.id, digest=image.own_digest)
    if not str(asked.specifier):
        return of_image()
    pythons = _list_pythons(reference) if pythons is None else pythons
    return next((of_image(python=word) for word, version in pythons if asked.fits(version)), None)


def _list_pythons(reference: str) -> tuple[tuple[str, str], ...]:
    """Command and version of an image's Pythons: ``python3`` first, then the newest."""
    _, out, _ = run_in(reference, ("-c", _LIST_PYTHONS), entrypoint="sh")
    return tuple(_sort_pythons(re.findall(r"^python (\S+) (\d+\.\d+\.\d+)$", out, re.MULTILINE)))


def _sort_pythons(found: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    yield from (one for one in found if one[0] == "python3")
    others = (one for one in found if one[0] != "python3")
    yield from sorted(others, key=lambda one: _version_numbers(one[1]), reverse=True)


def _official_image(minor: str) -> str:
    return default_base_image.replace(f":{_PREFERRED}-", f":{minor}-")


def _sort_versions(versions: Iterable[str]) -> list[str]:
    return sorted(versions, key=_version_numbers)


def _version_numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
