"""repo2docker's own build packs, with a build context that neither fills the memory nor depends on ignore files.

repo2docker makes the context in memory. It applies ``.dockerignore`` and ``.containerignore``, which may be links to
any file of this machine, with patterns that can take exponential time; packmill adds the files that they list anyway.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import repo2docker.buildpacks.base as theirs

_PROGRAMS = ("repo2docker-entrypoint", "python3-login")
"""Files next to repo2docker's build packs that their Dockerfiles copy."""


def with_context_on_disk(pack: type) -> type:
    """Return a build pack that writes its context to a file; one that makes no context is returned as it is."""
    if getattr(pack, "build", None) is not theirs.BuildPack.build:
        return pack
    return type(pack.__name__, (_ContextOnDisk, pack), {})


class _ContextOnDisk:
    """Replaces the build of a build pack; it runs in the folder of the checkout."""

    def build(  # noqa: PLR0917 - the signature is repo2docker's
        self,
        client: Any,
        image_spec: str,
        memory_limit: int,  # noqa: ARG002 - BuildKit takes none
        build_args: dict[str, str],
        cache_from: list[str],
        extra_build_kwargs: dict[str, Any],
        platform: str | None = None,
    ) -> Iterator[str]:
        """Build the context with repo2docker's engine."""
        settings = {"buildargs": build_args, "cache_from": cache_from, "platform": platform, **extra_build_kwargs}
        with TemporaryFile() as context:
            _write_context(self, context, build_args)
            context.seek(0)
            yield from client.build(fileobj=context, tag=image_spec, custom_context=True, **settings)


def _write_context(pack: Any, context: IO[bytes], build_args: dict[str, str]) -> None:
    """Write the context as `theirs.BuildPack.build` does: Dockerfile, scripts, and the checkout in ``src``."""
    uid = int(build_args.get("NB_UID", theirs.DEFAULT_NB_UID))

    def owned(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uname = entry.gname = ""
        entry.uid = entry.gid = uid
        return entry

    with tarfile.open(fileobj=context, mode="w") as archive:
        dockerfile = pack.render(build_args).encode()
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(dockerfile)
        archive.addfile(entry, io.BytesIO(dockerfile))
        for script in sorted(pack.get_build_script_files()):
            place, source = pack.generate_build_context_filename(script)
            archive.add(source, place, filter=owned)
        for name in _PROGRAMS:
            archive.add(Path(theirs.HERE, name), name, filter=owned)
        folder = tarfile.TarInfo("src")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(folder)
        for path in _everything():
            archive.add(path, f"src/{path}", recursive=False, filter=owned)


def _everything() -> Iterator[str]:
    """Yield all files and folders in the current folder, sorted, each folder before its content."""
    for root, folders, files in os.walk("."):
        links = {name for name in folders if Path(root, name).is_symlink()}
        for name in sorted((*folders, *files)):
            yield os.path.relpath(os.path.join(root, name), ".")
        folders[:] = sorted(name for name in folders if name not in links)
