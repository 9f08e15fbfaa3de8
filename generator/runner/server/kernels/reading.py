"""Facts about a notebook's code that decide how it can run. The code is read, never executed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from generator.notebook.languages.python_text import blank_magics
from generator.notebook.languages.python_trees import parse_statements
from generator.runner.document.document import Document
from generator.runner.document.injection import INJECTED_TAG

_NAMES = {
    "asyncio": "asyncio",
    "nest_asyncio": "asyncio",
    "trio": "an event loop",
    "tornado": "an event loop",
    "input": "input()",
    "raw_input": "input()",
    "getpass": "getpass",
    "breakpoint": "the debugger",
    "pdb": "the debugger",
    "ipdb": "the debugger",
    "debugpy": "the debugger",
    "ipykernel": "ipykernel",
    "comm": "comms",
    "create_comm": "comms",
    "ipywidgets": "widgets",
    "ipympl": "widgets",
    "ipyleaflet": "widgets",
    "anywidget": "widgets",
    "bqplot": "widgets",
    "pyviz_comms": "widgets",
    "widgets": "widgets",
    "interact": "widgets",
}
"""Names whose use needs a kernel: input requests, comms, a running event loop, the kernel itself."""
_ATTRIBUTES = {
    "kernel": "the kernel",
    "comm_manager": "comms",
    "display_pub": "the kernel",
    "displayhook": "the kernel",
}
"""Attributes of the shell, where `get_ipython` is used."""
_MODULES = frozenset(("ipympl", "ipyleaflet", "anywidget", "bqplot", "pyviz_comms", "nest_asyncio"))
# spaces without line breaks: a pattern with them would search the rest of a run of blank lines from each of them
_MAGICS = re.compile(
    r"^[ \t]*%{1,2}(debug|pdb|gui|matplotlib\s+(?:widget|notebook|ipympl|nbagg)|autoawait|bg|ed|edit|clear|less|more|"
    r"man|connect_info|qtconsole|autosave|subshell|store)\b",
    re.MULTILINE,
)
_SETTINGS_MAGIC = re.compile(r"^[ \t]*%(env\s+\S+[ =]|set_env\b|load_ext\s+dotenv|dotenv)", re.MULTILINE)
_CELL_MAGIC = re.compile(r"^\s*%%(\w+)[^\n]*\n?")
_OF_PYTHON = frozenset(("time", "timeit", "capture", "prun", "memit", "mprun"))
_MOST_LINKS = 10
"""Names of an expression such as ``a.b().c`` that are read, from its end on: what is before them hardly matters."""
_SETTERS = frozenset(("update", "setdefault", "putenv", "load_dotenv", "pop", "clear", "unsetenv", "popitem"))


@dataclass(frozen=True, slots=True)
class Code:
    """Facts about a notebook's code. Texts are empty, or name what was found, for messages."""

    digest: bytes
    needs_kernel: str = ""
    """What only a kernel has."""
    sets_environment: str = ""
    """What modules may look at when they are imported, and the notebook changes."""


def read_code(document: Document) -> Code:
    """Read the code cells of a notebook, without injected parameters."""
    sources = tuple(_sources(document))
    digest = sha256("\0".join(sources).encode("utf-8", "replace")).digest()
    needs = next(filter(None, map(_need_of, sources)), "")
    return Code(digest, needs, next(filter(None, map(_setting_of, sources)), ""))


def digest_code(document: Document) -> bytes:
    """Return what `read_code` returns as the digest."""
    return sha256("\0".join(_sources(document)).encode("utf-8", "replace")).digest()


def needing_modules(modules: Iterable[str]) -> str:
    """Return the first module that needs a kernel; empty without one."""
    return next((name for name in modules if name in _MODULES), "")


def _sources(document: Document) -> Iterator[str]:
    for index in range(len(document)):
        cell = document.cell(index)
        if cell.get("cell_type") == "code" and INJECTED_TAG not in (cell["metadata"].get("tags") or ()):
            yield str(cell["source"])


def _need_of(source: str) -> str:
    if magic := _MAGICS.search(source):
        return f"%{magic[1]}"
    tree = _parse(source)
    if tree is None:
        return "code that is not plain Python"
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Await, ast.AsyncFor, ast.AsyncWith, ast.AsyncFunctionDef)):
            return "async code"
        names.update(_names_in(node))
    found = next((text for name, text in _NAMES.items() if name in names), "")
    if not found and "get_ipython" in names:
        found = next((text for name, text in _ATTRIBUTES.items() if f".{name}" in names), "")
    return found


def _names_in(node: ast.AST) -> Iterator[str]:
    """Yield the names that a node uses: variables, modules, and attributes after a dot."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield f".{node.attr}"
    elif isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name.partition(".")[0]
    elif isinstance(node, ast.ImportFrom):
        yield (node.module or "").partition(".")[0]
        yield from (alias.name for alias in node.names)


def _setting_of(source: str) -> str:
    """Return how a cell changes the environment variables or the search path of modules."""
    if magic := _SETTINGS_MAGIC.search(source):
        return magic[0].strip()
    tree = _parse(source)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, (ast.Store, ast.Del)):
            target = _chain(node)
            if re.search(r"\benviron\b|\bsys\.path\b", target):
                return target
        if isinstance(node, ast.Call) and isinstance(node.func, (ast.Attribute, ast.Name)):
            called = _chain(node.func)
            name = called.rpartition(".")[2]
            if (name in _SETTERS and "environ" in called) or name in {"putenv", "load_dotenv", "unsetenv"}:
                return called
            if re.fullmatch(r"sys\.path\.\w+|site\.addsitedir", called):
                return called
    return ""


def _chain(node: ast.expr) -> str:
    """Return the names of an expression such as ``os.environ.copy()["a"]`` as ``os.environ.copy``, up to a number.

    `ast.unparse` would take time with the square of the length of a chain, and is not for long ones.
    """
    names: list[str] = []
    for _ in range(_MOST_LINKS):
        if isinstance(node, ast.Attribute):
            names.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Call):
            names += [str(one.value) for one in node.args[:2] if isinstance(one, ast.Constant)]  # as of getattr
            node = node.func
        elif isinstance(node, ast.Subscript):
            node = node.value
        else:
            break
    return ".".join(reversed([*names, node.id] if isinstance(node, ast.Name) else names))


def _parse(source: str) -> ast.Module | None:
    """Parse a cell as far as it is Python; None if that fails."""
    magic = _CELL_MAGIC.match(source)
    if magic:
        if magic[1] not in _OF_PYTHON:
            return ast.Module(body=[], type_ignores=[])
        source = source[magic.end() :]
    try:
        return parse_statements(blank_magics(source)[0])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
