"""Take the inputs of a staging step from their file, and empty it when it may hold secrets."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from generator.shared import contract
from generator.shared.failures import BadInputsError, RunFailedError
from generator.shared.staging_records import secret_fields

secret_file = ".packmill-credentials"  # noqa: S105 - a name
"""Where a generated step has its ``credentials`` input once more, as the plain text of a file."""


def take_inputs(name: str) -> dict[str, Any]:
    """The CWL input object of a step; it may hold secrets, so the file is emptied as soon as it is read.

    A secret that an engine put into the text as it is (cwltool's ``Secrets``) stands in a file of its own, too, and is
    quoted before the text is read.

    Raises:
        BadInputsError: it is no such object.
    """
    path = Path(name)
    text = _read_and_empty(path)
    secret = _read_and_empty(path.with_name(secret_file))
    if text is None:
        raise BadInputsError(f"{name}: the inputs cannot be read")
    if secret and secret.strip():
        text = text.replace(secret, json.dumps(secret)[1:-1])
    try:
        given = json.loads(text)
    except ValueError:
        raise BadInputsError(f"{name}: the inputs are no JSON") from None
    if not isinstance(given, dict):
        raise BadInputsError(f"{name}: an object with a value for each input is needed")
    return given


def _read_and_empty(path: Path) -> str | None:
    """The text of a file, which has none afterwards, whatever it was."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
    finally:
        with suppress(OSError):
            if path.exists():
                path.write_text("", encoding="utf-8")


@contextmanager
def mask_secrets(
    given: dict[str, Any], options: argparse.Namespace, say: Callable[[str], None]
) -> Iterator[Callable[[str], None]]:
    """Tells nothing that is secret, however a message came by it: the last line of defence, not the first."""
    from generator.shared.masking import Secrets
    from generator.staging.network.credentials import parse_credentials

    values = [*_secret_values(given)]
    text = read_credentials_text(options, given)
    if text and text.strip():
        values += [text, *_secret_values(parse_credentials(text))]
    secrets = Secrets({str(number): value for number, value in enumerate(values)})
    try:
        yield lambda line: say(secrets.hide(line))
    except RunFailedError as error:
        raise type(error)(secrets.hide(str(error))) from None


def _secret_values(value: Any) -> Iterator[str]:
    """Values of fields that are secret, at whatever depth."""
    if isinstance(value, list):
        for item in value:
            yield from _secret_values(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name in secret_fields and isinstance(item, str) and item:
                yield item
            yield from _secret_values(item)


def read_config_folder(value: Any) -> Path | None:
    """Return the path of a CWL Directory object, or of a path."""
    path = value.get("path") if isinstance(value, dict) else value
    if path and not Path(str(path)).is_dir():
        raise BadInputsError(f"{path}: there is no such folder of configuration")
    return Path(str(path)) if path else None


def read_credentials_text(options: argparse.Namespace, given: dict[str, Any]) -> str | None:
    """Return the text of the credentials that the step was given, None without any."""
    if given.get(contract.credentials_input):
        return str(given[contract.credentials_input])
    if not options.credentials:
        return None
    try:
        return Path(options.credentials).read_text(encoding="utf-8")
    except (OSError, ValueError):
        raise BadInputsError(f"{options.credentials}: the credentials cannot be read") from None
