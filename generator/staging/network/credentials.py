"""Credentials of a staging step: from the record, the ``credentials`` input, a configuration folder, the environment.

They are read once, passed to the store that needs them, and never part of a message.
"""

from __future__ import annotations

import json
import netrc
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from generator.shared.failures import BadInputsError
from generator.shared.yaml_limits import YamlLimitError, check_depth, check_events, check_size

_FIELDS = frozenset(
    "aws_access_key_id aws_secret_access_key aws_session_token username password token maap_pgt".split()
)
_ENVIRONMENT = {"maap_pgt": "MAAP_PGT", "username": "EARTHDATA_USERNAME", "password": "EARTHDATA_PASSWORD"}
_ENVIRONMENT |= {"token": "EARTHDATA_TOKEN"}
login_host = "urs.earthdata.nasa.gov"


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """Credentials for one location; missing ones are None."""

    aws_access_key_id: str | None = field(default=None, repr=False)
    aws_secret_access_key: str | None = field(default=None, repr=False)
    aws_session_token: str | None = field(default=None, repr=False)
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    maap_pgt: str | None = field(default=None, repr=False)
    login_host: str = login_host
    folder: Path | None = None
    """A configuration folder: AWS's ``config`` and ``credentials``, ``.netrc``, ``known_hosts``, ``ca.pem``."""

    def with_record(self, record: Mapping[str, Any]) -> Credentials:
        """Return these credentials, with those of a record taking precedence."""
        own = {name: _clean(name, record[name]) for name in (*_FIELDS, "login_host") if record.get(name)}
        folder = record.get("aws_config")
        base = self
        if "aws_access_key_id" in own:  # a session token belongs to its own key
            base = replace(self, aws_session_token=None)
        if isinstance(folder, Mapping) and folder.get("path"):
            own_folder: Path | None = Path(str(folder["path"]))
        else:
            own_folder = Path(folder) if isinstance(folder, str) and folder else self.folder
        return replace(base, **own, folder=own_folder)

    @property
    def has_keys(self) -> bool:
        """Whether both S3 keys are given."""
        return bool(self.aws_access_key_id and self.aws_secret_access_key)

    def login(self, host: str) -> tuple[str, str] | None:
        """Return user and password for a host: those of the login host, else those of a .netrc file.

        Raises:
            BadInputsError: a .netrc file is invalid.
        """
        if host == self.login_host and self.username and self.password:
            return self.username, self.password
        for file in (self.file(".netrc", "netrc"), Path.home() / ".netrc"):
            if file and os.path.isfile(file):  # noqa: PTH113 - pathlib raises in a home that this user may not read
                try:
                    found = netrc.netrc(str(file)).hosts.get(host)  # a default would apply to every host
                except (netrc.NetrcParseError, OSError, UnicodeDecodeError):
                    raise BadInputsError(f"{file.name}: cannot be read") from None
                if found:
                    return found[0], found[2] or ""
        return None

    def file(self, *names: str) -> Path | None:
        """Return the first of these files that is in the configuration folder."""
        found = ((self.folder / name) for name in names) if self.folder else ()
        return next((file for file in found if file.is_file()), None)


def read_credentials(text: str | None, *, name: str, folder: Path | None) -> Credentials:
    """Read the credentials of the step ``name``.

    ``text`` is a mapping in JSON or YAML with fields of `Credentials`. It may also have a mapping of such fields for
    each step, by the step's name.

    Raises:
        BadInputsError: ``text`` is not a mapping, or has an unknown field.
    """
    environment = {field: os.environ[variable] for field, variable in _ENVIRONMENT.items() if os.environ.get(variable)}
    given = parse_credentials(text) if text and text.strip() else {}
    own = given.get(name)
    fields = {key: value for key, value in given.items() if not isinstance(value, dict)}
    if isinstance(own, dict):
        fields |= own
    unknown = sorted(set(fields) - _FIELDS - {"login_host"})
    if unknown:
        known = ", ".join(sorted(_FIELDS))
        raise BadInputsError(f"credentials: unknown fields {', '.join(unknown)}; known fields: {known}")
    values = {key: _clean(key, value) for key, value in fields.items() if value is not None}
    return Credentials(folder=folder, **{**environment, **values})


def _clean(name: str, value: object) -> str:
    """Strip a secret, which may come with a line break.

    Raises:
        BadInputsError: the secret has characters that an HTTP header cannot have.
    """
    text = str(value).strip()
    if not text.isprintable():
        raise BadInputsError(f"credentials: {name} has invalid characters, such as a line break")
    return text


def parse_credentials(text: str) -> dict[str, Any]:
    """Parse credentials in JSON or YAML.

    Raises:
        BadInputsError: ``text`` is not a mapping; the message does not repeat it.
    """
    try:
        value = json.loads(text)
        check_depth(value)
    except (ValueError, RecursionError):
        import yaml

        try:
            check_size(text)
            check_events(yaml.parse(text, Loader=yaml.BaseLoader))
            value = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - makes texts alone, so 0123 stays so
        except YamlLimitError as error:
            raise BadInputsError(f"credentials: the document is too large: {error}") from None
        except (yaml.YAMLError, ValueError, ArithmeticError):  # the others for a character that Unicode does not have
            value = None  # the parser's message would repeat a line of it
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise BadInputsError("credentials: a mapping such as {username: …, password: …} is needed")
    return value
