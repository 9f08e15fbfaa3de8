"""Choices of a parameter: in CWL where it can carry them, otherwise checked by packmill and the runner."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bare_runs import BareRunner

from generator.notebook.hints import parse_hint
from generator.notebook.literals import MisfitError
from generator.package.inputs import fit_for_cwl

pytestmark = pytest.mark.slow

_CHOICES = """\
from typing import Literal, Optional
bands = ["red"]  # type: Literal["red", "nir"][]
maybe: Optional[list[Literal["a", "b"]]] = None
units = "m/s"  # type: Literal["m/s", "km/h", "", "a#b", "a:b", " x"]
level: list[Literal[1, 2]] = [2]
mixed: Literal["a", 1, True] = 1
odd: Literal["1e3", "null", "2020-01-01", "a "] = "1e3"
union: Literal["a", "b"] | Literal["b", "c"] = "c"
large = 99999999999  # type: int
larges = [1, 99999999999]  # type: int[]?
out = 'values.json'  # type: stage-out
"""
_REPORT = "import json\njson.dump([bands, maybe, units, level, mixed, odd, union, large, larges], open(out, 'w'))"


def test_choices_of_every_kind_run_in_plain_cwltool(run: BareRunner, tmp_path: Path) -> None:
    given = {"bands": ["nir", "red"], "maybe": ["b"], "units": "a#b"}

    done = run(_CHOICES, _REPORT, job=given)

    assert done.code == 0, done.log
    values = json.loads(next((tmp_path / "results").rglob("values.json")).read_text())
    assert values == [["nir", "red"], ["b"], "a#b", [2], 1, "1e3", "c", 99999999999, [1, 99999999999]]


def test_the_runner_checks_choices_that_cwl_cannot_carry(run: BareRunner) -> None:
    done = run(_CHOICES, _REPORT, job={"bands": ["blue"], "units": "knots", "level": [3]})

    assert done.code == 1
    assert "bands is 'blue', but one of 'red', 'nir' is needed" in done.log
    assert "units is 'knots', but one of 'm/s', 'km/h', '', 'a#b', 'a:b', ' x' is needed" in done.log
    assert "level is 3, but one of 1, 2 is needed" in done.log


@pytest.mark.parametrize(
    ("hint", "value", "problem"),
    [
        ("Literal['a', 'b'][]", ["c"], "one of 'a', 'b'"),
        ("Literal['a', 'b'][]?", ["a", "c"], "one of 'a', 'b'"),
        ("Literal['a/b']", "c", "one of 'a/b'"),
        ("Literal['a', 1]", "b", "one of a, 1"),
        ("Literal[True]", False, "one of True"),
        ("Literal[1, 2][]", [3], "one of 1, 2"),
        ("int", 2**31, "is 2147483648, which is too large for an int of 32 bits"),
        ("int?", -(2**31) - 1, "is -2147483649, which is too large for an int of 32 bits"),
        ("int[]", [1, 2**31], "is 2147483648, which is too large for an int of 32 bits"),
        ("int", 2147483648.0, "is 2147483648, which is too large for an int of 32 bits"),
        ("long", 2**63, "is 9223372036854775808, which does not fit into 64 bits"),
        ("long[]?", [-(2**63) - 1], "does not fit into 64 bits"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_before_a_run(hint: str, value: Any, problem: str) -> None:
    with pytest.raises(MisfitError) as refusal:
        fit_for_cwl(value, parse_hint(hint)[0])

    assert problem in str(refusal.value)
