"""All profiles of ``eoap-validator`` (https://pypi.org/project/eoap-validator/)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eoap_validator.engine import validate
from eoap_validator.report import PROFILES, StagingConfig
from ruamel.yaml import YAML

_ALWAYS = ("EOAP.REQ14.COVERAGE",)
"""Rules that ask for a review of every staged output, because a type cannot prove that a folder has all products."""


def judge(path: str) -> tuple[list[str], list[str]]:
    """Return failed and blocked rules as faults; rules that need a review, and incomplete metadata, as warnings."""
    faults: list[str] = []
    warnings: list[str] = []
    for finding in validate(Path(path).as_uri(), profiles=PROFILES, staging=_staging(path)).findings:
        status, severity = (getattr(one, "value", one) for one in (finding.status, finding.severity))
        if status in ("passed", "not-applicable") or finding.rule_id in _ALWAYS:
            continue
        is_fault = status != "needs-review" and severity != "warning" and finding.profile != "metadata"
        kind = faults if is_fault else warnings
        kind.append(f"{finding.rule_id}: {finding.location.path}: {finding.message}")
    return faults, warnings


def _staging(path: str) -> StagingConfig:
    """Return the parameters that a platform stages: those of folders."""
    document = YAML(typ="safe").load(Path(path).read_text(encoding="utf-8"))
    processes = {str(one["id"]).lstrip("#"): one for one in document.get("$graph", [document])}
    return StagingConfig(
        inputs={name: _folders(one.get("inputs")) for name, one in processes.items()},
        outputs={name: _folders(one.get("outputs")) for name, one in processes.items()},
    )


def _folders(parameters: Any) -> list[str]:
    named = parameters if isinstance(parameters, dict) else {one["id"]: one for one in parameters or ()}
    types = {name: one.get("type") if isinstance(one, dict) else one for name, one in named.items()}
    return [name for name, kind in types.items() if str(kind).startswith("Directory")]
