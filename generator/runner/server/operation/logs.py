"""Log lines on stderr, for people or as JSON. They have no values of runs, no queries and no tokens."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Literal

Format = Literal["plain", "json"]
_logger = logging.getLogger("packmill.serve")
_PLAIN = re.compile(r"[\w./:@%+~-]+", re.ASCII)
_LONGEST = 300


def set_up_logs(form: Format, level: str) -> None:
    """Write the log of this process, and what libraries warn of, to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if form == "json" else _PlainFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)
    _logger.setLevel(level.upper())


def log(event: str, *, level: int = logging.INFO, error: BaseException | None = None, **fields: object) -> None:
    """Write one line; ``error`` adds its traceback."""
    if _logger.isEnabledFor(level):
        shown = {name: _shorten(value) for name, value in fields.items() if value not in (None, "")}
        _logger.log(level, event, extra={"fields": shown}, exc_info=error)


class _PlainFormatter(logging.Formatter):
    """``TIME LEVEL EVENT NAME=VALUE …``, then perhaps a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={_plain(value)}" for name, value in _fields(record).items())
        line = f"{_time(record)} {record.levelname.lower()} {_one_line(record.getMessage())}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _JsonFormatter(logging.Formatter):
    """An object with ``time``, ``level``, ``event`` and the fields."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"time": _time(record), "level": record.levelname.lower(), "event": record.getMessage()}
        line |= _fields(record)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = getattr(record, "fields", {})
    return fields


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")


def _shorten(value: object) -> object:
    return f"{value[:_LONGEST]}…" if isinstance(value, str) and len(value) > _LONGEST else value


def _plain(value: object) -> str:
    """Return a value so that no text of a request can look like another field or line."""
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


def _one_line(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)
