"""The words of a source that state resources, in the spellings of packmill, MAAP and CWL."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from generator.metadata.words import Word, plain_word
from generator.request.resources import Resources, parse_resource, resources_from
from generator.shared.errors import Mistake

_SPELLINGS = {
    "cores": "cores cores_min cpus",
    "ram": "ram ram_min memory",
    "disk": "disk disk_space outdir_min outdir_max",
    "time": "time time_limit",
    "gpu": "gpu gpus cuda_device_count_min",
    "cuda_version": "cuda_version cuda_version_min",
    "compute_capability": "compute_capability cuda_compute_capability",
}
_WORDS = {plain_word(spelling): name for name, spellings in _SPELLINGS.items() for spelling in spellings.split()}


def is_resource(word: str) -> bool:
    """Whether a word of an author is the name of a resource."""
    return plain_word(word) in _WORDS


def read_resources(words: Iterable[Word], source: str) -> tuple[Resources, tuple[Word, ...], tuple[Mistake, ...]]:
    """Return the resources among the words of a source, the other words, and the mistakes in the resources."""
    stated: dict[str, Any] = {}
    others: list[Word] = []
    mistakes: list[Mistake] = []
    for word in words:
        name = _WORDS.get(plain_word(word.name))
        if name is None:
            others.append(word)
        elif word.value is not None:
            try:
                stated[name] = parse_resource(name, word.value)
            except ValueError as error:
                mistakes.append(Mistake(line=word.line, text=word.text, message=f"{word.name} {error}"))
    return resources_from(stated, source), tuple(others), tuple(mistakes)
