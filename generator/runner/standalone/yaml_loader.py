"""papermill's loader of YAML, in which dates stay text; a name that is given twice is refused."""

from __future__ import annotations

from typing import Any

import yaml


class ParameterLoader(yaml.SafeLoader):  # type: ignore[misc]
    """Loads parameters."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as in PyYAML
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - PyYAML's
        """Construct a mapping.

        Raises:
            ConstructorError: a name is given twice; PyYAML would use the last value.
        """
        names: set[str] = set()
        for key, _value in getattr(node, "value", ()):
            if key.tag != "tag:yaml.org,2002:merge" and isinstance(key, yaml.ScalarNode):
                if key.value in names:
                    problem = f'found duplicate key "{key.value}"'
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                names.add(key.value)
        return super().construct_mapping(node, deep=deep)
