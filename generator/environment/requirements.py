"""Find what a ``requirements.txt`` or ``pylock.toml`` needs to be installed: other files, the whole repository, git.

Pure, over a reader. Lines are joined, stripped of comments and split as pip does it (``pip/_internal/req/req_file.py``,
https://pip.pypa.io/en/stable/reference/requirements-file-format/), and written for uv, which accepts most of them.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from generator.environment.configuration import ReadText
from generator.environment.project import read_toml
from generator.shared.errors import EnvironmentSpecError
from generator.shared.safe_text import printable, redacted

_FILES_LIMIT = 100
_MOST_TEXT = 16 * 1024**2
"""Characters of all files together."""
_LONGEST = 64 * 1024
"""Characters of a line."""
# A run of spaces is matched only from its start; matching from every space would take quadratic time.
_COMMENT = re.compile(r"(^|(?<!\s)\s+)#.*$")
_OPTION = re.compile(r"(-[rcef]|--(?:requirement|constraint|editable|find-links)(?=[\s=]|$))\s*=?\s*(.*)")
_LONG = {"--requirement": "-r", "--constraint": "-c", "--editable": "-e", "--find-links": "-f"}
_ARCHIVE = re.compile(r"\.(whl|zip|tar|tgz|tbz|txz|tlz|tar\.(gz|bz2|xz|lz|lzma))$", re.IGNORECASE)
_NAMED = re.compile(r"[A-Za-z0-9][\w.-]*\s*(?:\[[^\]]*\]\s*)?@\s*(.*)")
_OTHER_VCS = re.compile(r"(?:^|[@\s])(hg|svn|bzr)\+")
_FREEZE = re.compile(r"@ file:///(\S*/(feedstock_root|croot|80754af9)\S*/|\S+/work(?=[\s;#]|$))")


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirements:
    """Files to install from, and what their installation needs.

    ``files`` are pairs of path in the repository and text for uv, the requested file first. ``is_local`` is true if a
    part of the repository itself is installed, which needs the whole checkout; ``index_lines`` are the options that
    choose package indexes.
    """

    files: tuple[tuple[str, str], ...]
    is_local: bool = False
    needs_git: bool = False
    prereleases: bool = False
    index_lines: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def referenced_files(self) -> tuple[str, ...]:
        """The files that the first one names, and those that these name."""
        return tuple(path for path, _ in self.files[1:])


def read_requirements(file: str, read: ReadText) -> Requirements:
    """Read a requirements file and all files it names by ``-r`` and ``-c``, each relative to the file that names it.

    Raises:
        EnvironmentSpecError: a file is missing, not in the repository, or requires a package that uv cannot install.
    """
    reading = _Reading(read=read)
    reading.add(file, by="")
    return Requirements(
        files=tuple(reading.texts.items()),
        is_local=reading.is_local,
        needs_git=reading.needs_git,
        prereleases=reading.prereleases,
        index_lines=tuple(dict.fromkeys(reading.index_lines)),
        remarks=tuple(reading.remarks),
    )


def read_pylock(file: str, text: str) -> Requirements:
    """Read a ``pylock.toml`` (PEP 751), which uv installs unchanged and validates itself.

    Raises:
        EnvironmentSpecError: the text is not valid TOML, or has no list of packages.
    """
    packages = read_toml(text, file).get("packages")
    if not isinstance(packages, list) or not all(isinstance(one, dict) for one in packages):
        raise EnvironmentSpecError(f"{file}: not a lock file (PEP 751): its list of packages is missing")
    sources = [one[kind] for one in packages for kind in ("archive", "sdist") if isinstance(one.get(kind), dict)]
    lists = [one["wheels"] for one in packages if isinstance(one.get("wheels"), list)]
    sources += [wheel for wheels in lists for wheel in wheels if isinstance(wheel, dict)]
    by_path = any("path" in source and "url" not in source for source in sources)
    return Requirements(
        files=((file, text),),
        is_local=by_path or any("directory" in one for one in packages),
        needs_git=any("vcs" in one for one in packages),
    )


def logical_lines(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield first line (from 1), number of lines, and text without comment of each logical line, as pip joins them."""
    parts: list[str] = []
    first = 1
    for number, physical in enumerate(text.splitlines(), 1):
        is_comment = bool(_COMMENT.match(physical))
        first = first if parts else number
        if physical.endswith("\\") and not is_comment:
            parts.append(physical.strip("\\"))
            continue
        parts.append(" " + physical if is_comment else physical)
        yield first, number - first + 1, _COMMENT.sub("", "".join(parts)).strip()
        parts = []
    if parts:
        yield first, len(parts), _COMMENT.sub("", "".join(parts)).strip()


def is_local_requirement(text: str) -> bool:
    """Return whether pip reads a requirement as a path: of a folder, of an archive, or a ``file:`` URL."""
    named = _NAMED.fullmatch(text)
    target = re.split(r"(?<!\s)\s+;|;\s|\s--", named.group(1) if named else text, maxsplit=1)[0].strip()
    if re.match(r"(git\+)?file:", target):
        return True
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://|git\+", target):
        return False
    path = _without_extras(target)
    return bool(named) or path.startswith(".") or "/" in path or bool(_ARCHIVE.search(path))


def _without_extras(text: str) -> str:
    """Return a path without the extras at its end, as in ``.[test]``."""
    at = text.find("[", text.rfind("]", 0, -1) + 1)
    return text[:at] if at >= 0 and text.endswith("]") else text


@dataclass(kw_only=True)
class _Reading:
    """The files read so far, and what they need."""

    read: ReadText
    texts: dict[str, str] = field(default_factory=dict)
    length: int = 0
    is_local: bool = False
    needs_git: bool = False
    prereleases: bool = False
    index_lines: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, file: str, *, by: str) -> None:
        if file in self.texts:
            return
        text = self.read(file)
        if text is None:
            raise EnvironmentSpecError(f"{by or file}: not in the repository, or not a text file")
        if len(self.texts) == _FILES_LIMIT:
            raise EnvironmentSpecError(f"{by}: more than {_FILES_LIMIT} requirements files name each other")
        self.length += len(text)
        if self.length > _MOST_TEXT:
            raise EnvironmentSpecError(f"{by or file}: requirements files of more than {_MOST_TEXT >> 20} MiB together")
        self.texts[file] = ""  # keeps the order, and ends a cycle
        lines: list[str] = []
        for first, count, line in logical_lines(text.removeprefix("\ufeff")):
            if len(line) > _LONGEST:
                raise EnvironmentSpecError(f"{file} line {first}: longer than {_LONGEST} characters")
            lines += [self.line(line, file, f"{file} line {first}: {printable(redacted(line))}")]
            lines += [""] * (count - 1)  # so that uv's messages name the right line
        self.texts[file] = "".join(line + "\n" for line in lines)

    def line(self, line: str, file: str, where: str) -> str:
        """Translate a line for uv."""
        option = _OPTION.match(line)
        if option:
            name, value = _LONG.get(option.group(1), option.group(1)), option.group(2)
            return {"-r": self.reference, "-c": self.reference, "-e": self.editable, "-f": self.links}[name](
                name, value, file, where
            )
        if re.match(r"(-i|--index-url|--extra-index-url|--no-index)\b", line):
            self.index_lines.append(line)
        if re.match(r"--pre\b(?!-)", line):
            self.prereleases = True
            return ""
        if line.startswith("--trusted-host"):
            self.remarks.append(f"{where}: ignored, certificates are always verified")
            return ""
        return line if not line or line.startswith("-") else self.requirement(line, where)

    def reference(self, name: str, value: str, file: str, where: str) -> str:
        target = _unquote(value, where)
        if re.match(r"https?://", target):
            return f"{name} {target}"
        path = posixpath.normpath(posixpath.join(posixpath.dirname(file), target))
        if not target or "://" in target or path.startswith(("/", "../")) or path in ("..", "."):
            raise EnvironmentSpecError(f"{where}: leads out of the repository or names no file")
        self.add(path, by=where)
        return f"{name} {target}"

    def editable(self, name: str, value: str, _: str, where: str) -> str:
        value = _unquote(value, where) if value[:1] in "'\"" else value
        if re.match(r"[a-z]+\+", value) or _NAMED.fullmatch(value):
            return self.requirement(value, where)  # uv installs nothing editable that it fetches by git
        self.is_local = True
        self.check_path(value, where)
        return f"{name} {value}"

    def check_path(self, value: str, where: str) -> None:
        """Refuse a path that leads out of the repository; paths are relative to its top."""
        path = posixpath.normpath(_without_extras(value))
        if path.startswith("../") or path == "..":
            raise EnvironmentSpecError(f"{where}: leads out of the repository: paths start at its top, write e.g. -e .")

    def links(self, _: str, value: str, __: str, where: str) -> str:
        target = _unquote(value, where)
        if "://" in target:
            line = f"--find-links {target}"
        else:
            self.is_local = True
            # uv takes a path that looks like one.
            line = f"--find-links {target if target.startswith(('.', '/')) else './' + target}"
        self.index_lines.append(line)
        return line

    def requirement(self, line: str, where: str) -> str:
        """Check a line that requires a package, and record what it needs."""
        if _OTHER_VCS.search(line):
            raise EnvironmentSpecError(f"{where}: packages are fetched from version control by git alone")
        if _FREEZE.search(line):
            raise EnvironmentSpecError(
                f"{where}: a folder of the machine on which conda built this package, written by pip freeze\n"
                "  write the version instead, as numpy==2.2.0; pip list --format=freeze prints all versions"
            )
        self.needs_git |= bool(re.search(r"(?:^|[@\s])git\+", line))
        if is_local_requirement(line):
            self.is_local = True
            if not _NAMED.fullmatch(line):
                self.check_path(re.split(r"\s", line, maxsplit=1)[0], where)
        return line


def _unquote(value: str, where: str) -> str:
    try:
        import shlex

        words = shlex.split(value)
    except ValueError as error:
        raise EnvironmentSpecError(f"{where}: {str(error).lower()}") from None
    return words[0] if words else ""
