"""JUnit reports as GitLab's API gives them (``/pipelines/:id/test_report``)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any
from xml.etree import ElementTree

_LIMIT = 10 << 20
_MOST_CASES, _LONGEST_NAME, _LONGEST_TEXT, _LONGEST_TIME = 2000, 1000, 20_000, 1e9


def read(text: bytes) -> list[dict[str, Any]]:
    """The suites of a report, with their cases.

    Raises:
        ValueError, xml.etree.ElementTree.ParseError: it is too long, has too many cases, has entities of its own, or
            is no XML.
    """
    # bytes 0 occur in UTF-16 alone, in which a document type would not be found; expat reads nothing wider
    if len(text) > _LIMIT or b"<!DOCTYPE" in text or b"<!ENTITY" in text or b"\0" in text:
        raise ValueError("too long, with a document type of its own, or in UTF-16")
    root = ElementTree.fromstring(text)  # noqa: S314 - a document type, and with it any entity, is refused above
    suites = [root] if root.tag == "testsuite" else root.findall("testsuite")
    if sum(len(suite.findall("testcase")) for suite in suites) > _MOST_CASES or len(suites) > _MOST_CASES:
        raise ValueError(f"more than {_MOST_CASES} test cases")
    return [
        {
            "name": suite.get("name", "report")[:_LONGEST_NAME],
            "cases": [_case(case) for case in suite.findall("testcase")],
        }
        for suite in suites
    ]


def _case(case: ElementTree.Element) -> dict[str, Any]:
    outcome = next((kind for kind in ("failure", "error", "skipped") if case.find(kind) is not None), None)
    status = {"failure": "failed", "error": "error", "skipped": "skipped", None: "success"}[outcome]
    told = case.find(outcome) if outcome else None
    return {
        "status": status,
        "name": case.get("name", "")[:_LONGEST_NAME],
        "classname": case.get("classname", "")[:_LONGEST_NAME],
        "execution_time": _seconds(case.get("time") or "0"),
        "system_output": (told.text or told.get("message") or "")[:_LONGEST_TEXT] if told is not None else None,
    }


def _seconds(text: str) -> float:
    """A duration; sums of those that are longer than any job could be infinite, which JSON cannot say."""
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) and 0 <= value < _LONGEST_TIME else 0.0


_COUNTS = {"success_count": "success", "failed_count": "failed", "skipped_count": "skipped", "error_count": "error"}


def report(suites: Iterable[Mapping[str, Any]], *, whole: bool) -> dict[str, Any]:
    """The report of a pipeline; with ``whole`` each case too."""
    listed = []
    for suite in suites:
        cases = suite["cases"]
        counts: dict[str, Any] = {
            "name": suite["name"],
            "total_time": sum(case["execution_time"] for case in cases),
            "total_count": len(cases),
            **{name: sum(case["status"] == status for case in cases) for name, status in _COUNTS.items()},
        }
        listed.append({**counts, **({"suite_error": None, "test_cases": cases} if whole else {})})
    totals = {name: sum(suite[name] for suite in listed) for name in ("total_time", "total_count", *_COUNTS)}
    if whole:
        return {**totals, "test_suites": listed}
    renamed = {name.removeprefix("total_").removesuffix("_count"): value for name, value in totals.items()}
    return {"total": {**renamed, "suite_error": None}, "test_suites": listed}
