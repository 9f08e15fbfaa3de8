"""Read the Python versions that the files of an environment require, and combine them to one PEP 440 specifier.

Pure. ``runtime.txt`` has repo2docker's grammar (``BuildPack.runtime`` in its ``buildpacks/base.py``), the others use
``requires-python`` (PEP 621, PEP 751) or, in a ``Pipfile.lock``, ``python_version``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from operator import and_
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from generator.environment.project import read_json, read_toml
from generator.shared.errors import EnvironmentSpecError
from generator.shared.safe_text import printable

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

_RUNTIME_HELP = "  write one line: python-3.12, or for R with a day's packages r-4.4-2025-06-02"
_VERSION = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}")
_LONGEST = 200
"""Characters of a specifier."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Runtime:
    """The parts of ``runtime.txt``; all but the name may be missing."""

    name: str
    version: str = ""
    date: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PythonRequirement:
    """The Python that one file requires; ``remark`` tells users how it was interpreted."""

    file: str
    line: int
    text: str
    specifier: SpecifierSet
    remark: str = ""

    def __str__(self) -> str:
        return f"{self.file} line {self.line}: {printable(self.text)}"


def read_runtime(text: str, file: str = "runtime.txt") -> Runtime:
    """Parse ``name-version``, ``name-version-yyyy-mm-dd`` or ``name-yyyy-mm-dd``.

    Raises:
        EnvironmentSpecError: the text has none of these forms.
    """
    words = text.strip().split("-")
    if len(words) not in (2, 4, 5) or not all(words) or len(text.strip().splitlines()) != 1:
        raise EnvironmentSpecError(f"{_describe(text, file)}: not understood\n{_RUNTIME_HELP}")
    day = "-".join(words[-3:]) if len(words) > 2 else ""
    if day and not _is_date(day):
        raise EnvironmentSpecError(f"{_describe(text, file)}: {printable(day)!r} is not a date\n{_RUNTIME_HELP}")
    return Runtime(name=words[0], version=words[1] if len(words) != 4 else "", date=day)


def read_python_requirements(texts: Mapping[str, str]) -> tuple[PythonRequirement, ...]:
    """Read the Python that each file requires, in their order; files without a requirement are left out.

    Raises:
        EnvironmentSpecError: a file is invalid.
    """
    found = (_readers[PurePosixPath(file).name](text, file) for file, text in texts.items())
    return tuple(requirement for requirement in found if requirement is not None)


def combine_requirements(requirements: Sequence[PythonRequirement]) -> str:
    """Return the specifier that meets all requirements, empty without any.

    Raises:
        EnvironmentSpecError: requirements contradict each other, or no Python meets one; with files and lines.
    """
    for one in requirements:
        if not _fits_any([one]):
            raise EnvironmentSpecError(f"{one}: no Python has this version\n{_RUNTIME_HELP}")
    for pair in [*combinations(requirements, 2), tuple(requirements)]:
        if not _fits_any(pair):
            listed = "\n".join(f"  {one}" for one in pair)
            raise EnvironmentSpecError(f"no Python fits all of these: change one\n{listed}")
    if not requirements:
        return ""
    first, *others = (one.specifier for one in requirements)
    return str(reduce(and_, others, first))


def _fits_any(requirements: Iterable[PythonRequirement]) -> bool:
    specifiers = [one.specifier for one in requirements]
    return any(all(specifier.contains(version) for specifier in specifiers) for version in _every_python())


def _runtime(text: str, file: str) -> PythonRequirement | None:
    runtime = read_runtime(text, file)
    if runtime.name != "python":
        raise EnvironmentSpecError(f"{_describe(text, file)}: names neither python nor r\n{_RUNTIME_HELP}")
    dated = f"the date in {file} is not used: it only selects packages of R" if runtime.date else ""
    if not runtime.version:
        return _requirement(file, _line(text, r"\S"), text.strip(), _parse(""), dated)
    if not _VERSION.fullmatch(runtime.version):
        raise EnvironmentSpecError(f"{_describe(text, file)}: not a version of Python\n{_RUNTIME_HELP}")
    return _series(file, _line(text, r"\S"), text.strip(), runtime.version, dated)


def _pyproject(text: str, file: str) -> PythonRequirement | None:
    document = read_toml(text, file)
    project = document.get("project")
    if isinstance(project, Mapping) and "requires-python" in project:
        return _read_requires_python(project["requires-python"], text, file)
    value = document.get("tool", {})
    for name in ("poetry", "dependencies", "python"):
        value = value.get(name) if isinstance(value, Mapping) else None
    if not isinstance(value, str):
        return None
    line = _line(text, r"^[ \t]*python\s*=")
    specifier = _translate_poetry(value)
    if specifier is None:
        known = f"{file} line {line}: python = {printable(value[:100])!r} is not understood: any Python is accepted"
        return _requirement(file, line, f"python = {value!r}", _parse(""), known)
    return _requirement(file, line, f"python = {value!r}", specifier)


def _lock(text: str, file: str) -> PythonRequirement | None:
    # Top-level keys precede the tables (TOML 1.0), which may be megabytes and are read by uv alone.
    head = re.split(r"(?m)^\[", text, maxsplit=1)[0]
    document = read_toml(head, file)
    return _read_requires_python(document["requires-python"], head, file) if "requires-python" in document else None


def _pipfile_lock(text: str, file: str) -> PythonRequirement | None:
    requires = read_json(text, file).get("_meta", {})
    requires = requires.get("requires", {}) if isinstance(requires, Mapping) else {}
    for name in ("python_full_version", "python_version"):
        value = requires.get(name) if isinstance(requires, Mapping) else None
        if not isinstance(value, str) or value.strip() in ("", "*"):
            continue
        line, shown = _line(text, rf'"{name}"\s*:'), f"{name} is {value!r}"
        if _VERSION.fullmatch(value.strip()):
            return _series(file, line, shown, value.strip())
        return _requirement(file, line, shown, _specifier(value, file, line))
    return None


_readers = {
    "runtime.txt": _runtime,
    "Pipfile.lock": _pipfile_lock,
    "pyproject.toml": _pyproject,
    "uv.lock": _lock,
    "pylock.toml": _lock,
}


def _requirement(file: str, line: int, text: str, specifier: SpecifierSet, remark: str = "") -> PythonRequirement:
    return PythonRequirement(file=file, line=line, text=text, specifier=specifier, remark=remark)


def _series(file: str, line: int, text: str, version: str, remark: str = "") -> PythonRequirement:
    """Require a version's minor series: a base image has one patch release, rarely the requested one."""
    major, *rest = version.split(".")
    series = ".".join([major, *rest[:1]])
    if len(rest) == 2:
        patch = f"{file} requests Python {version}: any patch release of {series} is accepted"
        remark = "; ".join(filter(None, (patch, remark)))
    return _requirement(file, line, text, _parse(f"=={series}.*"), remark)


def _read_requires_python(value: object, text: str, file: str) -> PythonRequirement:
    line = _line(text, r"^[ \t]*[\"']?requires-python[\"']?\s*=")
    if not isinstance(value, str):
        raise EnvironmentSpecError(f'{file} line {line}: requires-python is not a string\n  write e.g. ">=3.10"')
    return _requirement(file, line, f"requires-python = {value!r}", _specifier(value, file, line))


def _specifier(text: str, file: str, line: int) -> SpecifierSet:
    try:
        return _parse(text if len(text) <= _LONGEST else "no version is that long")
    except ValueError:
        problem = f"{printable(text[:100])!r} is not a specifier of Python versions"
        raise EnvironmentSpecError(f'{file} line {line}: {problem}\n  write e.g. ">=3.10" or "==3.12.*"') from None


def _parse(text: str) -> SpecifierSet:
    """Parse a specifier (PEP 440).

    Raises:
        ValueError: the text is not a specifier.
    """
    from packaging.specifiers import SpecifierSet  # costs as much as the rest of an inspection, and few need it

    return SpecifierSet(text)


def _translate_poetry(text: str) -> SpecifierSet | None:
    """Translate one of Poetry's version constraints; None if it has no form in PEP 440 (https://python-poetry.org)."""
    if len(text) > _LONGEST:
        return None
    parts = [_translate_poetry_part(part.strip()) for part in text.split(",")]
    try:
        return _parse(",".join(part for part in parts if part))
    except ValueError:
        return None


def _translate_poetry_part(text: str) -> str:
    match = re.fullmatch(r"([\^~]?)\s*([0-9]+)(?:\.([0-9]+))?((?:\.[0-9]+)*)(\.\*)?", text)
    if not match:
        return "" if text == "*" else text
    sign, major, minor, _, star = match.groups()
    if not sign:
        return f"=={text}" if star or text.count(".") > 1 else f"=={text}.*"
    upper = f"{major}.{int(minor) + 1}" if sign == "~" and minor is not None else f"{int(major) + 1}"
    return f">={text.lstrip('^~ ')},<{upper}"


def _line(text: str, pattern: str) -> int:
    match = re.search(pattern, text, re.MULTILINE)
    return text.count("\n", 0, match.start()) + 1 if match else 1


def _is_date(text: str) -> bool:
    from datetime import date

    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return bool(re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text))


def _describe(text: str, file: str) -> str:
    return f"{file} line {_line(text, chr(92) + 'S')}: {printable(text.strip()[:100])!r}"


def _every_python() -> Iterator[str]:
    """Yield all versions of Python up to numbers that no release has reached."""
    return (f"{minor}.{patch}" for minor in ("2.7", *(f"3.{n}" for n in range(40))) for patch in range(32))
