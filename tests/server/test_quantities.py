"""Sizes and durations in options of the notebook server."""

from __future__ import annotations

import argparse

import pytest

from generator.runner.server.quantities import duration, size


@pytest.mark.parametrize(("text", "expected"), [("7", 7), ("500k", 500 << 10), ("1.5 MiB", 3 << 19), ("8T", 8 << 40)])
def test_a_size_is_a_number_of_bytes(text: str, expected: int) -> None:
    assert size(text) == expected


@pytest.mark.parametrize(("text", "expected"), [("7", 7.0), ("1.5m", 90.0), ("12H", 43_200.0), ("1w", 604_800.0)])
def test_a_duration_is_a_number_of_seconds(text: str, expected: float) -> None:
    assert duration(text) == expected


@pytest.mark.parametrize("text", ["", "-1", "1 parsec", "1e9", "9" * 400])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a size"):
        size(text)
    with pytest.raises(argparse.ArgumentTypeError, match="is not a duration"):
        duration(text)
