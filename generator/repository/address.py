"""Parse the address of a repository, with its owner and name, and check the name of a checkout."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

from generator.shared.errors import RepositoryError, UsageError
from generator.shared.safe_text import redacted

_SCP = re.compile(r"(?P<user>[\w.-]+@)?(?P<host>[\w.-]+):(?P<path>(?!//)[^\s]+)")
_HELP = "give an https, ssh or file URL or a local path"


@dataclass(frozen=True, kw_only=True, slots=True)
class Repository:
    """The location of a repository.

    ``address`` never holds a password; ``username`` and ``password`` are those of the URL, if it has any.
    """

    address: str
    owner: str
    name: str
    local: Path | None = None
    host: str = ""
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


def parse_repository(text: str) -> Repository:
    """Parse an https, ssh or file URL, ``user@host:path``, or a local path.

    Raises:
        UsageError: the text is empty, looks like an option, or has characters that cannot be printed.
        RepositoryError: the scheme is not https, ssh or file, the URL names a checkout, or a local path does not exist
            or cannot be read.
    """
    text = text.strip()
    if not text or text.startswith("-") or not text.isprintable():
        raise UsageError(f"{text!r}: not a repository; {_HELP}")
    if "://" in text:
        return _from_url(text)
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # ~name
        raise RepositoryError(f"{text}: the home folder of this user is not known; give the whole path") from None
    if _exists(path):
        return _from_path(path)
    scp = _SCP.fullmatch(text)
    if scp and not scp["host"].startswith("-"):
        if re.match(r"[A-Za-z]+::", text):
            raise RepositoryError(f"{text}: git's remote helpers are not supported; {_HELP}")
        owner, name = _owner_and_name(scp["path"])
        return Repository(address=text, owner=owner, name=name, host=scp["host"])
    raise RepositoryError(f"{text}: folder not found; {_HELP}")


def _from_url(text: str) -> Repository:
    try:
        url = urlsplit(text)
        host, port = url.hostname or "", url.port
    except ValueError:
        raise RepositoryError(f"{redacted(text)}: invalid URL; {_HELP}") from None
    _refuse_checkout(url)
    scheme = url.scheme.lower()
    if scheme == "file":
        path = Path(unquote(url.path))
        if not _exists(path):
            raise RepositoryError(f"{redacted(text)}: folder not found; check the path")
        return _from_path(path)
    if scheme == "http":
        raise RepositoryError(
            f"{redacted(text)}: plain http is not supported, its content could be changed in transit; use https"
        )
    if scheme not in ("https", "ssh") or not host or host.startswith("-"):
        raise RepositoryError(f"{redacted(text)}: {url.scheme!r} is not supported; {_HELP}")
    owner, name = _owner_and_name(unquote(url.path))
    at = f"{url.username}@" if scheme == "ssh" and url.username else ""
    shown_host = f"[{host}]" if ":" in host else host
    address = f"{scheme}://{at}{shown_host}{f':{port}' if port else ''}{url.path}"
    return Repository(
        address=address,
        owner=owner,
        name=name,
        host=f"{shown_host}{f':{port}' if port else ''}",
        username=unquote(url.username or "") if scheme == "https" else "",
        password=unquote(url.password or "") if scheme == "https" else "",
    )


def _refuse_checkout(url: SplitResult) -> None:
    """Refuse ``#v1`` and ``?ref=v1``, which pip and Terraform read: git takes them for a part of the path."""
    if not url.query and not url.fragment:
        return
    named = [value for key, value in parse_qsl(url.query) if key in ("ref", "branch", "tag", "checkout")]
    wanted = url.fragment or (named[0] if named else "")
    what = "fragment (#…)" if url.fragment else "query (?…)"
    advice = f"give the branch, tag or commit as the checkout: --checkout {wanted}" if wanted else "leave it out"
    address = urlunsplit((url.scheme, url.netloc, url.path, "", ""))
    raise RepositoryError(f"{redacted(address)}: the address of a repository has no {what}; {advice}")


def _exists(path: Path) -> bool:
    """Return whether a local path exists; one that is longer than the system takes does not.

    Raises:
        RepositoryError: it cannot be read.
    """
    try:
        return path.exists()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise RepositoryError(f"{path}: cannot be read: {error.strerror}; check the path and its permissions") from None


def _from_path(path: Path) -> Repository:
    try:
        path = path.resolve()
        is_folder = path.is_dir()
    except (OSError, RuntimeError) as error:  # the current folder was removed, or links lead in a circle
        problem = getattr(error, "strerror", None) or error
        raise RepositoryError(f"{path}: cannot be read: {problem}; check the path and its permissions") from None
    if not is_folder:
        raise RepositoryError(f"{path}: not a folder; give the folder that holds the repository")
    owner, name = _owner_and_name("/".join(path.parts[-3:-1] if path.name == ".git" else path.parts[-2:]))
    return Repository(address=str(path), owner=owner, name=name, local=path)


def _owner_and_name(path: str) -> tuple[str, str]:
    """Split a repository's path into owner and name; the owner of ``group/subgroup/name`` is ``group/subgroup``."""
    parts = [
        part for part in path.removesuffix("/").removesuffix(".git").split("/") if part not in ("", ".", "..", "~")
    ]
    if not parts:
        raise RepositoryError(f"{path!r}: the repository's name is missing; {_HELP}")
    if not "".join(parts).isprintable():
        raise RepositoryError(f"{path!r}: the name has characters that cannot be printed; check the address")
    if any(part.lower() == ".git" for part in parts):  # they become folders, where git may keep its own files
        raise RepositoryError(f"{path!r}: '.git' is not the name of a repository or its owner; check the address")
    return "/".join(parts[:-1]) or "local", parts[-1]


def check_checkout(checkout: str) -> str:
    """Return ``checkout`` if git allows it as the name of a branch, tag or commit (git-check-ref-format).

    Raises:
        UsageError: ``checkout`` is not a valid name.
    """
    wrong = re.search(r"[ ~^:?*\[\\]|\.\.|@\{|//|(^|/)\.|\.lock(/|$)", checkout) or not checkout.isprintable()
    if not checkout or wrong or checkout.startswith(("-", "/")) or checkout.endswith(("/", ".")) or checkout == "@":
        raise UsageError(f"{checkout!r}: not a valid checkout; give a branch, a tag or a commit")
    return checkout
