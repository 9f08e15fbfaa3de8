"""Secrets in the variables of a pipeline: which variables hold them, and which texts to mask in a log."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator

import yaml

from generator.shared.safe_text import redacted
from generator.shared.staging_records import secret_fields
from generator.shared.yaml_limits import check_events
from generator.shared.yaml_problems import unfit_values

_SECRET_NAME = re.compile(r"(token|passw(or)?d|passphrase|secret|key|credentials?)$", re.IGNORECASE)
_OPAQUE = ("inputs", "values", "product")
"""Variables whose values are documents that may hold secrets."""
_SHORTEST, _LONGEST = 4, 1 << 18
_SIGNATURE = 16
"""Characters of a value in a query that may be a signature."""
_AROUND_URLS = re.compile(r"[\s\"'<>\\]+")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def is_secret(name: str) -> bool:
    """Return whether a name is that of a secret, such as ``SERVICE_TOKEN``."""
    return name in secret_fields or _SECRET_NAME.search(name) is not None


def mask_value(name: str, value: str) -> str:
    """Return a variable's value for pages, API and database; a secret is replaced by its length."""
    if value and (name in _OPAQUE or is_secret(name)):
        return f"••• ({len(value)} characters)"
    return redacted(value)


def secret_texts(document: str, names: Collection[str] | None) -> list[str]:
    """Return the secrets in a job's inputs (YAML or JSON): values of inputs in ``names`` and of secret-sounding keys.

    Every value is secret if ``names`` is None: which inputs are secret is unknown.
    Every line of a document that cannot be parsed, or that exceeds the limits of YAML, is secret.
    """
    if len(document) > _LONGEST:
        return maskable_forms(document.splitlines())
    try:
        check_events(yaml.parse(document, Loader=_LOADER))  # to compose very deep documents crashes libyaml's binding
        found = list(_secret_scalars(yaml.compose(document, Loader=_LOADER), names))
    except (yaml.YAMLError, *unfit_values, RecursionError):
        found = document.splitlines()
    return maskable_forms(found)


def secrets_of_assignments(text: str, names: Collection[str] | None) -> list[str]:
    """Return the secrets in the values of a map, a line ``NAME=VALUE`` for each, as `secret_texts` does."""
    found = dict[str, None]()
    for line in text.splitlines():
        name, _, value = (part.strip() for part in line.partition("="))
        if names is None or name in names or is_secret(name):
            found |= dict.fromkeys((*maskable_forms([value, *value.split(",")]), *secret_texts(value, None)))
    return list(found)


def _secret_scalars(top: yaml.Node | None, names: Collection[str] | None) -> Iterator[str]:
    """Yield the scalars below secret keys; visit aliased nodes once, so that aliases cannot multiply the work."""
    waiting, seen = [(top, names is None)], set[tuple[int, bool]]()
    while waiting:
        node, secret = waiting.pop()
        if (id(node), secret) in seen:
            continue
        seen.add((id(node), secret))
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                name = key.value if isinstance(key, yaml.ScalarNode) else ""
                waiting.append((value, secret or name in (names or ()) or is_secret(name)))
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(one, secret) for one in node.value]
        elif isinstance(node, yaml.ScalarNode) and secret:
            yield node.value


def maskable_forms(texts: Iterable[str]) -> list[str]:
    """Return texts as they can appear in a log: whole, by line, and as JSON; without those too short to mask."""
    found: dict[str, None] = {}
    for text in texts:
        for form in (text, *text.splitlines(), json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
            if len(form.strip()) >= _SHORTEST:
                found[form.strip()] = None
    return list(found)


def query_texts(values: Iterable[str]) -> list[str]:
    """Return the queries of the URLs in texts, JSON and YAML included, and their long values, as for `maskable_forms`.

    The time grows with the length alone: a request may hold a million characters.
    """
    found: dict[str, None] = {}
    for query in (query for value in values for query in _queries(value)):
        long = (text for text in (part.partition("=")[2] for part in query.split("&")) if len(text) >= _SIGNATURE)
        found.update(dict.fromkeys((query, *long)))
    return list(found)


def _queries(text: str) -> Iterator[str]:
    for word in dict.fromkeys(_AROUND_URLS.split(text)):
        *others, last = word.split("://")[1:] or [""]
        for address in (*(other.rpartition(",")[0] or other for other in others), last):
            query = address.partition("#")[0].partition("?")[2].rstrip(".,;)]}")
            if len(query) >= _SHORTEST:
                yield query
