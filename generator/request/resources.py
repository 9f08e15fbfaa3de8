"""The resources that a process asks for: cores, memory, disk, time and GPUs, and the source that states each."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

resource_names = ("cores", "ram", "disk", "time", "gpu")
"""The resources that a request may set."""
_NEUTRAL = {"cores": 1, "ram": 2048, "disk": 1024}


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """The resources of a run; None where no source states one.

    ``ram`` and ``disk`` are in MiB, as in CWL's ResourceRequirement; ``time`` is in seconds, as in its ToolTimeLimit;
    ``gpu`` counts devices. ``cuda_version`` and ``compute_capability`` are the lowest that a GPU may have.
    """

    cores: float | None = None
    ram: int | None = None
    disk: int | None = None
    time: int | None = None
    gpu: int | None = None
    cuda_version: str | None = None
    compute_capability: str | None = None
    sources: tuple[tuple[str, str], ...] = ()

    def over(self, other: Resources) -> Resources:
        """Return these resources, with those of ``other`` that are not stated here."""
        missing = [name for name in _names if getattr(self, name) is None]
        taken = {name: getattr(other, name) for name in missing}
        more = tuple((name, place) for name, place in other.sources if name in missing)
        return replace(self, **taken, sources=(*self.sources, *more))

    def least(self, name: str) -> float:
        """Return the least amount of ``cores``, ``ram`` or ``disk``, which is a neutral one if no source states it."""
        stated: float | None = getattr(self, name)
        return _NEUTRAL[name] if stated is None else stated

    def to_dict(self) -> dict[str, Any]:
        """Return the stated resources, and the source of each."""
        stated = {name: value for name in _names if (value := getattr(self, name)) is not None}
        return {**stated, **({"sources": dict(self.sources)} if stated else {})}


_names = tuple(field.name for field in fields(Resources) if field.name != "sources")


def describe_resources(resources: Resources) -> str:
    """Return the stated resources in words, such as ``4 cores, 8192 MiB of memory, 1 GPU``; empty without any."""
    units = {"cores": "core", "ram": "MiB of memory", "disk": "MiB of disk", "time": "second", "gpu": "GPU"}
    stated = {name: getattr(resources, name) for name in units}
    return ", ".join(_quantity(amount, units[name]) for name, amount in stated.items() if amount)


def _quantity(amount: float, unit: str) -> str:
    return f"{amount} {unit}{'' if amount == 1 or 'MiB' in unit else 's'}"


def resources_of_options(options: Mapping[str, str | None]) -> Resources:
    """Return the resources that the options of a command, or the variables of a pipeline, request.

    Raises:
        ValueError: an option is not an amount; the message begins with its name.
    """
    stated: dict[str, Any] = {}
    for name, text in options.items():
        if text:
            try:
                stated[name] = parse_resource(name, text)
            except ValueError as error:
                raise ValueError(f"{name} {error}") from None
    return resources_from(stated, "the request")


def parse_resource(name: str, value: Any) -> Any:
    """Return the amount of a resource, from a number or a text.

    Raises:
        ValueError: the value is not an amount; the message continues the name.
    """
    return _readers[name](value)


def resources_from(stated: Mapping[str, Any], source: str) -> Resources:
    """Return the resources that one source states."""
    return Resources(**stated, sources=tuple((name, source) for name in stated))


def _cores(value: Any) -> float:
    cores = _amount(value, r"\d{1,6}(\.\d{1,3})?", float, "a number of cores such as 4")
    return int(cores) if cores.is_integer() else cores


def _mebibytes(value: Any) -> int:
    """Parse an amount of memory or disk; a number without a unit is in MiB."""
    units = {"k": 1 / 1024, "m": 1, "g": 1024, "t": 1024**2}

    def parse(text: str) -> float:
        match = re.match(r"([\d.]+)\s*([kmgt]?)", text)
        return float(match[1]) * units[match[2] or "m"] if match else 0

    pattern = r"\d{1,9}(\.\d{1,6})?\s*([kmgt](i?b)?)?"
    return math.ceil(_amount(value, pattern, parse, "a number of MiB or a size such as 8GB"))


def _seconds(value: Any) -> int:
    """Parse a length of time: seconds, ``1h30m``, ``2 days``, ``01:30:00`` or ISO 8601's ``PT1H30M``."""
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1}

    def parse(text: str) -> float:
        if ":" in text:
            hours, minutes, *seconds = map(float, text.split(":"))
            return hours * 3600 + minutes * 60 + sum(seconds)
        if re.fullmatch(r"[\d.]+", text):
            return float(text)
        return sum(float(amount) * units[unit] for amount, unit in re.findall(r"(\d+(?:\.\d+)?)\s*([dhms])", text))

    unit = r"(d|days?|h|hours?|hrs?|m|min|mins|minutes?|s|secs?|seconds?)"
    pattern = rf"\d{{1,9}}(\.\d{{1,3}})?|\d{{1,4}}:\d\d(:\d\d)?|(\d{{1,9}}(\.\d{{1,3}})?\s*{unit}\s*)+"
    text = re.sub(r"(?i)^p(?=[\dt])(\d+d)?t?", r"\1", value.strip()) if isinstance(value, str) else value
    expected = "a number of seconds or a length of time such as 1h30m"
    try:
        return math.ceil(_amount(text, pattern, parse, expected))
    except ValueError:
        raise ValueError(f"is {value!r}: write {expected}") from None


def _devices(value: Any) -> int:
    if isinstance(value, bool) or str(value).lower() in ("yes", "true", "no", "false"):
        return int(str(value).lower() in ("yes", "true"))
    if str(value) == "0":
        return 0
    return int(_amount(value, r"\d{1,4}", float, "a number of GPUs such as 1"))


def _version(value: Any) -> str:
    text = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,3}(\.\d{1,3})?", text):
        raise ValueError(f"is {value!r}: write a version such as '12.1'")
    return text


def _amount(value: Any, pattern: str, parse: Callable[[str], float], expected: str) -> float:
    """Parse a positive amount."""
    text = "" if isinstance(value, bool) else str(value).strip().lower()
    amount = parse(text) if re.fullmatch(pattern, text) else 0.0
    if amount <= 0:
        raise ValueError(f"is {value!r}: write {expected}")
    return amount


_readers: dict[str, Callable[[Any], Any]] = {
    "cores": _cores,
    "ram": _mebibytes,
    "disk": _mebibytes,
    "time": _seconds,
    "gpu": _devices,
    "cuda_version": _version,
    "compute_capability": _version,
}
