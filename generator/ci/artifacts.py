"""Fetch the package of an earlier job with the current job's token (GitLab's job artifacts API)."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urljoin

import requests

from generator.package.folder import documents_of
from generator.shared.errors import UsageError

_LIMIT = 2 << 30


def fetch_package(environment: Mapping[str, str], folder: Path) -> Path:
    """Download the package of the job in the variable ``package`` into ``folder``; return the package's top folder.

    Raises:
        UsageError: the variable is not a job number, this is not a CI job, or the job has no package.
    """
    number = environment.get("package", "").strip()
    names = ("CI_API_V4_URL", "CI_PROJECT_ID", "CI_JOB_TOKEN")
    if not number.isdecimal():
        raise UsageError(f"the variable 'package' is {number!r}; set it to the number of a job that built a package")
    if not all(environment.get(name) for name in names):
        raise UsageError("the package of another job can only be run in a CI job; use packmill run PACKAGE here")
    api, project, token = (environment[name] for name in names)
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / "artifacts.zip"
    _download(f"{api}/projects/{project}/jobs/{number}/artifacts", token, archive)
    try:
        with zipfile.ZipFile(archive) as packed:
            if sum(one.file_size for one in packed.infolist()) > _LIMIT:
                raise UsageError(f"the artifacts of job {number} are larger than {_LIMIT} bytes")
            packed.extractall(folder)  # which keeps every name inside the folder
    except zipfile.BadZipFile as error:
        raise UsageError(f"the artifacts of job {number} cannot be read: {error}") from None
    finally:
        archive.unlink(missing_ok=True)
    # Files elsewhere in the archive were written by a run, which is untrusted.
    places = sorted((folder / "packages").rglob("package.json"))
    tops = [path.parent for path in places if documents_of(path.parent) is not None]
    if not tops:
        raise UsageError(f"job {number} has no package in its artifacts; choose a job of the stage 'build'")
    return tops[0] if len(tops) == 1 else tops[0].parent


def _save(answer: requests.Response, url: str, target: Path) -> None:
    if answer.status_code != 200:
        raise UsageError(f"{url}: {answer.status_code} {answer.reason}; the job has no artifacts, or they have expired")
    with answer, target.open("wb") as file:
        for chunk in answer.iter_content(1 << 20):
            file.write(chunk)


def _download(url: str, token: str, target: Path) -> None:
    try:
        with requests.get(url, headers={"JOB-TOKEN": token}, stream=True, timeout=60, allow_redirects=False) as answer:
            if answer.is_redirect:  # the storage of the artifacts must not get the token
                _save(requests.get(urljoin(url, answer.headers["Location"]), stream=True, timeout=60), url, target)
            else:
                _save(answer, url, target)
    except requests.RequestException as error:
        raise UsageError(f"{url}: cannot be fetched: {error}") from None
