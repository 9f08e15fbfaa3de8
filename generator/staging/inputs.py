"""Inputs of a staging step: read from a file, which is emptied because it may hold secrets."""

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


def take_inputs(name: str) -> dict[str, Any]:
    """Read the CWL input object of a step, and empty its file, which may hold secrets.

    An engine may put a secret into the text unquoted (cwltool's ``Secrets``). The secret is then also in the
    file `contract.credentials_file`, and is quoted before the text is parsed.

    Raises:
        BadInputsError: the file cannot be read, or is not a JSON object.
    """
    path = Path(name)
    text = _read_and_empty(path)
    secret = _read_and_empty(path.with_name(contract.credentials_file))
    if text is None:
        raise BadInputsError(f"{name}: the inputs cannot be read")
    if secret and secret.strip():
        text = text.replace(secret, json.dumps(secret)[1:-1])
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        raise BadInputsError(f"{name}: the inputs are not valid JSON") from None
    if not isinstance(given, dict):
        raise BadInputsError(f"{name}: the inputs must be a JSON object with a value for each input")
    return given


def _read_and_empty(path: Path) -> str | None:
    """Return the text of a file and empty the file, even if it cannot be decoded."""
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
    """Mask secrets in messages and errors: the last line of defense, not the first."""
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
    """Return the values of secret fields, at any depth."""
    if isinstance(value, list):
        for item in value:
            yield from _secret_values(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name in secret_fields and isinstance(item, str) and item:
                yield item
            yield from _secret_values(item)


def read_config_folder(value: Any) -> Path | None:
    """Return the path of a CWL Directory object, or the path itself.

    Raises:
        BadInputsError: the folder does not exist.
    """
    path = value.get("path") if isinstance(value, dict) else value
    if path and not Path(str(path)).is_dir():
        raise BadInputsError(f"{path}: configuration folder not found")
    return Path(str(path)) if path else None


def read_credentials_text(options: argparse.Namespace, given: dict[str, Any]) -> str | None:
    """Return the credentials in the inputs, else those in the file of ``--credentials``, else None.

    Raises:
        BadInputsError: the file cannot be read.
    """
    if given.get(contract.credentials_input):
        return str(given[contract.credentials_input])
    if not options.credentials:
        return None
    try:
        return Path(options.credentials).read_text(encoding="utf-8")
    except (OSError, ValueError):
        raise BadInputsError(f"{options.credentials}: the credentials cannot be read") from None
