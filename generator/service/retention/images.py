"""Images in the engine, which ``packmill prune`` removes for the service: it knows what packages and containers use."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from generator.service.log import log
from generator.service.retention.policy import Policy
from generator.subprocesses.commands import run

_TIMEOUT = 1800.0
_DAY = 86400.0
_code = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageReport:
    """The bytes of packmill's images that are left, the number of those removed, and their bytes."""

    size: int
    removed: int
    removed_size: int


def prune_images(policy: Policy, *, data: Path, variables: Mapping[str, str]) -> ImageReport | None:
    """Run ``packmill prune`` for images, with the variables of jobs; report a failure in one line and return None."""
    days = "36500" if policy.older_than is None else f"{policy.older_than / _DAY:g}"
    words = ["prune", "--only", "images", "--keep-bases", "--yes", "--json", "--older-than", days, "--data", str(data)]
    if policy.image_quota is not None:
        words += ["--image-quota", str(policy.image_quota)]
    path = os.pathsep.join(filter(None, (str(_code), os.environ.get("PYTHONPATH"))))
    command = (sys.executable, "-m", "generator", *words, "--output", str(data / "packages"))
    done = run(command, environment={**variables, "PYTHONPATH": path}, timeout=_TIMEOUT)
    try:
        found = json.loads(done.stdout)
        things = [one for one in found["things"] if one["kind"] != "cache"]
        return ImageReport(
            size=int(found["images"]), removed=len(things), removed_size=sum(one["size"] for one in things)
        )
    except (ValueError, LookupError, TypeError):
        lines = done.stderr.strip().splitlines() or [f"exit code {done.code}"]
        log(f"retention: images: {lines[-1]}")
        return None
