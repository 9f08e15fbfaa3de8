"""Write a ``conda-lock.yml`` as the ``environment.yml`` that ``conda-lock render --kind env`` makes of it.

repo2docker reads that file: every package has its version and its build, and those of pip their digest.
"""

from __future__ import annotations

import platform
import posixpath
import re
from collections.abc import Mapping
from typing import Any

from generator.shared.errors import EnvironmentSpecError
from generator.shared.safe_text import printable
from generator.shared.yaml_limits import YamlLimitError, check_events, check_size
from generator.shared.yaml_problems import find_problem, unfit_values

CONDA_LOCK = "conda-lock.yml"
_PLATFORMS = {"aarch64": "linux-aarch64", "arm64": "linux-aarch64", "ppc64le": "linux-ppc64le"}


def environment_of_lock(text: str, file: str, *, machine: str = "") -> str:
    """Return the text of the ``environment.yml`` for a ``machine`` (default: this one); ``file`` is for messages.

    Raises:
        EnvironmentSpecError: the text is not a lock of conda-lock's version 1, or lacks the platform.
    """
    import yaml

    wanted = _PLATFORMS.get(machine or platform.machine(), "linux-64")
    document = _parse(text, file)
    listed = document.get("package")
    if document.get("version") != 1 or not isinstance(listed, list):
        raise EnvironmentSpecError(
            f"{file}: not a lock file of version 1; write it again: conda-lock lock --lockfile {file}"
        )
    packages = [_Package(one, file) for one in listed if isinstance(one, dict) and one.get("platform") == wanted]
    packages = sorted((one for one in packages if not one.name.startswith("__")), key=lambda one: one.name)
    if not packages:
        raise EnvironmentSpecError(
            f"{file}: has no packages for {wanted}; add them: conda-lock lock --platform {wanted}"
        )
    dependencies: list[Any] = [one.for_conda() for one in packages if one.manager == "conda"]
    if of_pip := [one.for_pip() for one in packages if one.manager == "pip"]:
        dependencies.append({"pip": of_pip})
    environment = {"channels": list(_channels(document, file)), "dependencies": dependencies}
    return str(yaml.safe_dump(environment, sort_keys=False, width=10_000))


class _Package:
    """A package of the lock; its fields are checked when they are used."""

    def __init__(self, entry: Mapping[str, Any], file: str) -> None:
        self._entry, self._file = entry, file
        self.name, self.manager = self._text("name"), self._text("manager")

    def for_conda(self) -> str:
        """Return it as a specification of conda: ``numpy=2.1.3=py312h58c1407_0``."""
        name = re.sub(r"(\.tar)?\.(bz2|gz)$|\.conda$", "", posixpath.basename(re.split("[?#]", self._text("url"))[0]))
        return f"{self.name}={self._text('version')}={name.rpartition('-')[2]}"

    def for_pip(self) -> str:
        """Return it as a requirement of pip, with its digest if the lock has it."""
        source, digests = self._entry.get("source"), self._entry.get("hash")
        if isinstance(source, dict) and source.get("type") == "url":
            return f"{self.name} @ {source.get('url')}"
        digest = digests.get("sha256") if isinstance(digests, dict) else None
        return f"{self.name} == {self._text('version')}" + (f" --hash=sha256:{digest}" if digest else "")

    def _text(self, field: str) -> str:
        value = self._entry.get(field)
        if not isinstance(value, str) or not value:
            name = printable(str(self._entry.get("name"))[:100])
            raise EnvironmentSpecError(
                f"{self._file}: package {name}: {field!r} is not a text; lock the environment again"
            )
        return value


def _channels(document: Mapping[str, Any], file: str) -> list[str]:
    metadata = document.get("metadata")
    channels = metadata.get("channels") if isinstance(metadata, dict) else None
    urls = [str(one.get("url")) for one in channels if isinstance(one, dict)] if isinstance(channels, list) else []
    secret = next((url for url in urls if "$" in url or "@" in url), None)
    if secret is not None:
        raise EnvironmentSpecError(
            f"{file}: a channel needs a user or a token, which a build does not have; use a public one"
        )
    return urls


def _parse(text: str, file: str) -> Mapping[str, Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        check_size(text)
        check_events(yaml.parse(text, Loader=loader))
        document = yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader
    except YamlLimitError as error:
        raise EnvironmentSpecError(f"{file}: the document is too large: {error}") from None
    except (yaml.YAMLError, *unfit_values, RecursionError) as error:
        line, problem = find_problem(error)
        raise EnvironmentSpecError(f"{file}{f' line {line}' if line else ''}: {problem}") from None
    if not isinstance(document, dict):
        raise EnvironmentSpecError(f"{file}: not a lock file of conda-lock")
    return document
