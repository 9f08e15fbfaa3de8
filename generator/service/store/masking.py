"""Secrets among the values of a pipeline: which variables hold them, and which texts a log must not show. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator

import yaml

from generator.shared.safe_text import redacted
from generator.shared.staging_records import secret_fields

_SECRET_NAME = re.compile(r"(token|passw(or)?d|passphrase|secret|key|credentials?)$", re.IGNORECASE)
_OPAQUE = ("inputs",)
"""Variables whose values are documents that may hold secrets."""
_SHORTEST, _MOST, _LONGEST = 4, 500, 1 << 18
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def is_secret(name: str) -> bool:
    """Whether a name says that its value is secret, such as ``SERVICE_TOKEN``."""
    return name in secret_fields or _SECRET_NAME.search(name) is not None


def shown(name: str, value: str) -> str:
    """What pages, the API and the database have of a variable: of a secret its length alone."""
    if value and (name in _OPAQUE or is_secret(name)):
        return f"••• ({len(value)} characters)"
    return redacted(value)


def secret_texts(document: str, names: Collection[str]) -> list[str]:
    """The secrets among the values of a job in YAML or JSON: those of inputs in ``names`` and of secret-sounding keys.

    A document that cannot be read is secret as a whole, line by line.
    """
    if len(document) > _LONGEST:
        return worth_masking(document.splitlines())
    try:
        found = list(_secret_scalars(yaml.compose(document, Loader=_LOADER), names))
    except (yaml.YAMLError, RecursionError, ValueError):
        found = document.splitlines()
    return worth_masking(found)


def _secret_scalars(top: yaml.Node | None, names: Collection[str]) -> Iterator[str]:
    """The scalars below secret keys. Nodes that aliases share are looked at once, so a document cannot multiply."""
    waiting, seen = [(top, False)], set[tuple[int, bool]]()
    while waiting:
        node, secret = waiting.pop()
        if (id(node), secret) in seen:
            continue
        seen.add((id(node), secret))
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                name = key.value if isinstance(key, yaml.ScalarNode) else ""
                waiting.append((value, secret or name in names or is_secret(name)))
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(one, secret) for one in node.value]
        elif isinstance(node, yaml.ScalarNode) and secret:
            yield node.value


def worth_masking(texts: Iterable[str]) -> list[str]:
    """Texts as a log may show them: whole, line by line, and as JSON; shorter ones would mask ordinary words."""
    found: dict[str, None] = {}
    for text in texts:
        for form in (text, *text.splitlines(), json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
            if len(form.strip()) >= _SHORTEST:
                found[form.strip()] = None
    return list(found)[:_MOST]
