"""Advice for imports that fail: which distribution or Debian package to declare, and in which file."""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterable

from generator.notebook.distributions import distribution_of, removed_modules
from generator.notebook.imports import Import
from generator.runner.check.import_errors import ImportFailure

_DEBIAN_PACKAGES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libGLU.so.1": "libglu1-mesa",
    "libOpenGL.so.0": "libopengl0",
    "libSM.so.6": "libsm6",
    "libX11.so.6": "libx11-6",
    "libXext.so.6": "libxext6",
    "libXft.so.2": "libxft2",
    "libXrender.so.1": "libxrender1",
    "libasound.so.2": "libasound2",
    "libcairo.so.2": "libcairo2",
    "libexpat.so.1": "libexpat1",
    "libfontconfig.so.1": "libfontconfig1",
    "libgfortran.so.5": "libgfortran5",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgomp.so.1": "libgomp1",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libodbc.so.2": "libodbc2",
    "libpango-1.0.so.0": "libpango-1.0-0",
    "libpq.so.5": "libpq5",
    "libsndfile.so.1": "libsndfile1",
    "libstdc++.so.6": "libstdc++6",
    "libtcl8.6.so": "libtcl8.6",
    "libtk8.6.so": "libtk8.6",
    "libusb-1.0.so.0": "libusb-1.0-0",
    "libxcb.so.1": "libxcb1",
}
_PYTHON_PARTS = {"tkinter": "python3-tk", "_tkinter": "python3-tk", "turtle": "python3-tk", "_gdbm": "python3-gdbm"}
"""Parts of the standard library that Debian packages on their own."""
_TOOLS = {
    "uv.lock": "with 'uv add {names}', which updates pyproject.toml and uv.lock",
    "Pipfile.lock": "with 'pipenv install {names}', which updates Pipfile and Pipfile.lock",
    "Pipfile": "with 'pipenv install {names}'",
    "pylock.toml": "where pylock.toml is locked from, and lock again: {names}",
    "pyproject.toml": "in the dependencies in {file}: {names}",
    "setup.py": "in install_requires in {file}: {names}",
}


def advise_on_missing(missing: Iterable[Import], file: str) -> list[str]:
    """Return sentences on modules that are missing; ``file`` is the environment's file that declares packages."""
    missing = list(missing)
    known = {*removed_modules, *_PYTHON_PARTS}
    names = dict.fromkeys(distribution_of(one.name or one.module) for one in missing if one.module not in known)
    return [
        *([_declare(names, file)] if names else ()),
        *(_left_python(one.module) for one in missing if one.module in removed_modules),
        *(_install(_PYTHON_PARTS[one.module], file) for one in missing if one.module in _PYTHON_PARTS),
    ]


def advise_on_failure(one: Import, failure: ImportFailure, file: str, *, local: Iterable[str]) -> str:
    """Return a sentence on an import that fails; ``local`` are the modules that the repository has."""
    distribution = _name_of(one)
    if failure.library:
        package = _DEBIAN_PACKAGES.get(failure.library, f"the Debian package with {failure.library}")
        also = ", or replace opencv-python with opencv-python-headless" if one.module == "cv2" else ""
        return _install(package, file) + also
    if failure.missing:
        return _advise_on_missing_module(one, failure.missing, file, local=local)
    if one.module in sys.stdlib_module_names:
        return "this Python does not have it: correct the import, or name another Python in runtime.txt"
    if "(unknown location)" in failure.summary:
        return (
            f"the image has {one.module} only as a folder without __init__.py; "
            f"if a package is meant, {_declare([distribution_of(one.name or one.module)], file)}"
        )
    if one.module in local:
        return f"the repository's {one.module} cannot be imported: correct it or the import"
    if failure.incompatible:
        return f"declare versions of {distribution} and of the packages that it needs that fit each other"
    return f"declare a version of {distribution} that has it, such as {distribution}==VERSION"


def _name_of(one: Import) -> str:
    """Return the distribution of an import, without a limit on its version."""
    return distribution_of(one.name or one.module).partition("<")[0]


def _advise_on_missing_module(one: Import, missing: str, file: str, *, local: Iterable[str]) -> str:
    """Return a sentence on a module that is missing in a package, or that an imported module imports."""
    top, dot, _ = missing.partition(".")
    if missing in removed_modules:
        return f"{_left_python(missing)}, or declare a later version of {_name_of(one)}"
    if missing in _PYTHON_PARTS:
        return _install(_PYTHON_PARTS[missing], file)
    if not dot:
        return _declare([distribution_of(missing)], file)
    if top in local:
        return f"the repository's {top} has no module {missing}: add it, or correct the import"
    whole = one.name if one.name.startswith(missing) else missing
    return f"declare the distribution or the version that has {missing}, such as {distribution_of(whole)}"


def _declare(names: Iterable[str], file: str) -> str:
    listed = " ".join(names)
    base = posixpath.basename(file)
    if base == "Dockerfile":
        return f"install them in {file}: {listed}"
    if not file:
        return f"declare them, for example in requirements.txt: {listed}"
    return "declare them " + _TOOLS.get(base, "in {file}: {names}").format(names=_quoted(listed, base), file=file)


def _quoted(listed: str, base: str) -> str:
    return re.sub(r"\S*[<>]\S*", r'"\g<0>"', listed) if "{names}'" in _TOOLS.get(base, "") else listed


def _install(package: str, file: str) -> str:
    if posixpath.basename(file) == "Dockerfile":
        return f"install {package} in {file}"
    folder = posixpath.dirname(file) if posixpath.dirname(file) in ("binder", ".binder") else ""
    return f"add {package} to {posixpath.join(folder, 'apt.txt')}"


def _left_python(module: str) -> str:
    version = removed_modules[module]
    return f"{module} left Python with {version}: do without it, or name an earlier Python in runtime.txt"
