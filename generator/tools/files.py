"""Folders that appear under their final name whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import mkdtemp


def replace_folder(final: Path, files: Mapping[str, str | bytes], *, check: Callable[[Path], None]) -> bool:
    """Writes ``files`` beside ``final``, checks them there, and puts them in its place; whether anything changed.

    What others have put into the folder since stays there: only the files that the earlier ``package.json`` lists are
    replaced.
    """
    contents = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
    if _is_same(final, contents):
        return False
    final.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(mkdtemp(prefix=f".{final.name}.", dir=final.parent))
    try:
        for name, content in contents.items():
            path = staging / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        staging.chmod(0o755)
        check(staging)
        if final.exists():
            _keep_others(final, staging)
            retired = Path(mkdtemp(prefix=f".{final.name}.", dir=final.parent))
            final.rename(retired / "old")
            staging.rename(final)
            shutil.rmtree(retired)
        else:
            staging.rename(final)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return True


def _is_same(final: Path, contents: Mapping[str, bytes]) -> bool:
    return all(
        (final / name).is_file() and (final / name).read_bytes() == content for name, content in contents.items()
    )


def _keep_others(final: Path, staging: Path) -> None:
    try:
        ours = set(json.loads((final / "package.json").read_text(encoding="utf-8"))["documents"])
    except (OSError, ValueError, KeyError, TypeError):
        ours = set()
    for entry in list(final.iterdir()):
        is_ours = any(name == entry.name or name.startswith(entry.name + "/") for name in ours)
        if not is_ours and not (staging / entry.name).exists():
            entry.rename(staging / entry.name)
