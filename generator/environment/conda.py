"""Check ``environment.yml`` before a build, so that a mistake is reported with its line."""

from __future__ import annotations

from generator.shared.errors import EnvironmentSpecError
from generator.shared.yaml_limits import YamlLimitError, check_events, check_size
from generator.shared.yaml_problems import find_problem, unfit_values


def check_conda_environment(text: str, file: str) -> None:
    """Check that a file is a YAML mapping; ``file`` is for messages.

    Raises:
        EnvironmentSpecError: the file is not valid YAML, is not a mapping, or is too large.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        check_size(text)
        check_events(YAML(typ="safe", pure=True).parse(text))
        document = YAML(typ="safe", pure=True).load(text)
    except YamlLimitError as error:
        raise EnvironmentSpecError(f"{file}: the document is too large: {error}") from None
    except (YAMLError, *unfit_values, RecursionError) as error:
        line, problem = find_problem(error)
        raise EnvironmentSpecError(f"{file}{f' line {line}' if line else ''}: {problem}") from None
    if document is not None and not isinstance(document, dict):
        raise EnvironmentSpecError(f"{file}: not a mapping; write 'dependencies:' above the list of packages")
