"""What a run leaves unless it is removed: its containers, and a folder with its values and temporary files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from generator.subprocesses.commands import run
from generator.subprocesses.interruptions import deferred_interruptions


@dataclass(frozen=True, kw_only=True, slots=True)
class Leftovers:
    """The folder of a run, and the label of its containers."""

    folder: Path
    label: str

    @property
    def job_file(self) -> Path:
        """The values of the run, secret ones among them."""
        return self.folder / "job.json"

    @property
    def engine_folder(self) -> Path:
        """The engine's temporary files."""
        return self.folder / "engine"

    def remove(self) -> None:
        """Remove everything, the values first."""
        with deferred_interruptions():
            self.job_file.unlink(missing_ok=True)
            self.remove_containers()
            _remove_folder(self.folder)

    def remove_containers(self) -> None:
        """Remove the containers of a run that ended early; nothing else would, so a second Ctrl-C waits."""
        with deferred_interruptions():
            listed = ("docker", "ps", "--all", "--quiet", "--filter", f"label={self.label}")
            if left := run(listed, timeout=30, apart=True).stdout.split():
                run(("docker", "rm", "--force", "--volumes", *left), timeout=60, apart=True)

    def remove_engine_folder(self) -> None:
        """Remove the engine's temporary files."""
        _remove_folder(self.engine_folder)


def _remove_folder(folder: Path) -> None:
    """Remove a folder without following links, even with unreadable folders or more levels than Python can follow."""
    remove = ("rm", "-rf", "--", str(folder))
    if run(remove, timeout=600).code != 0:
        run(("chmod", "-R", "u+rwX", "--", str(folder)), timeout=600)
        run(remove, timeout=600)
