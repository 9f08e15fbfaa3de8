"""The profiles of RO-Crate and Workflow RO-Crate with ``roc-validator`` (https://github.com/crs4/rocrate-validator)."""

from __future__ import annotations

from pathlib import Path

from rocrate_validator.models import Severity, ValidationSettings
from rocrate_validator.services import validate
from rocrate_validator.utils.http import HttpRequester

_CONTEXT = "https://w3id.org/ro/crate/1.1/context"


def judge(path: str) -> tuple[list[str], list[str]]:
    """Return violations of what the profiles require.

    Raises:
        ImportError: the context of RO-Crates is not in the validator's cache; the message is the command that adds it.
    """
    settings = ValidationSettings(
        rocrate_uri=str(Path(path).parent),
        profile_identifier="workflow-ro-crate",
        requirement_severity=Severity.REQUIRED,
        offline=True,
    )
    if not HttpRequester().has_cached(_CONTEXT):
        raise ImportError("rocrate-validator cache warm")
    return [f"{one.check.identifier}: {one.message}" for one in validate(settings).get_issues()], []
