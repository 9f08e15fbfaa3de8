"""Find pipelines by words in what they were started with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import reduce
from typing import Any

import sqlalchemy as sa

from generator.service.store.database import Database, Row, pipelines, rows

_LONGEST, _MOST_WORDS = 200, 8
_COUNTED = 1000
_MARKS = ('"variable_type": "env_var"', '"variable_type": "file"', '"hidden": true', '"key": ', '"value": ')
"""The parts of stored variables that are not their names or values."""


@dataclass(frozen=True, slots=True)
class Found:
    """One page of what a search finds; of many thousands only the first are counted, because that takes a scan."""

    rows: list[Row]
    total: int
    has_more: bool
    """Whether there are more than ``total``."""


def search(database: Database, statement: sa.Select[Any], text: str, *, limit: int, offset: int) -> Found:
    """Return one page of the pipelines of a query that have every word of a text, in any case.

    Words are searched in names and values of variables. A user's whole name and ``#12`` or ``12`` for an ID are found
    too. Secret values are not found: the database does not have them.
    """
    for word in text[:_LONGEST].split()[:_MOST_WORDS]:
        statement = statement.where(_has(word, like_ignores_case=database.like_ignores_case))
    most = offset + _COUNTED
    with database.connection() as connection:
        # one scan in place of two, for the count and for the page
        found = connection.execute(statement.with_only_columns(pipelines.c.id).limit(most + 1)).scalars().all()
        shown = pipelines.c.id.in_(found[offset : offset + limit])
        listed = rows(connection, statement.where(shown)) if found[offset:] else []
    return Found(listed, total=min(len(found), most), has_more=len(found) > most)


def _has(word: str, *, like_ignores_case: bool) -> sa.ColumnElement[bool]:
    stored = json.dumps(word)[1:-1]  # as the column has it
    variables: sa.ColumnElement[str] = sa.cast(pipelines.c.variables, sa.Text)
    if any(stored.lower() in mark for mark in _MARKS):
        variables = reduce(lambda text, mark: sa.func.replace(text, mark, ""), _MARKS, variables)
    pattern = "%" + "".join(f"/{one}" if one in "/%_" else one for one in stored) + "%"
    like = variables.like if like_ignores_case else variables.ilike
    found = [like(pattern, escape="/"), pipelines.c.user == word]
    number = word.removeprefix("#")
    if number.isascii() and number.isdecimal() and len(number) < 10:
        found.append(pipelines.c.id == int(number))
    return sa.or_(*found)
