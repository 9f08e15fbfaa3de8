"""packmill's own wheel, made from the code that runs, so that an image gets the same code as this machine has.

It needs neither a build back end nor a network, in a clone as in an installed package.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from generator import __version__
from generator.resources import checkout_folder, data_folder, is_installed
from generator.shared.errors import UsageError

_TIME = (1980, 1, 1, 0, 0, 0)
_CODE = Path(__file__).parents[2]
_PACKAGES = ("generator", "packmill")
_COPIES = (".gitlab-ci.yml", "build.sh", "requirements.lock")
_WHEEL = "Wheel-Version: 1.0\nGenerator: packmill\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def write_wheel(folder: Path) -> Path:
    """Write the wheel to a folder; the same code gives the same bytes.

    Source: https://packaging.python.org/en/latest/specifications/binary-distribution-format/

    Raises:
        UsageError: packmill's metadata is missing, as in a clone without its virtual environment.
    """
    name = f"packmill-{__version__}"
    files = dict(_code_files())
    about = f"{name}.dist-info"
    files |= {f"{about}/METADATA": _metadata("METADATA"), f"{about}/WHEEL": _WHEEL.encode()}
    files[f"{about}/entry_points.txt"] = _metadata("entry_points.txt")
    record = "".join(_record_line(path, content) for path, content in sorted(files.items()))
    files[f"{about}/RECORD"] = f"{record}{about}/RECORD,,\n".encode()
    target = folder / f"{name}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w") as archive:
        for path, content in sorted(files.items()):
            entry = zipfile.ZipInfo(path, _TIME)
            entry.external_attr = (0o100755 if content.startswith(b"#!") else 0o100644) << 16
            archive.writestr(entry, content, compress_type=zipfile.ZIP_DEFLATED)
    return target


def _code_files() -> Iterator[tuple[str, bytes]]:
    for package in _PACKAGES:
        yield from _files(_CODE / package, package)
    if not is_installed():  # an installed package contains them
        for name in ("templates", "examples"):
            yield from _files(data_folder(name), f"generator/{name}")
        for name in _COPIES:
            yield f"generator/checkout/{name}", (checkout_folder() / name).read_bytes()


def _files(folder: Path, place: str) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"{place}/{path.relative_to(folder).as_posix()}", path.read_bytes()


def _metadata(name: str) -> bytes:
    try:
        text = distribution("packmill").read_text(name)
    except PackageNotFoundError:
        text = None
    if text is None:
        raise UsageError("packmill is not installed in this environment; run ./build.sh in a clone, or pip install .")
    return text.encode()


def _record_line(path: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    return f"{path},sha256={digest},{len(content)}\n"
