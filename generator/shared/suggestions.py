"""Suggest known names in error messages: the most similar one, or the first few of a list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most similar to ``word``, None if none is similar enough."""
    from difflib import get_close_matches

    matches = get_close_matches(word, list(known), n=1, cutoff=0.55)
    return matches[0] if matches else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'year'?``, to append to a message, or '' if no known name is similar."""
    guess = nearest(name, known)
    return f"; did you mean {guess!r}?" if guess else ""


def list_some(names: Sequence[str], limit: int = 10) -> str:
    """Return the first names and the number of the others: ``a, b and 3 more``."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
