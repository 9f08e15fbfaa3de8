"""Toil as an engine: the trust that it requires, and the variables that it gets."""

from __future__ import annotations

import pytest

from generator.containers.limits import container_limits
from generator.package.engines import engine_of, toil
from generator.shared.errors import UsageError

_limits = container_limits()


def test_toil_is_found_by_its_name() -> None:
    assert engine_of("toil") is toil


def test_toil_requires_trust() -> None:
    with pytest.raises(UsageError, match="--trust"):
        toil.command(_limits, trust=False)


def test_toil_gets_the_variables_of_batch_schedulers_and_no_token() -> None:
    given = {"PATH": "/bin", "TOIL_WORKDIR": "/w", "SLURM_CONF": "/s", "AWS_SECRET_ACCESS_KEY": "x"}

    assert toil.environment(given) == {"PATH": "/bin", "TOIL_WORKDIR": "/w", "SLURM_CONF": "/s"}
