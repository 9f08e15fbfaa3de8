"""The table ``[project]`` of ``pyproject.toml`` (PEP 621 and PEP 639)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from generator.environment.project import read_toml
from generator.metadata.licenses import canonical_license, license_of_text
from generator.metadata.metadata import Metadata, state
from generator.metadata.words import plain_word, read_people, text_of, texts_of

NAME = "pyproject.toml"
_HELP = ("documentation", "docs")
_REPOSITORY = ("repository", "source", "sourcecode", "github", "gitlab", "code", "homepage")


def read(text: str, source: str, read_file: Callable[[str], str | None]) -> Metadata:
    """Return the metadata of the project; ``read_file`` reads the license file that it may name.

    Raises:
        EnvironmentSpecError: the text is not valid TOML.
    """
    project = read_toml(text, source).get("project")
    if not isinstance(project, dict):
        return Metadata()
    urls = {plain_word(name.replace(" ", "")): url for name, url in _table(project, "urls").items()}
    return state(
        source,
        name=text_of(project.get("name")),
        description=text_of(project.get("description")),
        version=text_of(project.get("version")),
        author=read_people(project.get("authors")) or (),
        license=_license(project.get("license"), read_file),
        keywords=texts_of(project.get("keywords")),
        code_repository=next((text_of(urls[name]) for name in _REPOSITORY if name in urls), ""),
        software_help=next((text_of(urls[name]) for name in _HELP if name in urls), ""),
    )


def _license(value: Any, read_file: Callable[[str], str | None]) -> str:
    if isinstance(value, str):
        return canonical_license(value)
    table = value if isinstance(value, dict) else {}
    if isinstance(table.get("file"), str):
        return license_of_text(read_file(table["file"]) or "")
    text = text_of(table.get("text"))
    return license_of_text(text) if "\n" in text.strip() else canonical_license(text)


def _table(project: dict[str, Any], name: str) -> dict[str, Any]:
    table = project.get(name)
    return table if isinstance(table, dict) else {}
