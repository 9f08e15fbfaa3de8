"""Turn git's messages into errors that say what to do, without secrets."""

from __future__ import annotations

import errno
import os
import re
from tempfile import gettempdir

from generator.repository.address import Repository
from generator.repository.connection import REDIRECTED
from generator.repository.temporary_failures import explain_temporary
from generator.shared.safe_text import redacted

NEEDS_LOGIN = (
    r"(?i:could not read (Username|Password)|Authentication failed|401|403|Repository not found|terminal prompts)"
)
_CERTIFICATE = r"(?i)certificate (verification|verify) failed|SSL certificate problem|certificate has expired"
_UNWRITTEN = (
    r"failed to write new configuration file|couldn't (write|set) '|unable to (create|write|append|copy)"
    r"|Needed a single revision"  # git fetch ends with 0 although it could not write FETCH_HEAD
)
_CAUSES = tuple(f": {os.strerror(number)}" for number in errno.errorcode if number != errno.ENOENT)
"""How a line ends if git knows the cause, here another one than a full disk.

"No such file or directory" is left out: git prints it in a new clone if it could not make a folder before.
"""


def explain_git_error(repository: Repository, error: Exception, secret: str) -> str:
    """Return an error message for a failed git command: what failed, why, and what to do."""
    output = git_messages(error, secret)
    advice = "check the address and that it can be reached"
    if is_disk_full(output):
        advice = _full_disk()
    elif "expected commit type" in output:
        advice = "the checkout is not a commit; name a branch, a commit, or a tag of a commit"
    elif repository.local:
        advice = "is it a git repository with a commit, or a folder in one? If not: git init, git add, git commit"
    elif re.search(REDIRECTED, output):
        advice = "the server redirects to another address: give that one (secrets are not sent along redirects)"
    elif temporary := explain_temporary(output):
        advice = temporary
    elif re.search(_CERTIFICATE, output):
        advice = (
            "its certificate is not trusted or has expired; name its authority with the setting http.sslCAInfo of git, "
            "and check this machine's clock"
        )
    elif re.search(NEEDS_LOGIN, output):
        advice = "it is private or missing: for a private https repository set PACKMILL_GIT_TOKEN in the environment"
    elif "Permission denied (publickey" in output:
        advice = "the ssh agent or ~/.ssh holds no key that the server accepts"
    return f"{repository.address}: {advice}\n{output}"


def explain_full_disk(repository: Repository, output: str, secret: str) -> str:
    """Return the error message of a git command that ended on a full disk, although it may have ended with code 0."""
    return f"{repository.address}: {_full_disk()}\n{_last_lines(output, secret)}".rstrip()


def _full_disk() -> str:
    return f"git could not write its files: is the disk full? Free some space in {gettempdir()}"


def is_disk_full(output: str) -> bool:
    """Whether git stopped because of a full disk; of some files it only prints that it could not write them."""
    if re.search(r"(?i)No space left on device|Disk quota exceeded", output):
        return True
    if re.search(r"Permission denied|Read-only file system|expected commit type", output):
        return False
    return any(re.search(_UNWRITTEN, line) and not line.endswith(_CAUSES) for line in output.splitlines())


def git_messages(error: Exception, *secrets: str) -> str:
    """Return the last lines that git printed, without secrets."""
    output = str(getattr(error, "stderr", None) or error).strip().removeprefix("stderr:").strip(" '\n")
    return _last_lines(output, *secrets)


def _last_lines(output: str, *secrets: str) -> str:
    for secret in filter(None, secrets):
        output = output.replace(secret, "***")
    return "\n".join(f"  {line}" for line in [line for line in redacted(output).splitlines() if line.strip()][-6:])
