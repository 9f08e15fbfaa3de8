"""The git repository and branch that packages are deposited in, and the address of a deposited file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from generator.repository.address import Repository, check_checkout, parse_repository
from generator.shared.errors import UsageError

default_branch = "main"
_RAW = {
    "github.com": "https://raw.githubusercontent.com/{repository}/{branch}/{path}",
    "bitbucket.org": "https://bitbucket.org/{repository}/raw/{branch}/{path}",
    "codeberg.org": "https://codeberg.org/{repository}/raw/branch/{branch}/{path}",
}
_GITLAB = "https://{host}/{repository}/-/raw/{branch}/{path}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Destination:
    """A branch of a repository; ``template`` is the address of a file in it, if it differs from the host's usual one.

    ``trusted``: the user who named it may run programs here anyway, so the hooks of a local repository run.
    """

    repository: Repository
    branch: str
    template: str | None = None
    trusted: bool = False

    def address(self, path: str) -> str:
        """Return the URL at which people and platforms read a deposited file."""
        host, name = _host_and_name(self.repository)
        template = self.template or _RAW.get(host, _GITLAB if host else "file://{repository}#{branch}:{path}")
        words = {"host": host, "repository": name, "branch": quote(self.branch), "path": quote(path)}
        return re.sub(r"\{(\w+)\}", lambda found: words[found[1]], template)


def parse_destination(
    text: str, *, branch: str | None = None, template: str | None = None, trusted: bool = False
) -> Destination:
    """Parse the address of a destination repository; the branch defaults to ``main``.

    Raises:
        UsageError: the branch or the template is invalid, or the address is empty or looks like an option.
        RepositoryError: the address is not that of a repository.
    """
    if template:
        _check_template(template)
    return Destination(
        repository=parse_repository(text),
        branch=check_checkout(branch or default_branch),
        template=template or None,
        trusted=trusted,
    )


def _check_template(template: str) -> None:
    """Refuse a template with anything but plain words, such as Python's format language."""
    if re.search(r"[{}]", re.sub(r"\{(branch|path|host|repository)\}", "", template)):
        raise UsageError(
            f"{template!r}: only {{branch}} and {{path}} are supported in the address of deposited files; "
            "write it as https://example.org/{branch}/{path}"
        )
    if "{path}" not in template:
        raise UsageError(
            f"{template!r}: {{path}} is missing in the address of deposited files; "
            "write it as https://example.org/{branch}/{path}"
        )


def _host_and_name(repository: Repository) -> tuple[str, str]:
    """Return the host that serves the repository's files, and the repository's path there without ``.git``."""
    if repository.local:
        return "", quote(str(repository.local))
    scp = re.fullmatch(r"(?:[\w.-]+@)?([\w.-]+):(?!//)(.+)", repository.address)
    if scp:
        return scp[1], scp[2].strip("/").removesuffix(".git")
    url = urlsplit(repository.address)
    host = url.hostname or ""
    shown = f"{host}:{url.port}" if url.port and url.scheme == "https" else host
    return shown, url.path.strip("/").removesuffix(".git")
