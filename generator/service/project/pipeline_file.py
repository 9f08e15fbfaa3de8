"""The pipeline file ``.gitlab-ci.yml``: supports the keywords that packmill's own file uses, refuses others by name.

Source: https://docs.gitlab.com/ci/yaml/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from generator.service.project import rules as expressions
from generator.service.project.durations import parse_duration
from generator.shared.errors import UsageError
from generator.shared.safe_text import printable
from generator.shared.yaml_problems import describe_problem, unfit_values

name = ".gitlab-ci.yml"
_GLOBAL = frozenset(("stages", "workflow", "variables", "default"))
_LONGEST_NAME = 255


def _words(value: object) -> tuple[str, ...]:
    """Flatten a word, a list of words, or nested lists of words, as GitLab does with scripts."""
    items = value if isinstance(value, list | tuple) else [value]
    words: list[str] = []
    for item in items:
        words += _words(item) if isinstance(item, list | tuple) else [str(item)]
    return tuple(words)


def _check_expression(text: str) -> str:
    try:
        expressions.check(text)
    except UsageError as error:
        raise ValueError(str(error)) from None
    return text


def _parse_expiry(value: object) -> float | None:
    return None if value == "never" else parse_duration(value)


def _parse_allowed_failure(value: object) -> bool | tuple[int, ...]:
    """Parse ``allow_failure``: a boolean, or the exit codes that do not fail the pipeline."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, dict) or set(value) != {"exit_codes"}:
        raise ValueError(f"{value!r} is not true or false, and has no exit_codes")
    codes = value["exit_codes"] if isinstance(value["exit_codes"], list) else [value["exit_codes"]]
    if not codes or not all(isinstance(code, int) and not isinstance(code, bool) for code in codes):
        raise ValueError(f"exit_codes: {value['exit_codes']!r} is not a whole number or a list of them")
    return tuple(codes)


Text = Annotated[str, BeforeValidator(str)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
When = Literal["on_success", "on_failure", "always", "manual", "never"]
Duration = Annotated[float, BeforeValidator(parse_duration)]
"""Seconds, parsed from GitLab's notation."""
AllowedFailure = Annotated[bool | tuple[int, ...], PlainValidator(_parse_allowed_failure)]
"""Whether a job may fail, or the exit codes with which it may."""


class _Keywords(BaseModel):
    """A mapping of keywords; a keyword without a value counts as missing."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _check_keywords(cls, given: object) -> object:
        if given is None:
            return {}
        if not isinstance(given, dict):
            raise PydanticCustomError("mapping", "{value} is not a mapping", {"value": repr(given)})
        supported = {field.alias or key for key, field in cls.model_fields.items()}
        unknown = sorted(str(key) for key in given if key not in supported)
        if unknown:
            raise PydanticCustomError(
                "keyword",
                "keyword '{keyword}' is not supported by this service\n  supported: {supported}",
                {"keyword": unknown[0], "supported": ", ".join(sorted(supported))},
            )
        return {key: value for key, value in given.items() if value is not None}


class Rule(_Keywords):
    """One of ``rules``: a condition, and when the job runs if it is true."""

    condition: Annotated[Text, AfterValidator(_check_expression)] | None = Field(default=None, alias="if")
    when: When = "on_success"


class Reports(_Keywords):
    """The artifacts that the service reads itself."""

    junit: Words = ()
    dotenv: Words = ()


class Artifacts(_Keywords):
    """The artifacts of a job; ``expire_in`` in seconds, None for never."""

    name: Text = ""
    paths: Words = ()
    when: When = "on_success"
    expire_in: Annotated[float | None, BeforeValidator(_parse_expiry)] = 30 * 86400
    reports: Reports = Reports()


class _Default(_Keywords):
    """The keywords that ``default`` sets for all jobs."""

    image: Any = None
    before_script: Words = ()
    artifacts: Artifacts = Artifacts()
    timeout: Duration | None = None
    variables: dict[Text, Text] = {}
    allow_failure: AllowedFailure = False
    when: When = "on_success"


class _JobKeywords(_Default):
    stage: Text = "test"
    rules: tuple[Rule, ...] = ()
    script: Words = ()


class _Workflow(_Keywords):
    name: Text = ""
    rules: tuple[Rule, ...] = ()


class _VariableKeywords(_Keywords):
    value: Text = ""
    description: Text = ""
    options: Words = ()


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
    allow_failure: bool | tuple[int, ...]

    def may_fail(self, when: str, exit_code: int | None = None) -> bool:
        """Return whether the pipeline passes if this job fails; so it does if nobody starts a manual job."""
        if isinstance(self.allow_failure, tuple):
            return exit_code in self.allow_failure
        return self.allow_failure or (when == "manual" and not self.rules)


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
    title: str
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

    def name_for(self, variables: Mapping[str, str]) -> str | None:
        """Return the name of a pipeline with these variables (``workflow:name``), None if it has none."""
        given = {**{one.name: one.value for one in self.variables}, **variables}
        found = re.sub(r"\$(?:(\w+)|\{(\w+)\})", lambda match: given.get(match[1] or match[2], ""), self.title)
        return printable(found)[:_LONGEST_NAME] or None


def _select_when(candidates: tuple[Rule, ...], variables: Mapping[str, str]) -> str | None:
    return next(
        (rule.when for rule in candidates if rule.condition is None or expressions.is_true(rule.condition, variables)),
        None,
    )


def read(text: str, *, timeout: float) -> PipelineFile:
    """Parse a pipeline file; ``timeout`` (seconds) is the default for jobs.

    Raises:
        UsageError: the text is not YAML, or uses a keyword or value that the service does not support.
    """
    try:
        document = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, *unfit_values, RecursionError) as error:
        raise UsageError(f"{name}: {describe_problem(error)}") from None
    if not isinstance(document, dict):
        raise UsageError(f"{name}: must be a mapping of jobs")
    default = document.get("default") or {}
    _validate(_Default, default, "default")
    stages = (".pre", *_words(document.get("stages") or ("build", "test", "deploy")), ".post")
    variables = document.get("variables") or {}
    if not isinstance(variables, dict):
        raise UsageError(f"{name}: variables: {variables!r} is not a mapping")
    workflow = _validate(_Workflow, document.get("workflow"), "workflow")
    return PipelineFile(
        stages=stages,
        workflow=workflow.rules,
        title=workflow.name,
        variables=tuple(_variable(str(key), value) for key, value in variables.items()),
        jobs=tuple(
            _job(str(key), {**default, **value} if isinstance(value, dict) else value, stages, timeout)
            for key, value in document.items()
            if key not in _GLOBAL and not str(key).startswith(".")
        ),
    )


def _variable(key: str, value: object) -> Variable:
    given = _validate(_VariableKeywords, value if isinstance(value, dict) else {"value": value}, f"variables: {key}")
    return Variable(name=key, value=given.value, description=given.description, options=given.options)


def _job(key: str, value: object, stages: tuple[str, ...], timeout: float) -> Job:
    given = _validate(_JobKeywords, value, key)
    if not given.script:
        raise UsageError(f"{name}: {key}: the job has no script")
    if given.stage not in stages:
        raise UsageError(f"{name}: {key}: stage {given.stage!r} is not defined; stages: {', '.join(stages[1:-1])}")
    return Job(
        name=key,
        stage=given.stage,
        script=(*given.before_script, *given.script),
        rules=given.rules,
        when=given.when,
        artifacts=given.artifacts,
        timeout=timeout if given.timeout is None else given.timeout,
        variables=given.variables,
        allow_failure=given.allow_failure,
    )


_Model = TypeVar("_Model", bound=_Keywords)


def _validate(model: type[_Model], value: object, where: str) -> _Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise UsageError(_describe(error.errors()[0], where)) from None


def _describe(error: ErrorDetails, where: str) -> str:
    path = ": ".join((name, where, *(part for part in error["loc"] if isinstance(part, str))))
    given = f"{error['input']!r} "
    problem = {
        "literal_error": f"{given}is not supported; use one of {', '.join(get_args(When))}",
        "tuple_type": "must be a list",
        "dict_type": f"{given}is not a mapping",
    }.get(error["type"], error["msg"].removeprefix("Value error, "))
    return f"{path}: {problem}"
