"""Find a notebook of the home by its name, its path in the home, or its whole path."""

from __future__ import annotations

import posixpath

from generator.notebook.text_formats import is_notebook_name
from generator.runner.server.catalogue import ServedNotebook
from generator.runner.server.context import Context
from generator.runner.server.problems import ProblemError
from generator.shared.suggestions import did_you_mean, list_some

_ENDING = ".ipynb"
_SHOWN = 200


def check_user(context: Context, username: str | None) -> None:
    """Check that a request is about the user of this home; one without a name is.

    Raises:
        ProblemError: 403, it is about another one.
    """
    if username is not None and username != context.home_of:
        raise ProblemError(403, f"username {username!r}: this server has the home of {context.home_of!r} only")


def find_by_name(context: Context, name: str) -> ServedNotebook:
    """Find a notebook by its path, or by its name in any folder; the ending may be left out.

    Raises:
        ProblemError: 400, the path leads out of the home; 404, there is no such notebook; 409, several have the name;
            503, it cannot be read now.
    """
    path = _with_ending(path_in_home(context, name, "notebook_name"))
    try:
        return context.catalogue.get(path)
    except ProblemError as problem:
        if problem.status != 404:
            raise
        found = () if "/" in path else _of_name(context, path)
    if len(found) > 1:
        raise ProblemError(409, f"notebook_name {name!r}: several notebooks; give the path of one", issues=found)
    if not found:
        raise _missing(context, "notebook_name", name, path)
    return context.catalogue.get(found[0])


def find_by_path(context: Context, path: str) -> ServedNotebook:
    """Find a notebook by its path.

    Raises:
        ProblemError: 400, the path leads out of the home; 404, there is no such notebook; 503, it cannot be read now.
    """
    inside = path_in_home(context, path, "input_path")
    try:
        return context.catalogue.get(inside)
    except ProblemError as problem:
        if problem.status != 404:
            raise
        raise _missing(context, "input_path", path, inside) from None


def path_in_home(context: Context, path: str, field: str) -> str:
    """Return the normal path, relative to the home, of a relative one, an absolute one, or one with ``~/``.

    Raises:
        ProblemError: 400, the path leads out of the home.
    """
    inside = posixpath.normpath(path.removeprefix("~/") if path.startswith("~/") else path)
    for home in map(str, (context.home, context.catalogue.root)):
        if inside == home or inside.startswith(f"{home}/"):
            inside = posixpath.relpath(inside, home)
    if inside == ".." or inside.startswith(("../", "/")) or "\0" in inside:
        raise ProblemError(400, f"{field}: {path[:_SHOWN]!r} leads out of {context.home}")
    return inside


def _of_name(context: Context, name: str) -> tuple[str, ...]:
    found = context.catalogue.named(name)
    if not found:
        context.catalogue.forget_files()  # it may be new
        found = context.catalogue.named(name)
    return found


def _with_ending(path: str) -> str:
    return path if is_notebook_name(path) else path + _ENDING


def _missing(context: Context, field: str, given: str, path: str) -> ProblemError:
    """Return the error for a missing notebook, with the one that was probably meant."""
    known = [one for one, _ in context.catalogue.files()]
    by_name = {posixpath.basename(one): one for one in reversed(known)}
    guess = did_you_mean(path, known) or did_you_mean(posixpath.basename(path), by_name)
    there = "" if guess else f"; the home has {list_some(known)}" if known else "; the home has no notebook"
    return ProblemError(404, f"{field}: {given[:_SHOWN]!r} not found{guess or there}")
