"""JUnit reports in the form of GitLab's API (``/pipelines/:id/test_report``)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

LARGEST = 10 << 20
"""Bytes of a report."""
_MOST_CASES, _LONGEST_NAME, _LONGEST_TEXT, _LONGEST_TIME = 2000, 1000, 20_000, 1e9


def read_file(path: Path) -> list[dict[str, Any]]:
    """Read the suites of a report from a file, as `read` does.

    Raises:
        OSError: the file cannot be read.
        ValueError, xml.etree.ElementTree.ParseError: as `read`.
    """
    with path.open("rb") as file:
        return read(file.read(LARGEST + 1))


def read(text: bytes) -> list[dict[str, Any]]:
    """Read the suites of a report, with their cases.

    Raises:
        ValueError, xml.etree.ElementTree.ParseError: the report is too long, has too many cases or a document type, or
            is not XML.
    """
    # null bytes occur only in UTF-16, where a document type would not be found; expat reads no wider encoding
    if len(text) > LARGEST or b"<!DOCTYPE" in text or b"<!ENTITY" in text or b"\0" in text:
        raise ValueError("too long, with a document type, or in UTF-16")
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
    element = case.find(outcome) if outcome else None
    return {
        "status": status,
        "name": case.get("name", "")[:_LONGEST_NAME],
        "classname": case.get("classname", "")[:_LONGEST_NAME],
        "execution_time": _seconds(case.get("time") or "0"),
        "system_output": (element.text or element.get("message") or "")[:_LONGEST_TEXT]
        if element is not None
        else None,
    }


def _seconds(text: str) -> float:
    """Parse a duration, 0 if it is invalid or too long: sums could become infinite, which JSON cannot represent."""
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) and 0 <= value < _LONGEST_TIME else 0.0


_COUNTS = {"success_count": "success", "failed_count": "failed", "skipped_count": "skipped", "error_count": "error"}


def report(suites: Iterable[Mapping[str, Any]], *, whole: bool) -> dict[str, Any]:
    """Return the report of a pipeline; with ``whole`` including each case."""
    listed = []
    for suite in suites:
        cases = suite["cases"]
        counts: dict[str, Any] = {
            "name": suite["name"],
            "build_ids": suite["build_ids"],
            "total_time": sum(case["execution_time"] for case in cases),
            "total_count": len(cases),
            **{name: sum(case["status"] == status for case in cases) for name, status in _COUNTS.items()},
        }
        shown = {"test_cases": [{**case, "stack_trace": None} for case in cases]} if whole else {}
        listed.append({**counts, "suite_error": None, **shown})
    totals = {name: sum(suite[name] for suite in listed) for name in ("total_time", "total_count", *_COUNTS)}
    if whole:
        return {**totals, "test_suites": listed}
    renamed = {name.removeprefix("total_").removesuffix("_count"): value for name, value in totals.items()}
    return {"total": {**renamed, "suite_error": None}, "test_suites": listed}
