"""Read a build request from the variables of a CI pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from generator.platforms.platform import parse_platform
from generator.repository.destination import Destination, parse_destination
from generator.request.build import BuildRequest, build_request
from generator.request.resources import resource_names
from generator.shared.errors import UsageError
from generator.shared.setting_text import is_yes

_names = (
    "repository checkout process env parameters_cell kernel language output_template registry destination "
    "destination_branch destination_address deploy standard_buildpacks kernel_gateway no_submodules no_cache emit "
    "scatter cores ram disk time gpu"
).split()


def from_variables(environment: Mapping[str, str]) -> BuildRequest | None:
    """Read a build request from CI variables; None without a repository.

    Raises:
        UsageError: variables are set, but not ``repository``.
    """
    value = {name: environment.get(name, "").strip() for name in (*_names, "output", "PACKMILL_COMMIT")}
    if not value["repository"]:
        given = [name for name in _names if value[name]]
        if given:
            raise UsageError(
                f"the variable {given[0]!r} is set, but 'repository' is not; set it to a git URL or a path"
            )
        return None
    return build_request(
        value["repository"],
        checkout=value["checkout"] or None,
        processes=tuple(line.strip() for line in value["process"].splitlines() if line.strip()),
        environment=value["env"] or None,
        output_template=value["output_template"] or None,
        parameters_cell=value["parameters_cell"] or None,
        kernel=value["kernel"] or None,
        language=value["language"] or None,
        registry=value["registry"] or None,
        destination=_destination(value),
        platform=parse_platform(value["deploy"]) if value["deploy"] else None,
        output=Path(value["output"] or "packages"),
        commit=value["PACKMILL_COMMIT"] or None,
        fresh=is_yes(value["no_cache"]),
        standard=is_yes(value["standard_buildpacks"]),
        kernel_gateway=is_yes(value["kernel_gateway"]),
        submodules=not is_yes(value["no_submodules"]),
        replace=is_replacing(environment),
        emits=tuple(value["emit"].replace(",", " ").split()),
        scatter=tuple(value["scatter"].replace(",", " ").split()),
        resources={name: value[name] for name in resource_names},
    )


def is_replacing(environment: Mapping[str, str]) -> bool:
    """Whether CI variables allow replacing a package or an image of another repository.

    Raises:
        UsageError: the variable is set in a shared service, where only the operator may replace.
    """
    replaces = is_yes(environment.get("replace", ""))
    if replaces and environment.get("PACKMILL_LOCAL_REPOSITORIES", "") == "no":
        raise UsageError(
            "replace: this service does not allow requests to replace packages of other repositories; ask its operator "
            "to use packmill build --replace"
        )
    return replaces


def _destination(value: Mapping[str, str]) -> Destination | None:
    branch, template = value["destination_branch"], value["destination_address"]
    if not value["destination"]:
        if branch or template:
            raise UsageError("the variable 'destination' is not set, but its branch or address is; set it to a git URL")
        return None
    return parse_destination(value["destination"], branch=branch or None, template=template or None)
