"""Images in the engine's store."""

from __future__ import annotations

import subprocess


def remove(*images: str) -> None:
    subprocess.run(["docker", "rmi", "--force", "--no-prune", *images], capture_output=True, check=False)


def local_images(pattern: str, label: str = "") -> list[str]:
    command = ["docker", "images", "--filter", f"reference={pattern}", "--format", "{{.Repository}}:{{.Tag}}"]
    listed = subprocess.run(
        [*command, *(("--filter", f"label={label}") if label else ())], capture_output=True, text=True, check=True
    )
    return listed.stdout.split()
