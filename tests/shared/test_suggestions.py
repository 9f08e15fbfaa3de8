"""Error messages suggest the known name that was probably meant, and list a few of many."""

from __future__ import annotations

from generator.shared.suggestions import did_you_mean, list_some, nearest


def test_a_similar_name_is_suggested() -> None:
    assert nearest("yaer", ["city", "year"]) == "year"
    assert did_you_mean("yaer", ["city", "year"]) == "; did you mean 'year'?"


def test_nothing_is_suggested_when_no_name_is_similar() -> None:
    assert nearest("threshold", ["city", "year"]) is None
    assert did_you_mean("threshold", ["city", "year"]) == ""
    assert did_you_mean("threshold", []) == ""


def test_a_list_within_the_limit_is_complete() -> None:
    assert list_some([]) == ""
    assert list_some(["a", "b"], limit=2) == "a, b"


def test_a_longer_list_ends_in_the_number_of_the_others() -> None:
    assert list_some(["a", "b", "c", "d", "e"], limit=2) == "a, b and 3 more"
