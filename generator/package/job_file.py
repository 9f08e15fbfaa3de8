"""Job files: the values of a run, in YAML or JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from generator.notebook.literals import MisfitError
from generator.package.file_objects import is_file_object, resolve
from generator.shared import yaml_limits
from generator.shared.errors import UsageError
from generator.shared.yaml_problems import describe_problem, find_problem, refuse_doubles, unfit_values

_of_the_loader = ("$", "cwl:", "cwltool:", "https://w3id.org/cwl/", "http://commonwl.org/cwltool#")
"""Prefixes of keys that the loader of CWL engines acts on or renames (Schema Salad, "Document preprocessing")."""


class YamlMistakeError(MisfitError):
    """A text is not YAML with JSON values; ``line`` is 0 if unknown."""

    def __init__(self, error: Exception) -> None:
        self.line, self.problem = find_problem(error)
        super().__init__(f"is not YAML with JSON values: {describe_problem(error)}")


def read_job(path: Path) -> dict[str, Any]:
    """Read a job file in YAML or JSON, with its files as absolute URIs.

    Raises:
        UsageError: the file cannot be read, is not a mapping, or has an invalid value.
    """
    try:
        text = yaml_limits.read_text(path)
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not text in UTF-8; save the file in this encoding") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: the job file cannot be read: {error}") from None
    return job_values(text, path.resolve().parent, name=str(path))


def job_values(text: str, folder: Path, *, name: str) -> dict[str, Any]:
    """Parse the text of a job; relative paths start at ``folder``, messages call the job ``name``.

    Raises:
        UsageError: the text is not a mapping, has a key of CWL's loader, or a malformed File or Directory.
    """
    try:
        job = read_yaml(text, finite=False)
    except YamlMistakeError as error:
        raise UsageError(f"{name}{f' line {error.line}' if error.line else ''}: {error.problem}") from None
    except MisfitError as error:
        raise UsageError(f"{name}: {error}") from None
    if not isinstance(job, dict | None):
        raise UsageError(f"{name}: not a mapping of inputs to values; write a line 'name: value' for each")
    job, values, at = job or {}, dict[str, Any](), "the job"
    try:
        refuse_directives(dict.fromkeys(job))
        for at, value in job.items():
            values[at] = check_value(value, folder)
    except MisfitError as error:
        raise UsageError(f"{name}: {at} {error}") from None
    return values


def check_value(value: Any, folder: Path) -> Any:
    """Refuse keys that direct an engine's loader, and resolve the files of a value from ``folder``.

    Raises:
        MisfitError: the value has such a key, or a malformed File or Directory.
    """
    refuse_directives(value)
    return resolve(value, folder)


def refuse_directives(value: Any) -> None:
    """Refuse keys that the loader of CWL engines acts on, such as ``$import``, at any depth.

    Raises:
        MisfitError: the value has one.
    """
    for key in _keys(value):
        if key.startswith(_of_the_loader) or key == "__id":
            raise MisfitError(f"has the key {key!r}, which CWL engines act on while they load a job; rename the key")


def refuse_address_keys(job: Mapping[str, Any]) -> None:
    """Refuse texts below the keys ``path`` and ``location``, except those of files, for an engine that changes them.

    Raises:
        UsageError: a value has one.
    """
    for name, value in job.items():
        for one in _mappings(value):
            key = next((key for key in ("path", "location") if _has_text(one.get(key, {}))), None)
            if key and not is_file_object(one):
                raise UsageError(
                    f"{name}: Toil takes the value of the key {key!r} for an address and changes it; rename the "
                    "key, or use --engine cwltool"
                )


def _has_text(value: Any) -> bool:
    return any(not isinstance(item, dict) for item in (value if isinstance(value, list) else [value]))


def _mappings(value: Any) -> Iterator[dict[str, Any]]:
    items = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
    if isinstance(value, dict):
        yield value
    for item in items:
        yield from _mappings(item)


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _keys(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from _keys(item)


def read_yaml(text: str, *, finite: bool = True, longest: int = yaml_limits.largest_text) -> Any:
    """Parse YAML into values that JSON also has; a date stays text.

    Without ``finite``, numbers may be infinite or NaN (YAML's ``.inf`` and ``.nan``). ``longest`` is how many
    characters a text that is not JSON may have: to parse YAML takes a second for some ten thousand.

    Raises:
        MisfitError: text is not YAML, has values unknown to JSON, or exceeds a limit of `generator.shared.yaml_limits`.
    """
    from ruamel.yaml.error import YAMLError

    try:
        yaml_limits.check_size(text)
        value = _json_or_yaml(text, finite=finite, longest=longest)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair cannot be encoded
        return value
    except yaml_limits.YamlLimitError as error:
        raise MisfitError(f"is beyond the limits of a document: {error}") from None
    except (YAMLError, *unfit_values, RecursionError) as error:
        raise YamlMistakeError(error) from None


def read_json(text: str) -> Any:
    """Parse JSON.

    Raises:
        MisfitError: the text exceeds a limit of `generator.shared.yaml_limits`.
        YamlMistakeError: the text is not JSON, has a name twice, or half a surrogate pair.
    """
    try:
        yaml_limits.check_size(text)
        value = _json(text)
        yaml_limits.check_depth(value)
        json.dumps(value, ensure_ascii=False).encode()
        return value
    except yaml_limits.YamlLimitError as error:
        raise MisfitError(f"is beyond the limits of a document: {error}") from None
    except (*unfit_values, RecursionError) as error:
        raise YamlMistakeError(error) from None


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=refuse_doubles, parse_float=_finite, parse_constant=_finite)


def _json_or_yaml(text: str, *, finite: bool, longest: int) -> Any:
    """Parse JSON with its own parser, which is faster and has no aliases; anything else as YAML."""
    try:
        value = _json(text)
    except ValueError:
        if len(text) > longest:
            raise yaml_limits.YamlLimitError(f"more than {longest} characters that are not JSON") from None
        return _yaml(text, finite=finite)
    yaml_limits.check_depth(value)
    return value


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is not a JSON number")
    return number


def _yaml(text: str, *, finite: bool) -> Any:
    from ruamel.yaml import YAML

    yaml_limits.check_events(YAML(typ="safe", pure=True).parse(text))
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _constructor()
    return json.loads(json.dumps(_plain_keys(yaml.load(text)), allow_nan=not finite))


def _constructor() -> type:
    """Return a constructor of YAML values in which a date keeps its text."""
    from ruamel.yaml.constructor import SafeConstructor

    class TextOfDates(SafeConstructor):
        """Constructs dates as text."""

    TextOfDates.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)
    return TextOfDates


def _plain_keys(value: Any) -> Any:
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"the key {key!r} is not text")
        return {key: _plain_keys(item) for key, item in value.items()}
    return [_plain_keys(item) for item in value] if isinstance(value, list) else value
