"""Give packages their version without git's history, by variables of the tools that would read it from there."""

from __future__ import annotations

import re
from collections.abc import Iterable

from packaging.utils import canonicalize_name

_BY_VARIABLE = (
    (r"\bpbr\b", "PBR_VERSION"),
    (r"source\s*=\s*[\"']scm[\"']", "PDM_BUILD_SCM_VERSION"),
    (r"poetry-dynamic-versioning", "POETRY_DYNAMIC_VERSIONING_BYPASS"),
    (r"uv-dynamic-versioning", "UV_DYNAMIC_VERSIONING_BYPASS"),
)
_NAME = re.compile(r"^[ \t]*name[ \t]*=[ \t]*[\"']?([A-Za-z0-9][\w.-]*)[\"']?(?:[ \t]*,)?[ \t\r]*$", re.MULTILINE)
_NAME_IN_CALL = re.compile(r"\bname\s*=\s*[\"']([A-Za-z0-9][\w.-]*)[\"']")


def version_variables(texts: Iterable[str], version: str) -> dict[str, str]:
    """Return the variables that give the packages of these packaging files a version.

    setuptools-scm has one for each package, so that other packages that are built keep theirs; hatch-vcs has one
    for all.
    """
    if not version:
        return {}
    variables: dict[str, str] = {}
    for text in texts:
        variables |= {name: version for pattern, name in _BY_VARIABLE if re.search(pattern, text)}
        names = [*_NAME.findall(text), *_NAME_IN_CALL.findall(text)][:1]
        if re.search(r"setuptools[_-]scm|use_scm_version|flit[_-]scm", text) and names:
            name = canonicalize_name(names[0]).replace("-", "_").upper()
            variables[f"SETUPTOOLS_SCM_PRETEND_VERSION_FOR_{name}"] = version
        elif re.search(r"setuptools[_-]scm|use_scm_version|hatch[_-]vcs|flit[_-]scm", text):
            variables["SETUPTOOLS_SCM_PRETEND_VERSION"] = version
    return dict(sorted(variables.items()))
