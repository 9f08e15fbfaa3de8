"""What is in an image: the packages of the system, of Python, conda and R, as their own records say.

Records are files and are read as such; nothing of the image runs for it. An image writes its records itself, so they
are hostile: reads are bounded, what is no regular file or leads out of the root is not opened, what has no name or no
version is left out. RPM's database is binary, in a format that changes, and is not read.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from generator.shared.safe_text import printable

_LARGEST = {"database": 16 * 1024**2, "program": 64 * 1024**2, "record": 4 * 1024**2, "header": 512 * 1024}
"""Bytes that are read of a file, by what it is."""
_LONGEST = 200
"""Characters of a name, a version or a licence; what is longer is a text and none of these."""
_MOST = 20_000
"""Packages that are listed; a large image has a quarter of that."""
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
    """The packages below ``root``, sorted and each once; the same image gives the same list.

    ``kind`` is a type of package-url (deb, apk, pypi, conda, cran, and generic for interpreters) or ``os``, the
    distribution; ``name`` and ``version`` are always there. Where known: ``architecture``, ``license`` as the package
    writes it, ``place`` (the folder in the image), ``source`` (deb, apk: what it was built from), ``build`` and
    ``channel`` (conda). ``environment`` is the image's: it says where environments are.
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
    """A package in texts that can stand in a document; nothing when it has no name or no version."""
    texts = {field: printable(value) for field, value in package.items() if field == "place" or len(value) <= _LONGEST}
    return texts if texts.get("name") and texts.get("version") else {}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Image:
    """The files of an image. Paths are absolute, as in the image; what cannot be had reads as empty."""

    root: str
    environment: Mapping[str, str]

    def real(self, path: str) -> str:
        """The path without links, empty when it leads out of the root."""
        try:
            real = os.path.realpath(os.path.join(self.root, path.lstrip("/")))
        except (OSError, ValueError):
            return ""
        top = self.root.rstrip("/")
        return real.removeprefix(top) or "/" if real == top or real.startswith(f"{top}/") else ""

    def names(self, folder: str) -> list[str]:
        """What lies in a folder, sorted."""
        try:
            with os.scandir(self._outside(folder)) as entries:
                return sorted(entry.name for entry in entries)
        except (OSError, ValueError):
            return []

    def read(self, path: str, kind: str) -> bytes:
        """The beginning of a regular file."""
        try:
            # a pipe in place of a record would wait for a writer
            with open(self._outside(path), "rb", opener=_open_at_once) as file:
                return file.read(_LARGEST[kind]) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""
        except (OSError, ValueError):
            return b""

    def text(self, path: str, kind: str) -> str:
        """The beginning of a regular file as text."""
        return self.read(path, kind).decode(errors="replace").replace("\r\n", "\n")

    def folders(self, *variables: str) -> list[str]:
        """The absolute folders that variables of the environment list."""
        listed = [folder for variable in variables for folder in self.environment.get(variable, "").split(":")]
        return [folder for folder in listed if folder.startswith("/")]

    def _outside(self, path: str) -> str:
        real = path if self.root == "/" else self.real(path)
        if not real:
            raise FileNotFoundError(path)
        return os.path.join(self.root, real.lstrip("/"))


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _fields(paragraph: str) -> list[tuple[str, str]]:
    """The fields of a header as Debian, R and Python's core metadata write it; a line that is indented goes on."""
    pairs = (line.partition(":") for line in re.sub(r"\n[ \t]+", " ", paragraph).split("\n"))
    return [(name, value.strip()) for name, colon, value in pairs if colon]


def _paragraphs(text: str) -> Iterator[dict[str, str]]:
    start = 0
    while start < len(text):
        end = text.find("\n\n", start)
        end = len(text) if end < 0 else end
        yield dict(reversed(_fields(text[start:end])))  # the first of a name counts
        start = end + 2


def _system(image: _Image) -> _Packages:
    """The distribution (os-release(5))."""
    text = image.text("/etc/os-release", "header") or image.text("/usr/lib/os-release", "header")
    values = dict(re.findall(r"""^(ID|VERSION_ID)=["']?([^"'\n]*)""", text, re.MULTILINE))
    yield {"kind": "os", "name": values.get("ID", ""), "version": values.get("VERSION_ID", "")}


def _debian(image: _Image) -> _Packages:
    """Debian's packages (dpkg's status; images without dpkg keep a file a package in status.d)."""
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
    """Alpine's packages (apk-tools' installed database; merged-usr systems keep it below /usr)."""
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
    """Where environments may be, each once and without links."""
    programs = [folder.rstrip("/") for folder in image.folders("PATH")]
    named = [*image.folders(*_VARIABLES), *(one.removesuffix("/bin") for one in programs if one.endswith("/bin"))]
    named += [f"{home}/.local" for home in image.folders("HOME")]
    found = _real(image, [*named, *_PREFIXES])
    found = _real(image, [*found, *(f"{one}/envs/{name}" for one in found for name in image.names(f"{one}/envs"))])
    return _real(image, [*found, *(python.rpartition("/bin/")[0] for python in _pythons(image, found))])


def _real(image: _Image, paths: Iterable[str]) -> list[str]:
    return [path for path in dict.fromkeys(image.real(path) for path in paths) if path]


def _pythons(image: _Image, prefixes: list[str]) -> list[str]:
    """The programs of CPython that the prefixes have or, as virtual environments do, link to."""
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
    """The version that Python's getversion.c puts into the program as a string of its own."""
    found = re.search(rb"\0(" + re.escape(minor.encode()) + rb"\.\d{1,3}(?:(?:a|b|rc)\d{1,2})?\+?)\0", program)
    return found[1].decode() if found else ""


def _distributions(image: _Image, prefixes: list[str]) -> _Packages:
    """Python's distributions (PyPA, "Recording installed projects"; eggs as setuptools leaves them)."""
    folders = [*image.folders("PYTHONPATH"), "/opt/packmill/kernel/lib", "/opt/packmill/staging/lib"]
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
    """An SPDX expression (core metadata 2.4), else the licence's name; the older field may hold its whole text."""
    values = dict(reversed(fields))
    for text in (values.get("License-Expression", ""), values.get("License", "")):
        if text.upper() not in ("", "UNKNOWN") and len(text) <= _LONGEST:
            return text
    classifiers = [value for name, value in fields if name == "Classifier" and value.startswith("License ::")]
    names = [value.rpartition("::")[2].strip() for value in classifiers]
    return ", ".join(name for name in names if name != "OSI Approved")


def _conda(image: _Image, prefixes: list[str]) -> _Packages:
    """conda's packages, named by their records as by their archives: ``<name>-<version>-<build>.json``."""
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
    # the address may hold a password or a token of conda's (/t/<token>); people call a channel by the last part
    name = re.sub(r"/t/[^/]*", "", channel.rstrip("/").removesuffix(f"/{subdir}")).rpartition("/")[2]
    return {
        "architecture": subdir,
        "channel": name if re.fullmatch(r"[\w.-]+", name) else "",
        "license": license_,
    }


def _r(image: _Image, prefixes: list[str]) -> _Packages:
    """R's packages (Writing R Extensions, "The DESCRIPTION file"), and R, which has its base package's version."""
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
