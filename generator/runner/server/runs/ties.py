"""The tie of a data folder to its database: a server removes folders of runs that its database does not know."""

from __future__ import annotations

from pathlib import Path

from generator.shared.failures import BadInputsError

folder_file = "folder.id"
"""Has the ID that the folder's PostgreSQL database has, too."""


def check_unused(data: Path, database: str) -> None:
    """Check that a new database may begin with a data folder, because the folder belongs to none.

    Raises:
        BadInputsError: the folder belongs to a PostgreSQL database, or has runs.
    """
    if (data / folder_file).exists():
        problem = f"belongs to another database than this {database}, as its file {folder_file} shows"
        remedy = "name its PostgreSQL database (--database, PACKMILL_SERVE_DATABASE), or another --data"
    elif any((data / "runs").glob("*/" + "[0-9a-f]" * 32)):
        problem = f"has runs that this new {database} does not know, and the server would remove them"
        remedy = "name or restore their database (runs.sqlite without --database), or name another --data"
    else:
        return
    raise BadInputsError(f"--data {data}: {problem}; {remedy}")
