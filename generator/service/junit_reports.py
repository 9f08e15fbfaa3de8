"""JUnit reports as GitLab's API gives them (``/pipelines/:id/test_report``)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any
from xml.etree import ElementTree

_LIMIT = 10 << 20


def read(text: bytes) -> list[dict[str, Any]]:
    """The suites of a report, with their cases.

    Raises:
        ValueError, xml.etree.ElementTree.ParseError: it is too long, has entities of its own, or is no XML.
    """
    if len(text) > _LIMIT or b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise ValueError("too long, or with a document type of its own")
    root = ElementTree.fromstring(text)  # noqa: S314 - a document type, and with it any entity, is refused above
    suites = [root] if root.tag == "testsuite" else root.findall("testsuite")
    return [
        {"name": suite.get("name", "report"), "cases": [_case(case) for case in suite.findall("testcase")]}
        for suite in suites
    ]


def _case(case: ElementTree.Element) -> dict[str, Any]:
    outcome = next((kind for kind in ("failure", "error", "skipped") if case.find(kind) is not None), None)
    status = {"failure": "failed", "error": "error", "skipped": "skipped", None: "success"}[outcome]
    told = case.find(outcome) if outcome else None
    return {
        "status": status,
        "name": case.get("name", ""),
        "classname": case.get("classname", ""),
        "execution_time": _seconds(case.get("time") or "0"),
        "system_output": (told.text or told.get("message") or "") if told is not None else None,
    }


def _seconds(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else 0.0


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
