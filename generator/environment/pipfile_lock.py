"""Convert a ``Pipfile.lock`` to requirements with hashes, to be installed unchanged (pipenv's ``get_pip_line``)."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from generator.environment.project import read_json
from generator.environment.requirements import Requirements
from generator.environment.secret_addresses import holds_secret
from generator.shared.errors import EnvironmentSpecError
from generator.shared.safe_text import printable, redacted

_PYPI = ("pypi.org", "pypi.python.org")
_MARKERS = (
    "implementation_name os_name platform_machine platform_python_implementation platform_system python_full_version "
    "python_version sys_platform"
).split()


def read_pipfile_lock(file: str, text: str, *, develop: bool = False) -> Requirements:
    """Convert the ``default`` section, sorted by name, after its indexes; paths are relative to the repository's top.

    Install the result without dependencies. ``develop`` adds the section of that name.

    Raises:
        EnvironmentSpecError: the text is not a lock file, or a package in it cannot be installed.
    """
    document = read_json(text, file)
    entries = {**(_section(document, "develop", file) if develop else {}), **_section(document, "default", file)}
    indexes = tuple(_index_lines(document, file))
    lines = [_line(name, entries[name], file) for name in sorted(entries, key=canonicalize_name)]
    return Requirements(
        files=((file, "".join(f"{line}\n" for line in (*indexes, *lines))),),
        is_local=any(_path(entry) is not None for entry in entries.values()),
        needs_git=any("git" in entry for entry in entries.values()),
        index_lines=indexes,
        remarks=tuple(_remarks(document, file)),
    )


def _section(document: Mapping[str, Any], name: str, file: str) -> dict[str, Mapping[str, Any]]:
    section = document.get(name) or {}
    if not isinstance(section, dict) or not all(isinstance(entry, dict) for entry in section.values()):
        raise EnvironmentSpecError(
            f"{file}: its section {name!r} is not a table of packages; recreate the file with pipenv lock"
        )
    return section


def _line(name: str, entry: Mapping[str, Any], file: str) -> str:
    where = f"{file}: {printable(name)}"
    if any(key in entry for key in ("hg", "svn", "bzr")):
        raise EnvironmentSpecError(f"{where}: packages are fetched from version control by git alone")
    extras = f"[{','.join(sorted(map(str, entry['extras'])))}]" if isinstance(entry.get("extras"), list) else ""
    marker = _marker(entry)
    path = _path(entry)
    if path is not None:
        marked = _parse_requirement(f"x ; {marker}", where).partition(";")[2].strip() if marker else ""
        shown = f"{_path_from_top(path, file, where)}{extras}{f' ; {marked}' if marked else ''}"
        return f"-e {shown}" if entry.get("editable") is True else shown
    if "git" in entry or "file" in entry:
        source = f" @ {_url(_git(entry, where) if 'git' in entry else str(entry['file']), where)}"
    else:
        source = "" if entry.get("version") == "*" else str(entry.get("version") or "")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) or re.match(r"[^ =<>!~]", source):
        raise EnvironmentSpecError(f"{where}: invalid requirement: {printable(name + source)}")
    hashes = entry.get("hashes") if isinstance(entry.get("hashes"), list) else ()
    written = _parse_requirement(f"{name}{extras}{source}{f' ; {marker}' if marker else ''}", where)
    return f"{written}{''.join(f' --hash={_hash(one, where)}' for one in hashes or ())}"


def _parse_requirement(requirement: str, where: str) -> str:
    try:
        return str(Requirement(requirement))
    except (InvalidRequirement, RecursionError) as error:
        problem = printable(str(error).partition("\n")[0])
        raise EnvironmentSpecError(f"{where}: invalid requirement: {problem}") from None


def _marker(entry: Mapping[str, Any]) -> str:
    """Join ``markers`` with the separate keys of older locks, such as ``sys_platform``."""
    own = [f"{name} {entry[name]}" for name in _MARKERS if isinstance(entry.get(name), str)]
    whole = [*([str(entry["markers"])] if entry.get("markers") else []), *own]
    return " and ".join(f"({one})" for one in whole) if len(whole) > 1 else "".join(whole)


def _hash(text: object, where: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+:[0-9a-f]+", str(text)):
        raise EnvironmentSpecError(f"{where}: {printable(str(text)[:100])!r} is not a hash")
    return str(text)


def _git(entry: Mapping[str, Any], where: str) -> str:
    url = str(entry["git"]).removeprefix("git+")
    short = re.fullmatch(r"([\w.-]+@[\w.-]+):(?!//)(.+)", url)
    url = f"ssh://{short.group(1)}/{short.group(2)}" if short else url
    if not url.startswith(("https://", "ssh://")):
        raise EnvironmentSpecError(f"{where}: git fetches over https or ssh")
    reference = f"@{entry['ref']}" if entry.get("ref") else ""
    folder = f"#subdirectory={entry['subdirectory']}" if entry.get("subdirectory") else ""
    return f"git+{url}{reference}{folder}"


def _url(url: str, where: str) -> str:
    if not re.fullmatch(r"[\x21-\x7e]+", url):
        raise EnvironmentSpecError(f"{where}: its address has a space or another invalid character")
    if holds_secret(url) or "$" in url:
        raise EnvironmentSpecError(f"{where}: its address holds or requests a secret; builds have no secrets")
    return url


def _path(entry: Mapping[str, Any]) -> str | None:
    """Return the path of a package in the repository, or None for a package from elsewhere."""
    for key in ("path", "file"):
        value = entry.get(key)
        if isinstance(value, str) and (key == "path" or "://" not in value or value.startswith("file:")):
            return value
    return None


def _path_from_top(path: str, file: str, where: str) -> str:
    top = posixpath.normpath(posixpath.join(posixpath.dirname(file), path.removeprefix("file:")))
    if top.startswith(("/", "../")) or top == ".." or not path.isprintable():
        raise EnvironmentSpecError(f"{where}: {printable(path)!r} leads out of the repository")
    if re.search(r"\s", path):
        raise EnvironmentSpecError(f"{where}: {path!r} has a space, which requirements do not allow; rename the folder")
    return f"./{'' if top == '.' else top}"


def _index_lines(document: Mapping[str, Any], file: str) -> Iterator[str]:
    """List the indexes other than PyPI; the first replaces PyPI if the lock does not list PyPI."""
    sources = [(f"{file}: source {one.get('name', '')!r}", str(one["url"])) for one in _sources(document)]
    others = [(where, url) for where, url in sources if _split(url, where).hostname not in _PYPI]
    for number, (where, url) in enumerate(others):
        if "$" in url or "@" in _split(url, where).netloc:
            raise EnvironmentSpecError(
                f"{where}: needs a user name or a token; builds have no secrets\n"
                "  lock against a public index, or provide a Dockerfile"
            )
        if not url.startswith("https://"):
            raise EnvironmentSpecError(f"{where}: only https is used to fetch packages")
        instead = number == 0 and len(others) == len(sources)
        yield f"{'--index-url' if instead else '--extra-index-url'} {_url(url, where)}"


def _split(url: str, where: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise EnvironmentSpecError(f"{where}: invalid URL: {printable(redacted(url))}") from None


def _sources(document: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    meta = document.get("_meta")
    sources = meta.get("sources") if isinstance(meta, Mapping) else None
    listed = sources if isinstance(sources, list) else []
    return [one for one in listed if isinstance(one, Mapping) and one.get("url")]


def _remarks(document: Mapping[str, Any], file: str) -> Iterator[str]:
    for one in _sources(document):
        if one.get("verify_ssl") is False:
            name = printable(str(one.get("name", "")))
            yield f"{file}: verify_ssl = false of {name!r} is ignored, certificates are always verified"
