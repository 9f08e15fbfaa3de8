"""Output templates by name, one of them the default, in an SQLite file, as in papermill-api."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from generator.shared.failures import BadInputsError, DiskFullError, usage_errors_as_bad_inputs
from generator.shared.path_templates import check_template
from generator.shared.sqlite_errors import is_without_space

variable = "PACKMILL_TEMPLATES"
"""The environment variable that names the file."""

_TABLE = (
    "CREATE TABLE IF NOT EXISTS template "
    "(name TEXT PRIMARY KEY, content TEXT NOT NULL, is_default INTEGER NOT NULL DEFAULT 0)"
)


@dataclass(frozen=True, slots=True)
class NamedTemplate:
    """One stored template."""

    name: str
    content: str
    default: bool


class TemplateStore:
    """The templates in one file; a missing file counts as empty, and reading does not create it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def all(self) -> tuple[NamedTemplate, ...]:
        """List all templates, sorted by name."""
        if not self.path.is_file():
            return ()
        with self._open() as database:
            rows = database.execute("SELECT name, content, is_default FROM template ORDER BY name").fetchall()
        return tuple(NamedTemplate(name, content, bool(default)) for name, content, default in rows)

    def get(self, name: str) -> NamedTemplate:
        """Return a template by name.

        Raises:
            BadInputsError: the store has no template of this name.
        """
        templates = {template.name: template for template in self.all()}
        if name not in templates:
            available = ", ".join(templates) or "none"
            raise BadInputsError(f"template {name!r}: not found in {self.path}; available templates: {available}")
        return templates[name]

    @property
    def default(self) -> NamedTemplate | None:
        """The template of runs that name none."""
        return next((template for template in self.all() if template.default), None)

    def put(self, name: str, content: str, *, default: bool) -> None:
        """Create or replace a template; at most one is the default."""
        if not name or not content.strip():
            raise BadInputsError("template: the name or the text is empty")
        with usage_errors_as_bad_inputs():
            check_template(content)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as database:
            database.execute(_TABLE)
            if default:
                database.execute("UPDATE template SET is_default = 0")
            database.execute(
                "INSERT INTO template VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET content = excluded.content, "
                "is_default = max(is_default, excluded.is_default)",
                (name, content, int(default)),
            )

    def clear_default(self) -> None:
        """Leave no template the default one."""
        with self._open() as database:
            database.execute("UPDATE template SET is_default = 0")

    def delete(self, name: str) -> None:
        """Remove a template.

        Raises:
            BadInputsError: the store has no template of this name.
        """
        self.get(name)
        with self._open() as database:
            database.execute("DELETE FROM template WHERE name = ?", (name,))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction, atomic among concurrent writers."""
        try:
            with closing(sqlite3.connect(self.path, timeout=10)) as database, database:
                yield database
        except (sqlite3.Error, ValueError) as error:
            kind = DiskFullError if is_without_space(error, self.path.parent) else BadInputsError
            raise kind(f"{self.path}: the templates cannot be read or written: {error}") from None


def find_store(path: str | None, environment: Mapping[str, str]) -> TemplateStore | None:
    """Return the store named by an option or the environment, or None."""
    named = path or environment.get(variable)
    return TemplateStore(Path(named).expanduser()) if named else None
