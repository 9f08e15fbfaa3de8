"""Fetch files of earlier jobs, and tables, with the current job's token.

Sources: GitLab's `job artifacts <https://docs.gitlab.com/api/job_artifacts/>`_ and `generic packages
<https://docs.gitlab.com/user/packages/generic_packages/>`_.
"""

from __future__ import annotations

import math
import re
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urljoin

import requests

from generator.package.folder import holder_of
from generator.package.job_numbers import job_number
from generator.repository.places import Holder
from generator.repository.process_folders import without_carried
from generator.shared.damaged_archives import archive_errors
from generator.shared.errors import UsageError
from generator.shared.passing_errors import is_full_disk
from generator.shared.safe_text import printable

_LIMIT = 2 << 30
_LARGEST_RESULTS = 64 << 30
_LARGEST_TABLE = 256 << 20
_PATIENCE, _FIRST_PAUSE, _LONGEST_PAUSE = 120.0, 0.5, 10.0
"""Seconds for which a download is retried, and of the first and the longest pause."""
_TABLE = re.compile(r"[A-Za-z0-9][\w.+-]*(/[A-Za-z0-9][\w.+-]*){2}")
"""Name, version and file of a generic package."""


def fetch_package(environment: Mapping[str, str], folder: Path) -> Path:
    """Download the artifacts of the job in the variable ``package`` into ``folder``; return the package's folder.

    The variable ``package_process`` chooses one of several processes: by its path, or by the name of its folder.

    Raises:
        UsageError: the variable is not a job number, this is not a CI job, or the job has no such package.
    """
    number = job_number(given := environment.get("package", ""))
    if number is None:
        raise UsageError(
            f"the variable 'package' is {given.strip()!r}; set it to the number of a job that built a package"
        )
    _unpack(environment, number, folder, "", _LIMIT)
    # Files elsewhere in the archive were written by a run, which is untrusted.
    names = (path.parent.relative_to(folder).as_posix() for path in (folder / "packages").rglob("package.json"))
    places = [folder / name for name in without_carried(names)]
    packages = {place: holder for place in places if (holder := holder_of(place))}
    if not packages:
        raise UsageError(f"job {number} has no package in its artifacts; choose a job of the stage 'build'")
    return _choose(packages, environment.get("package_process", "").strip())


def fetch_results(environment: Mapping[str, str], folder: Path) -> None:
    """Download the results of the map in the variable ``resume`` into ``folder``, where they are ``results``.

    Raises:
        UsageError: the variable is not the number of a job with results.
    """
    number = job_number(given := environment["resume"])
    if number is None:
        raise UsageError(f"the variable 'resume' is {given.strip()!r}; set it to the number of a job that ran a table")
    _unpack(environment, number, folder, "results/", _LARGEST_RESULTS)
    if not (folder / "results" / ".packmill-map").is_dir():
        raise UsageError(f"job {number} has no results of a table; set 'resume' to the number of a job that ran one")


def fetch_table(environment: Mapping[str, str], folder: Path) -> Path:
    """Download the table in the variable ``table``, a file of a generic package, into ``folder``; return its path.

    Raises:
        UsageError: the variable is not NAME/VERSION/FILE, or the project has no such file.
    """
    place = environment["table"].strip()
    if not _TABLE.fullmatch(place):
        raise UsageError(
            f"the variable 'table' is {place!r}; upload the table to the project's generic packages, and set it to "
            "NAME/VERSION/FILE"
        )
    api, project, token = _service(environment)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / place.rpartition("/")[2]
    _download(f"{api}/projects/{project}/packages/generic/{place}", token, target, largest=_LARGEST_TABLE)
    return target


def _service(environment: Mapping[str, str]) -> tuple[str, str, str]:
    """Return the address of the API, the number of the project and the job's token.

    Raises:
        UsageError: this is not a CI job.
    """
    names = ("CI_API_V4_URL", "CI_PROJECT_ID", "CI_JOB_TOKEN")
    if not all(environment.get(name) for name in names):
        raise UsageError("files of another job can only be fetched in a CI job; use packmill run or packmill map here")
    api, project, token = (environment[name] for name in names)
    return api, project, token


def _unpack(environment: Mapping[str, str], number: int, folder: Path, below: str, largest: int) -> None:
    """Unpack the artifacts of a job whose names start with ``below``; ``largest`` in bytes."""
    api, project, token = _service(environment)
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / "artifacts.zip"
    _download(f"{api}/projects/{project}/jobs/{number}/artifacts", token, archive)
    try:
        with zipfile.ZipFile(archive) as packed:
            wanted = [one for one in packed.infolist() if one.filename.startswith(below)]
            if sum(one.file_size for one in wanted) > largest:
                raise UsageError(f"the artifacts of job {number} are larger than {largest} bytes")
            packed.extractall(folder, wanted)  # which keeps every name inside the folder
    except archive_errors as error:
        if is_full_disk(error):
            raise
        raise UsageError(f"the artifacts of job {number} cannot be read: {error}") from None
    finally:
        archive.unlink(missing_ok=True)


def _choose(packages: Mapping[Path, Holder], process: str) -> Path:
    named = [folder for folder, holder in packages.items() if process and holder.process == process]
    chosen = named or [folder for folder in packages if folder.name == process] or list(packages)
    if len(chosen) != 1:
        names = ", ".join(printable(holder.process or folder.name) for folder, holder in packages.items())
        raise UsageError(f"the package has several processes; set 'package_process' to one of: {names}")
    return chosen[0]


def _save(answer: requests.Response, url: str, target: Path, largest: int | None) -> None:
    with answer:
        _check_status(answer, url)
        with target.open("wb") as file:
            for chunk in answer.iter_content(1 << 20):
                file.write(chunk)
                if largest is not None and file.tell() > largest:
                    raise UsageError(f"{url}: larger than {largest} bytes")


def _check_status(answer: requests.Response, url: str) -> None:
    """Check that an answer has the file.

    Raises:
        UsageError: the service does not have the file, or refuses it.
        requests.HTTPError: the service is unavailable or busy.
    """
    status = f"{answer.status_code} {answer.reason}"
    if answer.status_code == 429 or answer.status_code >= 500:
        raise requests.HTTPError(f"the service is unavailable: {status}")
    if answer.status_code in (404, 410):
        raise UsageError(f"{url}: {status}; the file does not exist, or has expired")
    if answer.status_code != 200:
        raise UsageError(f"{url}: {status}; the service refuses the file")


def _download(url: str, token: str, target: Path, largest: int | None = None) -> None:
    """Download a file; after an error, retry for two minutes: jobs go on while their service restarts.

    Raises:
        UsageError: the file does not exist, is too large, or cannot be downloaded.
    """
    deadline, pause = math.inf, _FIRST_PAUSE
    while True:
        try:
            _download_once(url, token, target, largest)
            return
        except (requests.RequestException, ValueError) as error:  # ValueError: an address that cannot be parsed
            deadline = min(deadline, time.monotonic() + _PATIENCE)
            if not _may_pass(error) or time.monotonic() + pause > deadline:
                raise UsageError(f"{url}: cannot be fetched: {error}") from None
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _download_once(url: str, token: str, target: Path, largest: int | None) -> None:
    with requests.get(url, headers={"JOB-TOKEN": token}, stream=True, timeout=60, allow_redirects=False) as answer:
        if answer.is_redirect:  # the storage of the artifacts must not get the token
            url = urljoin(url, answer.headers["Location"])
            _save(requests.get(url, stream=True, timeout=60), url.partition("?")[0], target, largest)
        else:
            _save(answer, url, target, largest)


def _may_pass(error: Exception) -> bool:
    passing = (
        requests.ConnectionError,
        requests.Timeout,
        requests.HTTPError,
        requests.exceptions.ChunkedEncodingError,
    )
    return isinstance(error, passing) and not isinstance(error, requests.exceptions.SSLError)
