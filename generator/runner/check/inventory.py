"""The packages in an image: those of the system, Python, conda and R, read from their own records.

Records are read as files; no program of the image is run. The image controls its records, so they are hostile: reads
are bounded, only regular files below the root are opened, and packages without a name or version are left out. RPM's
database is not read: it is binary, in a format that changes.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from generator.shared.regular_files import open_regular_file
from generator.shared.safe_text import printable

_LARGEST = {"database": 16 * 1024**2, "program": 64 * 1024**2, "record": 4 * 1024**2, "header": 512 * 1024}
"""Bytes read from a file, by kind."""
_LONGEST = 200
"""Characters of a name, version or license; longer values are ignored."""
_MOST = 20_000
"""Packages listed; a large image has a quarter of that."""
_ORDER = ("kind", "name", "version", "architecture", "build", "channel", "source", "place", "license")
_VARIABLES = (
    "VIRTUAL_ENV CONDA_PREFIX CONDA_DIR MAMBA_ROOT_PREFIX NB_PYTHON_PREFIX KERNEL_PYTHON_PREFIX PYTHONUSERBASE"
).split()
_PREFIXES = (
    "/usr /usr/local /opt/packmill /opt/packmill/kernel /srv/venv /srv/conda /opt/conda /home/jovyan/.local"
).split()
_LIBS = ("lib", "lib64")

_Packages = Iterator[dict[str, str]]


def list_packages(environment: Mapping[str, str], root: Path = Path("/")) -> list[dict[str, str]]:
    """List the packages below ``root``, sorted and without duplicates; the same image gives the same list.

    ``kind`` is a type of package-url (deb, apk, pypi, conda, cran, and generic for interpreters) or ``os``, the
    distribution; ``name`` and ``version`` are always present. Where known: ``architecture``, ``license`` as the package
    writes it, ``place`` (the folder in the image), ``source`` (deb, apk: the source package), ``build`` and
    ``channel`` (conda). ``environment`` holds the image's variables, which locate its environments.
    """
    image = _Image(root=os.path.realpath(root), environment=environment)
    prefixes = _prefixes(image)
    found = chain(
        _system(image),
        _debian(image),
        _alpine(image),
        _interpreters(image, prefixes),
        _distributions(image, prefixes),
        _conda(image, prefixes),
        _r(image, prefixes),
    )
    packages = islice((package for package in map(_clean, found) if package), _MOST)
    kept = {tuple(package.get(field, "") for field in _ORDER) for package in packages}
    return [{field: value for field, value in zip(_ORDER, values, strict=True) if value} for values in sorted(kept)]


def _clean(package: dict[str, str]) -> dict[str, str]:
    """Return the package with printable values; empty without a name or version."""
    texts = {field: printable(value) for field, value in package.items() if field == "place" or len(value) <= _LONGEST}
    return texts if texts.get("name") and texts.get("version") else {}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Image:
    """The files of an image. Paths are absolute, as in the image; unreadable files read as empty."""

    root: str
    environment: Mapping[str, str]

    def real(self, path: str) -> str:
        """Resolve links in a path; empty when it leads out of the root."""
        try:
            real = os.path.realpath(os.path.join(self.root, path.lstrip("/")))
        except (OSError, ValueError):
            return ""
        top = self.root.rstrip("/")
        return real.removeprefix(top) or "/" if real == top or real.startswith(f"{top}/") else ""

    def names(self, folder: str) -> list[str]:
        """List the names in a folder, sorted."""
        try:
            with os.scandir(self._outside(folder)) as entries:
                return sorted(entry.name for entry in entries)
        except (OSError, ValueError):
            return []

    def read(self, path: str, kind: str) -> bytes:
        """Read the beginning of a regular file."""
        try:
            with open_regular_file(self._outside(path)) as file:
                return file.read(_LARGEST[kind])
        except (OSError, ValueError):
            return b""

    def text(self, path: str, kind: str) -> str:
        """Read the beginning of a regular file as text."""
        return self.read(path, kind).decode(errors="replace").replace("\r\n", "\n")

    def folders(self, *variables: str) -> list[str]:
        """Return the absolute folders listed in environment variables."""
        listed = [folder for variable in variables for folder in self.environment.get(variable, "").split(":")]
        return [folder for folder in listed if folder.startswith("/")]

    def _outside(self, path: str) -> str:
        real = path if self.root == "/" else self.real(path)
        if not real:
            raise FileNotFoundError(path)
        return os.path.join(self.root, real.lstrip("/"))


def _fields(paragraph: str) -> list[tuple[str, str]]:
    """Parse the fields of a header (Debian, R, Python's core metadata); an indented line continues its field."""
    pairs = (line.partition(":") for line in re.sub(r"\n[ \t]+", " ", paragraph).split("\n"))
    return [(name, value.strip()) for name, colon, value in pairs if colon]


def _paragraphs(text: str) -> Iterator[dict[str, str]]:
    start = 0
    while start < len(text):
        end = text.find("\n\n", start)
        end = len(text) if end < 0 else end
        yield dict(reversed(_fields(text[start:end])))  # the first field of a name counts
        start = end + 2


def _system(image: _Image) -> _Packages:
    """Yield the operating system's distribution (os-release(5))."""
    text = image.text("/etc/os-release", "header") or image.text("/usr/lib/os-release", "header")
    values = dict(re.findall(r"""^(ID|VERSION_ID)=["']?([^"'\n]*)""", text, re.MULTILINE))
    yield {"kind": "os", "name": values.get("ID", ""), "version": values.get("VERSION_ID", "")}


def _debian(image: _Image) -> _Packages:
    """Yield Debian's packages (dpkg's status; images without dpkg keep one file per package in status.d)."""
    folder = "/var/lib/dpkg/status.d"
    files = [f"{folder}/{name}" for name in image.names(folder) if not name.endswith(".md5sums")]
    for file in ("/var/lib/dpkg/status", *files):
        for package in _paragraphs(image.text(file, "database")):
            state = package.get("Status", "").split()[2:]
            if state not in (["config-files"], ["not-installed"]):
                yield {
                    "kind": "deb",
                    "name": package.get("Package", ""),
                    "version": package.get("Version", ""),
                    "architecture": package.get("Architecture", ""),
                    "source": package.get("Source", ""),
                }


def _alpine(image: _Image) -> _Packages:
    """Yield Alpine's packages (apk-tools' installed database; merged-usr systems keep it below /usr)."""
    for file in ("/lib/apk/db/installed", "/usr/lib/apk/db/installed"):
        for package in _paragraphs(image.text(file, "database")):
            yield {
                "kind": "apk",
                "name": package.get("P", ""),
                "version": package.get("V", ""),
                "architecture": package.get("A", ""),
                "license": package.get("L", ""),
                "source": package.get("o", ""),
            }


def _prefixes(image: _Image) -> list[str]:
    """List the folders that may hold environments, links resolved and without duplicates."""
    programs = [folder.rstrip("/") for folder in image.folders("PATH")]
    named = [*image.folders(*_VARIABLES), *(one.removesuffix("/bin") for one in programs if one.endswith("/bin"))]
    named += [f"{home}/.local" for home in image.folders("HOME")]
    found = _real(image, [*named, *_PREFIXES])
    found = _real(image, [*found, *(f"{one}/envs/{name}" for one in found for name in image.names(f"{one}/envs"))])
    return _real(image, [*found, *(python.rpartition("/bin/")[0] for python in _pythons(image, found))])


def _real(image: _Image, paths: Iterable[str]) -> list[str]:
    return [path for path in dict.fromkeys(image.real(path) for path in paths) if path]


def _pythons(image: _Image, prefixes: list[str]) -> list[str]:
    """Find CPython's programs in the prefixes, following the links of virtual environments."""
    programs = [f"{prefix}/bin/{name}" for prefix in prefixes for name in image.names(f"{prefix}/bin")]
    pythons = _real(image, (one for one in programs if re.fullmatch(r".*/python(3(\.\d+t?)?)?", one)))
    return [one for one in pythons if re.fullmatch(r".*/bin/python3\.\d+t?", one)]


def _interpreters(image: _Image, prefixes: list[str]) -> _Packages:
    for python in _pythons(image, prefixes):
        prefix, minor = python.rpartition("/bin/")[0], python.rpartition("/python")[2]
        header = image.text(f"{prefix}/include/python{minor}/patchlevel.h", "header")
        written = re.search(r'^#define PY_VERSION\s+"([^"\n]+)"', header, re.MULTILINE)
        programs = (python, *(f"{prefix}/{lib}/libpython{minor}.so.1.0" for lib in _LIBS))
        inside = (_version_inside(image.read(program, "program"), minor.rstrip("t")) for program in programs)
        version = written[1] if written else next(filter(None, inside), "")
        yield {"kind": "generic", "name": "python", "version": version, "place": f"{prefix}/bin"}


def _version_inside(program: bytes, minor: str) -> str:
    """Find the version string that Python's getversion.c compiles into the program."""
    found = re.search(rb"\0(" + re.escape(minor.encode()) + rb"\.\d{1,3}(?:(?:a|b|rc)\d{1,2})?\+?)\0", program)
    return found[1].decode() if found else ""


def _distributions(image: _Image, prefixes: list[str]) -> _Packages:
    """Yield Python's distributions (PyPA, "Recording installed projects"; eggs as setuptools leaves them)."""
    own = (f"/opt/packmill/{part}/lib" for part in ("kernel", "staging", "server"))
    folders = [*image.folders("PYTHONPATH"), *own]
    for lib in (f"{prefix}/{lib}" for prefix in prefixes for lib in _LIBS):
        versions = [name for name in image.names(lib) if re.fullmatch(r"(python|pypy)[\d.]*t?", name)]
        folders += [f"{lib}/{name}/{kind}-packages" for name in versions for kind in ("site", "dist")]
    for folder in _real(image, folders):
        for name in image.names(folder):
            if name.endswith((".dist-info", ".egg-info", ".egg")):
                yield {"kind": "pypi", "place": folder, **_distribution(image, f"{folder}/{name}")}


def _distribution(image: _Image, path: str) -> dict[str, str]:
    inside = {".dist-info": "METADATA", ".egg-info": "PKG-INFO", ".egg": "EGG-INFO/PKG-INFO"}[Path(path).suffix]
    # distutils wrote the egg-info as a file
    text = image.text(f"{path}/{inside}", "header") or image.text(path, "header")
    fields = _fields(text.partition("\n\n")[0])
    values = dict(reversed(fields))
    return {"name": values.get("Name", ""), "version": values.get("Version", ""), "license": _license(fields)}


def _license(fields: list[tuple[str, str]]) -> str:
    """Return the SPDX expression (core metadata 2.4) or the license's name; the older field may hold the whole text."""
    values = dict(reversed(fields))
    for text in (values.get("License-Expression", ""), values.get("License", "")):
        if text.upper() not in ("", "UNKNOWN") and len(text) <= _LONGEST:
            return text
    classifiers = [value for name, value in fields if name == "Classifier" and value.startswith("License ::")]
    names = [value.rpartition("::")[2].strip() for value in classifiers]
    return ", ".join(name for name in names if name != "OSI Approved")


def _conda(image: _Image, prefixes: list[str]) -> _Packages:
    """Yield conda's packages; their records are named like their archives: ``<name>-<version>-<build>.json``."""
    for prefix in prefixes:
        for file in image.names(f"{prefix}/conda-meta"):
            named = re.fullmatch(r"(.+)-([^-]+)-([^-]+)\.json", file)
            if named:
                package = {"kind": "conda", "name": named[1], "version": named[2], "build": named[3], "place": prefix}
                yield {**package, **_conda_record(image.read(f"{prefix}/conda-meta/{file}", "record"))}


def _conda_record(text: bytes) -> dict[str, str]:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    values = record if isinstance(record, dict) else {}
    subdir, channel, license_ = (str(values.get(name) or "") for name in ("subdir", "channel", "license"))
    # the URL may hold a password or a conda token (/t/<token>); the last part is the channel's usual name
    name = re.sub(r"/t/[^/]*", "", channel.rstrip("/").removesuffix(f"/{subdir}")).rpartition("/")[2]
    return {
        "architecture": subdir,
        "channel": name if re.fullmatch(r"[\w.-]+", name) else "",
        "license": license_,
    }


def _r(image: _Image, prefixes: list[str]) -> _Packages:
    """Yield R's packages (Writing R Extensions, "The DESCRIPTION file"), and R itself by its base package's version."""
    installed = [*prefixes, *(f"/opt/R/{name}" for name in image.names("/opt/R"))]
    folders = [f"{one}/{lib}/R/{kind}" for one in installed for lib in _LIBS for kind in ("library", "site-library")]
    folders += [*image.folders("R_LIBS", "R_LIBS_USER", "R_LIBS_SITE"), "/srv/rlibs"]
    for folder in _real(image, folders):
        for name in image.names(folder):
            values = next(_paragraphs(image.text(f"{folder}/{name}/DESCRIPTION", "header")), {})
            package = {"name": values.get("Package", ""), "version": values.get("Version", ""), "place": folder}
            if values.get("Priority") != "base":
                yield {"kind": "cran", **package, "license": values.get("License", "")}
            elif name == "base":
                yield {"kind": "generic", **package, "name": "r"}
