"""GitPython, which starts git when it is imported; other modules import ``git`` from here.

Raises:
    RepositoryError: git is not installed, or does not start.
"""

from __future__ import annotations

from generator.repository.git_environment import MISSING_GIT
from generator.shared.errors import RepositoryError

try:
    import git
except ModuleNotFoundError:  # of GitPython
    raise
except ImportError as error:
    is_missing = isinstance(error.__cause__, ImportError)
    reason = " ".join(str(error.__cause__).split())
    raise RepositoryError(MISSING_GIT if is_missing else f"git: does not start; try again later ({reason})") from None
if not vars(git)["GIT_OK"]:  # GIT_PYTHON_REFRESH lets the import succeed without git
    raise RepositoryError(MISSING_GIT)

__all__ = ["git"]
