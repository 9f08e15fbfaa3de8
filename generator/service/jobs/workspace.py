"""The folders of one job: the project's files, artifacts of earlier jobs and uploads, and a home folder.

Like ``shepherd.py``, it uses only the standard library and modules that do the same.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from generator.service.jobs.trace_writer import Section, Trace
from generator.shared.passing_errors import insist
from generator.shared.removal import remove_tree

START_PATIENCE = 60.0
"""Seconds for which a program of a job is tried to be started while the machine can start no process."""
_COPIED = frozenset((".docker/buildx/current",))
"""Settings that every build replaces: limits hold for files, so a job could not read the new one through a link."""


class SystemFailureError(Exception):
    """A failure of the service or the machine rather than of the script."""


class Workspace:
    """The folder that a job's script starts in (``work``), and one for its home and temporary files (``temporary``)."""

    def __init__(self, folder: Path, spec: dict[str, Any], trace: Trace) -> None:
        """``folder`` is the job's own at the service; ``spec`` is described in ``shepherd.py``."""
        self._folder, self._spec, self._trace = folder, spec, trace
        self.work, self.temporary = Path(spec["work"]), Path(spec["temporary"])

    def prepare(self) -> None:
        """Replace both folders, and fill them with what the script needs.

        Raises:
            SystemFailureError: the project cannot be fetched.
            OSError, zipfile.BadZipFile, KeyError: a file, an archive or the account is missing or broken.
        """
        for folder in (self.work, self.temporary):
            remove_tree(folder)
            folder.parent.mkdir(parents=True, exist_ok=True)
        with Section(self._trace, "get_sources", "Getting source from the project"):
            self._git("clone", "--quiet", "--shared", "--no-checkout", "--", self._spec["project"], str(self.work))
            self._git("-C", str(self.work), "checkout", "--quiet", "--force", "--detach", self._spec["sha"])
            self._trace.say(f"Checking out {self._spec['sha'][:8]} as detached HEAD")
        if self._spec["artifacts"]:
            with Section(self._trace, "download_artifacts", "Downloading artifacts"):
                for archive in self._spec["artifacts"]:
                    self._unpack(Path(archive))
        for source, path in self._spec["files_of_run"]:
            self._copy_upload(Path(source), self.work / path)
        self._make_home()
        self._hand_over()

    def _copy_upload(self, source: Path, target: Path) -> None:
        self._trace.say(f"Copying {target.relative_to(self.work)}")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)

    def _make_home(self) -> None:
        """Create the temporary folder, and in it a home folder with the account's settings, as links where possible."""
        home = self.temporary / "home"
        home.mkdir(parents=True)
        for name, target in self._spec["home"].items():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            if name in _COPIED:
                with suppress(OSError):  # absent by now: the engine's own builder is used
                    shutil.copyfile(target, home / name)
            else:
                (home / name).symlink_to(target)

    def _hand_over(self) -> None:
        """Give the job's folders to the account that it runs as, with access for no other account."""
        for folder in (self.work, self.temporary):
            folder.chmod(0o700)
        if self._spec["user"] is None:
            return
        account = pwd.getpwnam(self._spec["user"])
        for top in (self.work, self.temporary):
            for root, folders, names in os.walk(top):
                for name in (".", *folders, *names):
                    os.chown(Path(root, name), account.pw_uid, account.pw_gid, follow_symlinks=False)

    def _git(self, *words: str) -> None:
        config = self._folder / "gitconfig"
        # a file, not an option: git upload-pack checks who owns the project too, and gets no options
        config.write_text("[safe]\n\tdirectory = *\n[advice]\n\tdetachedHead = false\n")
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": str(config)}
        command = ("git", *words)
        done = insist(
            lambda: subprocess.run(
                command, capture_output=True, check=False, stdin=subprocess.DEVNULL, env=environment
            ),
            patience=START_PATIENCE,
        )
        if done.returncode != 0:
            raise SystemFailureError(f"cannot fetch the project: {done.stderr.decode(errors='replace').strip()}")

    def _unpack(self, archive: Path) -> None:
        self._trace.say(f"Extracting {archive.parent.name}/{archive.name}")
        with zipfile.ZipFile(archive) as packed:
            for info in packed.infolist():
                target = Path(packed.extract(info, self.work))
                if info.external_attr >> 16 & 0o111:
                    target.chmod(target.stat().st_mode | 0o111)
