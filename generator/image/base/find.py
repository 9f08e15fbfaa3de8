"""The base image of environments without a Dockerfile: named, pulled, or built from Debian's packages."""

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
_MINORS = (_PREFERRED, "3.14", "3.13", "3.11", "3.10", "3.9")
_OTHER_MINORS = ("3.15",)  # only for a name with a placeholder, whose user knows which versions exist
_OLDEST = "3.9"
"""The oldest Python that packmill's build of plain environments and its kernel support."""
_PLACEHOLDER = "{python}"
_ADVICE = """base image unavailable: {reason}
  set PACKMILL_BASE_IMAGE to an image that this machine has or can pull: registry.example.org/python:3
  as root on Debian, packmill builds one itself from Debian's packages;
  jobs of 'packmill serve' cannot, so run this before: packmill setup (for another Python: --python 3.13)"""
# Lists the Pythons of an image: the command that starts each, a path if it is not on PATH, and its version.
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
    """A base image in the engine; ``digest`` is its registry's, ``python`` the command of the Python to use.

    ``id`` identifies it on machines of all architectures.
    """

    reference: str
    id: str
    digest: str | None
    python: str = "python3"

    @property
    def pinned(self) -> str:
        """Its name by digest, if a registry gave one: a tag may refer to another image later."""
        if not self.digest or "@" in self.reference:
            return self.reference
        return f"{re.sub(r':[^/:]*$', '', self.reference)}@{self.digest}"


@dataclass(frozen=True, kw_only=True, slots=True)
class _PythonRequirement:
    """The versions of Python that fit, and the files that require them."""

    specifier: SpecifierSet
    source: str

    def fits(self, version: str) -> bool:
        return self.specifier.contains(version, prereleases=True)

    def fits_minor(self, minor: str) -> bool:
        return any(self.fits(f"{minor}.{patch}") for patch in range(32))

    def refuse_if_too_old(self) -> None:
        """Refuse Pythons that no base image could make work.

        Raises:
            EnvironmentSpecError: only Pythons before the oldest one fit.
        """
        later = (f"3.{minor}" for minor in range(int(_OLDEST.partition(".")[2]), 40))
        if not any(map(self.fits_minor, later)):
            raise EnvironmentSpecError(
                f"{self._describe()}: packmill's kernel and its build of environments need Python {_OLDEST} or later\n"
                "  require a later one, or give a Dockerfile that installs this Python and ipykernel: --env Dockerfile"
            )

    def unavailable(self, available: Iterable[str], where: str) -> EnvironmentSpecError:
        listed = ", ".join(available) or "none"
        return EnvironmentSpecError(
            f"{self._describe()} {where}\n"
            f"  available: {listed}\n"
            "  require one of these, give another environment with --env, or name a base image that has it:"
            " PACKMILL_BASE_IMAGE=registry.example.org/python:{python}-bookworm"
        )

    def _describe(self) -> str:
        return f"{self.source or 'the environment'}: Python {self.specifier} is not available"


def ensure_base_image(named: str | None, *, python: str = "", python_from: str = "", say: Say) -> str:
    """Return the name of the base image to use; see `find_base`."""
    return find_base(named, python=python, python_from=python_from, say=say).reference


def find_base(named: str | None, *, python: str = "", python_from: str = "", say: Say) -> Base:
    """Find the base image to use, and pull or build it if the engine lacks it.

    A ``named`` one is used as it is; ``{python}`` in its name is replaced by a version such as 3.12. The default is an
    image of python:3.12-slim-bookworm or another version, or of Debian's packages, if the engine has one that fits;
    otherwise the former is pulled, and if nothing can be pulled, the latter is built. ``python`` is a PEP 440 specifier
    of the versions that fit, ``python_from`` the files that require it.

    Raises:
        EnvironmentSpecError: no base image has a Python that fits.
        EngineMissingError: no base image is present, can be pulled, or can be built here.
    """
    needed = _PythonRequirement(specifier=SpecifierSet(python), source=python_from)
    needed.refuse_if_too_old()
    if named and _PLACEHOLDER in named:
        return _find_in_family(named, needed, say)
    if named:
        return _use_named(named, needed, say)
    return _find_default(needed, say)


def list_present(named: str | None) -> Iterator[Base]:
    """List the images in the engine that `find_base` may choose, without pulling or building any."""
    if named and _PLACEHOLDER not in named:
        names = [named]
    elif named:
        names = [named.replace(_PLACEHOLDER, minor) for minor in _MINORS]
    else:
        names = [*map(_official_image, _MINORS), *(release.reference for release in debian.releases)]
    any_python = _PythonRequirement(specifier=SpecifierSet(), source="")
    return filter(None, (_match(name, any_python) for name in names))


def _use_named(named: str, needed: _PythonRequirement, say: Say) -> Base:
    own = next((release for release in debian.releases if release.reference == named), None)
    if own and inspect(named) is None:  # for a rebuild of a package: no registry has it
        _build_debian_base(own, f"{named} is not in the engine")
    reason = _pull_if_missing(named, say)
    if reason:
        raise EngineMissingError(
            _ADVICE.format(reason=f"PACKMILL_BASE_IMAGE={named} is not in the engine and cannot be pulled: {reason}")
        )
    pythons = _list_pythons(named) if str(needed.specifier) else ()
    base = _match(named, needed, pythons)
    if base is None:
        raise needed.unavailable(dict.fromkeys(version for _, version in pythons), f"in PACKMILL_BASE_IMAGE={named}")
    return base


def _find_in_family(named: str, needed: _PythonRequirement, say: Say) -> Base:
    minors = [minor for minor in (*_MINORS, *_OTHER_MINORS) if needed.fits_minor(minor)]
    if not minors:
        raise needed.unavailable(_sort_versions((*_MINORS, *_OTHER_MINORS)), f"as PACKMILL_BASE_IMAGE={named}")
    names = [named.replace(_PLACEHOLDER, minor) for minor in minors]
    base, reason = _find_first(names, needed, say)
    if base:
        return base
    raise EngineMissingError(_ADVICE.format(reason=f"{names[0]} is not in the engine and cannot be pulled: {reason}"))


def _find_default(needed: _PythonRequirement, say: Say) -> Base:
    names = [_official_image(minor) for minor in _MINORS if needed.fits_minor(minor)]
    releases = [release for release in debian.releases if needed.fits_minor(release.python)]
    if not names:
        first, *_, last = _sort_versions(_MINORS)
        raise needed.unavailable(_available(""), f"as python:{first}-slim-bookworm to python:{last}-slim-bookworm")
    # Prefer images in the engine to those that must be pulled. Without a specifier, try one candidate of each kind.
    is_specific = bool(str(needed.specifier))
    for candidate in names if is_specific else names[:1]:
        base = _match(candidate, needed) if inspect(candidate) else None
        if base:
            return base
    for release in releases if is_specific else releases[:1]:
        present = inspect(release.reference)
        base = _match(release.reference, needed) if present else None
        if present and base:
            return _rebuild_if_outdated(release, present, needed, say) or base
    base, reason = _find_first(names if is_specific else names[:1], needed, say)
    if base:
        return base
    for release in releases if is_specific else releases[:1]:
        say(f"cannot be pulled ({reason}); building {release.reference} from Debian's packages")
        _build_debian_base(release, f"{names[0]} cannot be pulled: {reason}")
        base = _match(release.reference, needed)
        if base:
            return base
    available = list(_available(names[0]))
    raise needed.unavailable(available, f"here, where {names[0]} cannot be pulled: {reason}")


def _available(unavailable: str) -> Iterator[str]:
    """Yield the Pythons that this machine has or can make without a registry."""
    for minor in _sort_versions(_MINORS):
        if _official_image(minor) != unavailable and inspect(_official_image(minor)):
            yield f"{minor} of {_official_image(minor)}"
    for release in debian.releases:
        if debian.can_make() or inspect(release.reference):
            yield f"{release.python} of Debian's packages"


def _rebuild_if_outdated(release: debian.Release, present: Image, needed: _PythonRequirement, say: Say) -> Base | None:
    """Rebuild an image that was built from other packages or certificates, if this machine can."""
    if present.labels.get(debian.recipe_label) == debian.recipe(release) or not debian.can_make():
        return None
    say(f"{release.reference} was built from other packages or certificates; rebuilding it")
    try:
        debian.make(release)
    except EngineMissingError as error:
        say(f"{release.reference} cannot be rebuilt; using it as it is: {error}")
        return None
    return _match(release.reference, needed)


def _build_debian_base(release: debian.Release, reason: str) -> None:
    if not debian.can_make():
        raise EngineMissingError(_ADVICE.format(reason=reason))
    try:
        debian.make(release)
    except EngineMissingError as error:
        raise EngineMissingError(_ADVICE.format(reason=error)) from None


def _find_first(names: list[str], needed: _PythonRequirement, say: Say) -> tuple[Base | None, str]:
    """Return the first image that is present or can be pulled, and fits; otherwise why the first one is unavailable."""
    reasons = []
    for name in sorted(names, key=lambda name: inspect(name) is None):
        reason = _pull_if_missing(name, say)
        base = None if reason else _match(name, needed)
        if base:
            return base, ""
        reasons.append(reason or f"{name} has another patch release")
        if reason and not _is_absent(reason):
            break  # the registry does not answer, so it will not for the next name either
    return None, reasons[0]


def _pull_if_missing(reference: str, say: Say) -> str:
    """Pull an image if the engine lacks it; return why it cannot be pulled, or the empty string."""
    if inspect(reference) is not None:
        return ""
    say(f"pulling {reference}")
    return pull(reference)


def _is_absent(reason: str) -> bool:
    known = r"manifest unknown|manifest for \S+ not found|repository does not exist|no such (manifest|image)"
    return bool(re.search(known, reason, re.IGNORECASE))


def _match(
    reference: str, needed: _PythonRequirement, pythons: tuple[tuple[str, str], ...] | None = None
) -> Base | None:
    """Return the image with its first Python that fits; without a specifier, do not list them."""
    image = inspect(reference)
    if image is None:
        return None
    of_image = partial(Base, reference=reference, id=image.identity, digest=image.own_digest)
    if not str(needed.specifier):
        return of_image()
    pythons = _list_pythons(reference) if pythons is None else pythons
    return next((of_image(python=word) for word, version in pythons if needed.fits(version)), None)


def _list_pythons(reference: str) -> tuple[tuple[str, str], ...]:
    """Return command and version of an image's Pythons: ``python3`` first, then the newest."""
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
