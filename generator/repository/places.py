"""Identify the package that holds a place; places are named ``<owner>/<name>/<checkout>``, so two hosts may share one.

Pure: `generator.package.folder` and `generator.repository.deposit` read the files of a place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from generator.shared.errors import PublishError
from generator.shared.safe_text import printable, redacted

_DEFAULT_PORTS = {"https": 443, "ssh": 22}
_SCP = re.compile(r"(?:[^@/:]+@)?(?P<host>[^@/:]+):(?P<path>.+)", re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """The package that holds a place; ``place`` is the place that its own repository and checkout give it.

    ``documents`` are the files that packmill wrote, relative to the package's folder.
    """

    address: str
    checkout: str
    place: str
    documents: tuple[str, ...] = ()

    def is_same(self, other: Holder) -> bool:
        """Return whether both are packages of one repository and one checkout."""
        return self.checkout == other.checkout and repository_identity(self.address) == repository_identity(
            other.address
        )


class PlaceTakenError(PublishError):
    """A place holds a package of another repository, or files that packmill did not write.

    ``present`` describes the current content, ``requested`` the package that would replace it.
    """

    def __init__(self, where: str, *, present: str, requested: Holder, otherwise: str) -> None:
        self.where, self.present, self.requested = where, present, _describe(requested)
        super().__init__(
            f"{where}: this place holds {present}; the package of {self.requested} would replace it: "
            f"{otherwise}, or replace it with --replace (CI variable: replace=yes)"
        )


def place_taken_error(where: str, present: Holder, requested: Holder, *, otherwise: str) -> PlaceTakenError:
    """Create the error for a place that another package holds; ``otherwise`` is the advice besides replacing it."""
    return PlaceTakenError(
        where, present=f"the package of {_describe(present)}", requested=requested, otherwise=otherwise
    )


def foreign_files_error(where: str, names: Iterable[str], requested: Holder, *, otherwise: str) -> PlaceTakenError:
    """Create the error for a place with files that packmill did not write."""
    some = sorted(names)
    listed = ", ".join(map(printable, some[:3])) + (", …" if len(some) > 3 else "")
    present = f"files that packmill did not write ({listed})"
    return PlaceTakenError(where, present=present, requested=requested, otherwise=otherwise)


def read_holder(text: str | bytes) -> Holder | None:
    """Read the holder from the text of a ``package.json``; return None if packmill did not write it."""
    try:
        found = json.loads(text)
        documents, repository = found["documents"], found.get("repository", {})
        address, owner, name = (repository.get(word, "") for word in ("address", "owner", "name"))
        checkout = found.get("checkout", "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if not isinstance(documents, list) or not all(isinstance(one, str) for one in (*documents, address, checkout)):
        return None
    return Holder(address=address, checkout=checkout, place=f"{owner}/{name}/{checkout}", documents=tuple(documents))


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
