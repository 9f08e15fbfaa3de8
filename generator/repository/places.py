"""Decide which package holds a place, and which packages a build may replace.

A place is named ``<owner>/<name>/<checkout>``, so two hosts may share one. The default process has the place itself,
every other process a folder of its own directly below it.

Pure: `generator.package.place` and `generator.repository.deposit` read the files of a place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from generator.repository.process_folders import process_folder
from generator.shared.errors import PublishError
from generator.shared.safe_text import printable, redacted

_DEFAULT_PORTS = {"https": 443, "ssh": 22}
_SCP = re.compile(r"(?:[^@/:]+@)?(?P<host>[^@/:]+):(?P<path>.+)", re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """The package that holds a place; ``place`` is the place that its own repository and checkout give it.

    ``process`` is the path of its process, empty if unknown. ``documents`` are the files that packmill wrote, relative
    to the package's folder.
    """

    address: str
    checkout: str
    place: str
    process: str = ""
    documents: tuple[str, ...] = ()

    def is_same(self, other: Holder) -> bool:
        """Return whether both are packages of one repository and one checkout."""
        return self.checkout == other.checkout and repository_identity(self.address) == repository_identity(
            other.address
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """The folders that a build fills with packages.

    ``folders`` are the paths of processes by the folder of their package, relative to the place ``path``; the place
    itself is the empty folder. ``replace`` allows replacing packages of other repositories, processes and programs.
    """

    path: str
    own: Holder
    folders: Mapping[str, str]
    replace: bool = False

    def replaces(self, present: Holder, folder: str, *, where: str, otherwise: str) -> bool:
        """Return whether the build replaces a package in a folder of its place, or moves it from there.

        A package of the same process in another folder moves: earlier versions chose folders differently. A package
        of a checkout such as main/x, below main, stays, and so do those of processes that are not built.

        Raises:
            PlaceTakenError: the folder is claimed, and holds the package of another repository, checkout or process.
        """
        is_claimed = folder in self.folders
        if not present.is_same(self.own):
            if not is_claimed and present.place != self.path:
                return False
            if not self.replace:
                raise place_taken_error(where, present, self.own, otherwise=otherwise)
            return True
        is_rebuilt = present.process in self.folders.values() if present.process else is_claimed
        if is_rebuilt:
            return True
        if is_claimed and not self.replace:
            raise _process_taken_error(where, present, folder, self.folders[folder], otherwise=otherwise)
        return is_claimed


class PlaceTakenError(PublishError):
    """A place holds another package, or files that packmill did not write.

    ``present`` describes the current content, ``requested`` the package that would replace it.
    """

    def __init__(self, where: str, *, present: str, requested: str, otherwise: str) -> None:
        self.where, self.present, self.requested = where, present, requested
        super().__init__(
            f"{where}: this place holds {present}; the package of {requested} would replace it: "
            f"{otherwise}, or replace it with --replace (CI variable: replace=yes)"
        )


def place_taken_error(where: str, present: Holder, requested: Holder, *, otherwise: str) -> PlaceTakenError:
    """Create the error for a place that another package holds; ``otherwise`` is the advice besides replacing it."""
    described = f"the package of {_describe(present)}"
    return PlaceTakenError(where, present=described, requested=_describe(requested), otherwise=otherwise)


def _process_taken_error(
    where: str, present: Holder, folder: str, requested: str, *, otherwise: str
) -> PlaceTakenError:
    """Create the error for a folder with the package of another process of the same repository and checkout."""
    name = printable(present.process)
    if process_folder(present.process) == folder:
        described, advice = f"the package of {name}", f"rename one of them, {otherwise}"
    else:
        described = f"the package of {name}, which an earlier version of packmill put there"
        advice = f"build {name} again, which moves its package to a folder of its own, {otherwise}"
    return PlaceTakenError(where, present=described, requested=printable(requested), otherwise=advice)


def foreign_files_error(where: str, names: Iterable[str], requested: Holder, *, otherwise: str) -> PlaceTakenError:
    """Create the error for a place with files that packmill did not write."""
    some = sorted(names)
    listed = ", ".join(map(printable, some[:3])) + (", …" if len(some) > 3 else "")
    present = f"files that packmill did not write ({listed})"
    return PlaceTakenError(where, present=present, requested=_describe(requested), otherwise=otherwise)


def read_holder(text: str | bytes) -> Holder | None:
    """Read the holder from the text of a ``package.json``; return None if packmill did not write it."""
    try:
        found = json.loads(text)
        documents, repository, process = found["documents"], found.get("repository", {}), found.get("process")
        address, owner, name = (repository.get(word, "") for word in ("address", "owner", "name"))
        checkout, path = found.get("checkout", ""), process.get("path") if isinstance(process, dict) else ""
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if not isinstance(documents, list) or not all(isinstance(one, str) for one in (*documents, address, checkout)):
        return None
    return Holder(
        address=address,
        checkout=checkout,
        place=f"{owner}/{name}/{checkout}",
        process=path if isinstance(path, str) else "",
        documents=tuple(documents),
    )


def repository_identity(address: str) -> str:
    """Return one text for all addresses of a repository: by https, ssh or git@, with or without ``.git``.

    The host's case, users, passwords and default ports are ignored. A local path is returned unchanged.
    """
    host, port, path = _parts(address)
    if not host:
        return address
    names = [name for name in path.removesuffix("/").removesuffix(".git").split("/") if name]
    return f"{host.lower()}{f':{port}' if port else ''}/{'/'.join(names)}"


def _parts(address: str) -> tuple[str, int | None, str]:
    """Split an address into host, port unless it is the scheme's default, and quoted path; a local path has no host."""
    if "://" not in address:
        scp = _SCP.fullmatch(address)
        return (scp["host"], None, _quoted(scp["path"], safe="/")) if scp else ("", None, address)
    try:
        url = urlsplit(address)
        host, port, default = url.hostname or "", url.port, _DEFAULT_PORTS[url.scheme.lower()]
    except (ValueError, KeyError):
        return "", None, address
    path = "/".join(_quoted(unquote(name)) for name in url.path.split("/"))  # %2F stays within its name
    return host, None if port == default else port, path


def _quoted(text: str, safe: str = "") -> str:
    return quote(text, safe=safe, errors="surrogatepass")


def _describe(holder: Holder) -> str:
    address = printable(redacted(holder.address)) or "an unknown repository"
    return f"{address} at {printable(holder.checkout)}" if holder.checkout else address
