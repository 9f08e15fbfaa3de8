"""Fetch the package of an earlier job with the current job's token (GitLab's job artifacts API)."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urljoin

import requests

from generator.package.folder import holder_of
from generator.repository.places import Holder
from generator.shared.errors import UsageError
from generator.shared.safe_text import printable

_LIMIT = 2 << 30


def fetch_package(environment: Mapping[str, str], folder: Path) -> Path:
    """Download the artifacts of the job in the variable ``package`` into ``folder``; return the package's folder.

    The variable ``package_process`` chooses one of several processes: by its path, or by the name of its folder.

    Raises:
        UsageError: the variable is not a job number, this is not a CI job, or the job has no such package.
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
    places = sorted(path.parent for path in (folder / "packages").rglob("package.json"))
    packages = {place: holder for place in places if (holder := holder_of(place))}
    if not packages:
        raise UsageError(f"job {number} has no package in its artifacts; choose a job of the stage 'build'")
    return _choose(packages, environment.get("package_process", "").strip())


def _choose(packages: Mapping[Path, Holder], process: str) -> Path:
    named = [folder for folder, holder in packages.items() if process and holder.process == process]
    chosen = named or [folder for folder in packages if folder.name == process] or list(packages)
    if len(chosen) != 1:
        names = ", ".join(printable(holder.process or folder.name) for folder, holder in packages.items())
        raise UsageError(f"the package has several processes; set 'package_process' to one of: {names}")
    return chosen[0]


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
