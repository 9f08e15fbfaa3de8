"""Use a requested file, from the repository or a URL, instead of the repository's own environment."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from urllib.parse import urljoin

import requests
from urllib3.exceptions import HTTPError

from generator.environment.environment import configuration_name
from generator.network.address_policy import Access, AddressPolicy, any_repository
from generator.network.addresses import check
from generator.network.guarded_proxy import GuardedProxy, guarded_proxy
from generator.repository.checkout import inside, read_bytes
from generator.shared.errors import EnvironmentSpecError
from generator.shared.safe_text import redacted

_SIZE_LIMIT = 1024**2
_TIMEOUT = 60.0
_MOST_REDIRECTS = 10
_LEAVES_HTTPS = "redirects to an address without https"


def place(requested: str, folder: Path, policy: AddressPolicy = any_repository) -> str:
    """Make a file the only one in the checkout's ``.binder`` folder; return its name and the digest of its content.

    repo2docker then reads no other configuration file of the repository. A URL may be any public one, or one that the
    ``policy`` for repositories allows.

    Raises:
        EnvironmentSpecError: the file is missing, cannot be fetched, or is not a configuration file of repo2docker.
    """
    unfit = ("pyproject.toml", "setup.py")
    if requested.endswith(unfit):
        raise EnvironmentSpecError(
            f"{redacted(requested)}: {' and '.join(unfit)} are only read at the repository's top"
        )
    if "://" in requested:
        name = configuration_name(requested.partition("?")[0].partition("#")[0])
        content = _fetch(requested, _for_environments(policy))
    else:
        content, name = _read(requested, folder), configuration_name(requested)
    for binder in (folder / "binder", folder / ".binder"):
        if binder.is_symlink() or (binder.name == ".binder" and binder.is_file()):
            binder.unlink()
        shutil.rmtree(binder, ignore_errors=True)
    (folder / ".binder").mkdir()
    (folder / ".binder" / name).write_bytes(content)
    return f"{name} {hashlib.sha256(content).hexdigest()}"


def _for_environments(policy: AddressPolicy) -> AddressPolicy:
    """Return the policy for URLs of environments: any public address, and those listed for repositories."""
    listed = (*policy.listed, "public") if policy.listed else ()
    return replace(policy, listed=listed, error=EnvironmentSpecError)


def _read(requested: str, folder: Path) -> bytes:
    file = inside(folder, requested.lstrip("/") if requested.startswith("./") else requested)
    if file is None or not file.is_file():
        raise EnvironmentSpecError(
            f"{requested}: the environment is not in the repository; give a path from its top, or an https URL"
        )
    return read_bytes(file, requested, EnvironmentSpecError)


def _fetch(url: str, policy: AddressPolicy) -> bytes:
    """Fetch a URL; the address of each redirect is checked before it is followed."""
    shown = redacted(url)
    with ExitStack() as stack:
        for _ in range(_MOST_REDIRECTS):
            if not url.startswith("https://"):
                how = "only https is used to fetch an environment" if redacted(url) == shown else _LEAVES_HTTPS
                raise EnvironmentSpecError(f"{shown}: {how}")
            access = check(policy, url)
            proxy = stack.enter_context(guarded_proxy(policy.reachable)) if access is Access.PUBLIC else None
            try:
                response = stack.enter_context(_get(url, proxy))
                if not response.is_redirect:
                    response.raise_for_status()
                    return _check_content(response.raw.read(_SIZE_LIMIT + 1, decode_content=True), shown)
            except (requests.RequestException, HTTPError) as error:  # requests does not replace all of urllib3's
                if proxy and proxy.refused:
                    raise policy.error(policy.refusal(shown, f"{proxy.refused[-1]}, which is not public")) from None
                answer = getattr(error, "response", None)
                status = f"status {answer.status_code}" if answer is not None else type(error).__name__
                raise EnvironmentSpecError(f"{shown}: the environment cannot be fetched: {status}") from None
            try:
                url = urljoin(url, response.headers["Location"])
            except ValueError:
                raise EnvironmentSpecError(f"{shown}: redirects to an invalid address") from None
    raise EnvironmentSpecError(f"{shown}: more than {_MOST_REDIRECTS} redirects")


def _get(url: str, proxy: GuardedProxy | None) -> requests.Response:
    """Send one request; a guarded proxy's request ignores the credentials in ``.netrc``."""
    if proxy is None:
        return requests.get(url, timeout=_TIMEOUT, stream=True, allow_redirects=False)
    proxies = {"http": proxy.url, "https": proxy.url}
    return requests.get(
        url, timeout=_TIMEOUT, stream=True, allow_redirects=False, proxies=proxies, auth=lambda request: request
    )


def _check_content(content: bytes, shown: str) -> bytes:
    if len(content) > _SIZE_LIMIT:
        raise EnvironmentSpecError(f"{shown}: larger than 1 MiB, not a configuration file")
    if content.lstrip()[:15].lower().startswith((b"<!doctype", b"<html")):
        raise EnvironmentSpecError(f"{shown}: a web page, not a configuration file: use the address of the raw file")
    return bytes(content)
