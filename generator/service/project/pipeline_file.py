"""The pipeline file ``.gitlab-ci.yml``: supports the keywords that packmill's own file uses, refuses others by name.

Source: https://docs.gitlab.com/ci/yaml/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from generator.service.project import rules
from generator.shared.errors import UsageError

name = ".gitlab-ci.yml"
_GLOBAL = frozenset(("stages", "workflow", "variables", "default"))
_JOB = frozenset("image stage rules script before_script artifacts timeout variables allow_failure when".split())
_ARTIFACTS = frozenset(("name", "paths", "when", "expire_in", "reports"))
_REPORTS = frozenset(("junit", "dotenv"))
_WHEN = ("on_success", "on_failure", "always", "manual", "never")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "mo": 2592000, "y": 31557600}


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One of ``rules``: a condition, and when the job runs if it is true."""

    condition: str | None
    when: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifacts:
    """The artifacts of a job; ``expire_in`` in seconds, None for never."""

    paths: tuple[str, ...] = ()
    when: str = "on_success"
    expire_in: float | None = 30 * 86400
    junit: tuple[str, ...] = ()
    dotenv: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A job of the file; ``timeout`` in seconds."""

    name: str
    stage: str
    script: tuple[str, ...]
    rules: tuple[Rule, ...]
    when: str
    artifacts: Artifacts
    timeout: float
    variables: Mapping[str, str]
    allow_failure: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Variable:
    """A variable of the whole pipeline, with its description and options for a form."""

    name: str
    value: str
    description: str
    options: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PipelineFile:
    """The whole file."""

    stages: tuple[str, ...]
    workflow: tuple[Rule, ...]
    variables: tuple[Variable, ...]
    jobs: tuple[Job, ...]

    def jobs_for(self, variables: Mapping[str, str]) -> list[tuple[Job, str]]:
        """Return the jobs of a pipeline with these variables, in the order of the stages, and when each runs."""
        given = {**{one.name: one.value for one in self.variables}, **variables}
        if self.workflow and _select_when(self.workflow, given) in (None, "never"):
            return []
        whens = (
            (job, _select_when(job.rules, {**given, **job.variables}) if job.rules else job.when) for job in self.jobs
        )
        selected = [(job, when) for job, when in whens if when is not None and when != "never"]
        return sorted(selected, key=lambda one: self.stages.index(one[0].stage))


def _select_when(candidates: tuple[Rule, ...], variables: Mapping[str, str]) -> str | None:
    return next(
        (rule.when for rule in candidates if rule.condition is None or rules.is_true(rule.condition, variables)), None
    )


def read(text: str, *, timeout: float) -> PipelineFile:
    """Parse a pipeline file; ``timeout`` (seconds) is the default for jobs.

    Raises:
        UsageError: the text is not YAML, or uses a keyword or value that the service does not support.
    """
    try:
        document = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise UsageError(f"{name}: {error}") from None
    if not isinstance(document, dict):
        raise UsageError(f"{name}: must be a mapping of jobs")
    default = _mapping(document.get("default"), "default", _JOB - {"script", "rules", "stage"})
    workflow = _mapping(document.get("workflow"), "workflow", frozenset(("rules",)))
    stages = (".pre", *_words(document.get("stages", ("build", "test", "deploy")), "stages"), ".post")
    jobs = [
        _job(key, {**default, **_mapping(value, key, _JOB)}, stages, timeout)
        for key, value in document.items()
        if key not in _GLOBAL and not str(key).startswith(".")
    ]
    return PipelineFile(
        stages=stages,
        workflow=_rules(workflow.get("rules"), "workflow"),
        variables=tuple(_variable(key, value) for key, value in _entries(document, "variables").items()),
        jobs=tuple(jobs),
    )


def _mapping(value: object, where: str, known: frozenset[str]) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UsageError(f"{name}: {where}: {value!r} is not a mapping")
    unknown = sorted(str(key) for key in value if key not in known)
    if unknown:
        raise UsageError(
            f"{name}: {where}: keyword {unknown[0]!r} is not supported by this service\n"
            f"  supported: {', '.join(sorted(known))}"
        )
    return value


def _entries(given: Mapping[str, Any], where: str, key: str | None = None) -> dict[str, Any]:
    value = given.get(key or where)
    if value is not None and not isinstance(value, dict):
        raise UsageError(f"{name}: {where}: {value!r} is not a mapping")
    return value or {}


def _boolean(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{name}: {where}: {value!r} is not true or false")
    return value


def _words(value: object, where: str) -> tuple[str, ...]:
    items = value if isinstance(value, list | tuple) else [] if value is None else [value]
    words: list[str] = []
    for item in items:
        words += _words(item, where) if isinstance(item, list) else [str(item)]
    return tuple(words)


def _variable(key: str, value: object) -> Variable:
    given = value if isinstance(value, dict) else {"value": value}
    _mapping(given, f"variables: {key}", frozenset(("value", "description", "options")))
    return Variable(
        name=str(key),
        value="" if given.get("value") is None else str(given["value"]),
        description=str(given.get("description", "")),
        options=_words(given.get("options"), key),
    )


def _job(key: str, given: Mapping[str, Any], stages: tuple[str, ...], timeout: float) -> Job:
    script = (*_words(given.get("before_script"), key), *_words(given.get("script"), key))
    stage = str(given.get("stage", "test"))
    if not _words(given.get("script"), key):
        raise UsageError(f"{name}: {key}: the job has no script")
    if stage not in stages:
        raise UsageError(f"{name}: {key}: stage {stage!r} is not defined; stages: {', '.join(stages[1:-1])}")
    return Job(
        name=str(key),
        stage=stage,
        script=script,
        rules=_rules(given.get("rules"), key),
        when=_when(given.get("when", "on_success"), key),
        artifacts=_artifacts(given.get("artifacts"), key),
        timeout=seconds(str(given["timeout"]), f"{key}: timeout") if "timeout" in given else timeout,
        variables={str(k): str(v) for k, v in _entries(given, f"{key}: variables", "variables").items()},
        allow_failure=_boolean(given.get("allow_failure", False), f"{key}: allow_failure"),
    )


def _when(value: object, where: str) -> str:
    if value not in _WHEN:
        raise UsageError(f"{name}: {where}: when: {value!r} is not supported; use one of {', '.join(_WHEN)}")
    return str(value)


def _rules(value: object, where: str) -> tuple[Rule, ...]:
    if value is not None and not isinstance(value, list):
        raise UsageError(f"{name}: {where}: rules must be a list")
    found = []
    for one in value or []:
        given = _mapping(one, f"{where}: rules", frozenset(("if", "when")))
        condition = str(given["if"]) if "if" in given else None
        if condition is not None:
            rules.check(condition)
        found.append(Rule(condition=condition, when=_when(given.get("when", "on_success"), where)))
    return tuple(found)


def _artifacts(value: object, where: str) -> Artifacts:
    given = _mapping(value, f"{where}: artifacts", _ARTIFACTS)
    reports = _mapping(given.get("reports"), f"{where}: artifacts: reports", _REPORTS)
    expire_in = str(given.get("expire_in", "30 days"))
    return Artifacts(
        paths=_words(given.get("paths"), where),
        when=_when(given.get("when", "on_success"), where),
        expire_in=None if expire_in == "never" else seconds(expire_in, f"{where}: expire_in"),
        junit=_words(reports.get("junit"), where),
        dotenv=_words(reports.get("dotenv"), where),
    )


def seconds(text: str, where: str) -> float:
    """Parse a duration as GitLab writes it, such as ``2 hours 30 minutes`` or ``1 week``; a bare number is in seconds.

    Raises:
        UsageError: the text is not a duration.
    """
    if re.fullmatch(r"\s*\d+\s*", text):
        return float(text)
    total, rest = 0.0, re.sub(r"\band\b|,", " ", text.lower())
    for number, unit in re.findall(r"(\d+(?:\.\d+)?)\s*([a-z]+)", rest):
        short = "mo" if unit.startswith("mo") else unit[:1]
        if short not in _UNITS:
            raise UsageError(f"{name}: {where}: {text!r} is not a duration; write e.g. '2 hours'")
        total += float(number) * _UNITS[short]
    if not total or re.sub(r"\d+(?:\.\d+)?\s*[a-z]+", "", rest).strip():
        raise UsageError(f"{name}: {where}: {text!r} is not a duration; write e.g. '2 hours'")
    return total
