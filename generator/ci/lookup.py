"""The stage that a form runs before a build: look up what a repository offers."""

from __future__ import annotations

import json
from collections.abc import Mapping

from generator.build.lookup import look_up
from generator.request.variables import from_variables
from generator.shared.errors import PackmillError, UsageError


def main(environment: Mapping[str, str]) -> None:
    """Print as one JSON object what the repository of the variables offers, or the ``problem`` with them.

    Raises:
        UsageError: there is no repository.
    """
    try:
        request = from_variables(environment)
    except PackmillError as error:
        print(json.dumps({"problem": error.to_dict()}))
        return
    if request is None:
        raise UsageError("the variable 'repository' is not set; set it to a git URL or a path")
    print(json.dumps(look_up(request, environment)))
