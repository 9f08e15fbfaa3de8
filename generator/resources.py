"""packmill's data folders and jinja2 templates."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jinja2

_package = Path(__file__).parent


def data_folder(name: str) -> Path:
    """Locate ``templates`` or ``examples``: inside the installed package, or next to it in a checkout."""
    installed = _package / name
    return installed if installed.is_dir() else _package.parent / name


def checkout_folder() -> Path:
    """Locate ``build.sh``, ``.gitlab-ci.yml`` and ``requirements.lock``: in a clone, or their copies in a package."""
    installed = _package / "checkout"
    return installed if installed.is_dir() else _package.parent


def is_installed() -> bool:
    """Return whether packmill runs from an installed package instead of a clone."""
    return checkout_folder().parent == _package


def render(template: str, **values: Any) -> str:
    """Render one of packmill's own templates; a name missing from ``values`` is an error."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> jinja2.Environment:
    """Return the environment of all templates, which keeps them compiled."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(data_folder("templates")),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - Dockerfiles and Markdown; values are escaped by the caller's filters
    )
