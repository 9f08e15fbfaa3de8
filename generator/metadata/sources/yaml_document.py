"""Read YAML files of metadata as text: the version 1.10 stays 1.10, and a date stays as it is written."""

from __future__ import annotations

from typing import Any

from generator.shared.yaml_limits import YamlLimitError, check_events, check_size
from generator.shared.yaml_problems import describe_problem, unfit_values


def read_mapping(text: str) -> dict[str, Any]:
    """Return the mapping in a YAML text, with every scalar as text.

    Raises:
        ValueError: the text is not valid YAML, exceeds the limits, or is not a mapping.
    """
    import yaml

    try:
        check_size(text)
        check_events(yaml.parse(text, yaml.BaseLoader))
        document = yaml.load(text, yaml.BaseLoader)  # noqa: S506 - constructs text only
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ValueError(f"line {line}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"not valid YAML: {error}") from None
    except YamlLimitError:
        raise
    except unfit_values as error:
        raise ValueError(f"not valid YAML: {describe_problem(error)}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("not a mapping")  # noqa: TRY004 - a fault of the file
    return {str(key): value for key, value in document.items()}
