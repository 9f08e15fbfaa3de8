"""Explain what a failed build or pull could not fetch: an image or a host, why, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_IMAGE_STEPS = (
    r"> \[[^\]]*\] load metadata for (\S+?):?$",
    r"> \[[^\]]*\] FROM (\S+?):?$",
    r"> resolve image config for (?:docker-image://)?(\S+?):?$",
    r"initializing source docker://(\S+?):",
)
"""BuildKit's and Podman's steps that fetch an image."""
_HOSTS = (
    r"\blookup ([\w.-]+) on\b",
    r"\bhost='([^']+)'",
    r"(?:resolve|resolving)(?: host(?:name)?)?(?: address)?:? ['\"‘]?((?=[\w.-]*\.)[\w.-]+)",
    r"https?://(?:[^/@\s]*@)?([^/\s:'\"`]+)",
    r"\bfrom host ([\w.-]+)",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Cause:
    """Why something cannot be fetched: how clients report it, and what to do about an image and about a host."""

    reported: str
    problem: str
    image_advice: str = ""
    host_advice: str = ""


_IMAGE_ADVICE = (
    "load it into the engine from another machine (docker save, docker load), configure a mirror of the registry in "
    "the engine, or use an image from a registry that the engine reaches"
)
_HOST_ADVICE = (
    "{mirror}, set a proxy for builds ('proxies' in ~/.docker/config.json), or give another environment with --env"
)
_MIRRORS = (
    (r"pypi\.org|pythonhosted\.org", "name a mirror of PyPI with --index-url in requirements.txt"),
    (r"anaconda\.", "name a mirror in the channels in environment.yml"),
    (r"debian\.org|ubuntu\.com", "use a base image whose apt has another mirror"),
)
_CAUSES = (
    _Cause(
        reported=r"pull access denied|insufficient_scope|authentication required|no basic auth"
        r"|\b40[13] (Unauthorized|Forbidden)|status client error \(40[13]"
        r"|requested access to the resource is denied|unauthorized:",
        problem="it needs a login, or it does not exist",
        image_advice="check the name, and log in on this machine: docker login {host}",
        host_advice="check the address; builds have no credentials for it",
    ),
    _Cause(
        reported=r"toomanyrequests|rate limit",
        problem="the registry limits anonymous pulls",
        image_advice="log in on this machine (docker login {host}), use a mirror of the registry, or wait",
        host_advice="try again later",
    ),
    _Cause(
        reported=r"x509:|certificate verify failed|CERTIFICATE_VERIFY_FAILED|UnknownIssuer|SSL certificate problem"
        r"|unable to get local issuer|invalid peer certificate",
        problem="its certificate is not trusted",
        image_advice="give the engine the certificate authority: /etc/docker/certs.d/{host}/ca.crt",
        host_advice="add the certificate authority to the base image; one that packmill makes has this machine's",
    ),
    _Cause(
        reported=r"server gave HTTP response to HTTPS client",
        problem="the registry has no TLS",
        image_advice="add {host} to insecure-registries of the engine, or give the registry a certificate",
    ),
    _Cause(
        reported=r"no such host|Name or service not known|name resolution|Could not resolve|unable to resolve|dns error"
        r"|NameResolutionError|server misbehaving|Temporary failure resolving|getaddrinfo",
        problem="the name {host} cannot be resolved here",
        image_advice=_IMAGE_ADVICE,
        host_advice=_HOST_ADVICE,
    ),
    _Cause(
        reported=(
            r"i/o timeout|\btimed out\b|deadline exceeded|Timeout was reached|connection timeout"
            r"|(?:connect|read)timeout|ETIMEDOUT"
        ),
        problem="{host} does not answer",
        image_advice=_IMAGE_ADVICE,
        host_advice=_HOST_ADVICE,
    ),
    _Cause(
        reported=r"connection refused|no route to host|network is unreachable|Unable to connect|Failed to connect"
        r"|Could not connect|Connection reset|Max retries exceeded",
        problem="{host} cannot be reached",
        image_advice=_IMAGE_ADVICE,
        host_advice=_HOST_ADVICE + " (builds may not reach private networks, except those in PACKMILL_NETWORK_ALLOW)",
    ),
)
_IMAGE_UNKNOWN = _Cause(
    reported=r"manifest unknown|manifest for \S+ not found|: not found$|name unknown|NAME_UNKNOWN",
    problem="the registry does not have it",
    image_advice="check its name and tag",
)


def explain_build(lines: Sequence[str]) -> str:
    """Explain a failed build by the output of its failed step; empty if it did not fail to fetch something."""
    text = list(lines)
    image = next((match[1] for line in reversed(text) if (match := _first(_IMAGE_STEPS, line))), "")
    if image:
        return explain_pull(image, text)
    return explain_fetch(_failed_step(text))


def explain_pull(image: str, lines: Iterable[str]) -> str:
    """Explain why an image cannot be pulled; empty if the reason is not known."""
    lines = list(lines)
    cause = _find_cause((_IMAGE_UNKNOWN, *_CAUSES), lines)
    if cause is None:
        return ""
    host = _registry(image)
    advice = cause.image_advice.format(host=host)
    if "docker/dockerfile" in image:
        advice = "remove the syntax line from the Dockerfile; the engine has a front end of its own"
    elif "buildpack-deps" in image:
        advice += "; PACKMILL_BASE_IMAGE names another base for repo2docker, and --env another environment"
    return f"image {image}: cannot be pulled: {cause.problem.format(host=_find_host(lines) or host)}; {advice}"


def explain_fetch(lines: Iterable[str], *, advice: str = "") -> str:
    """Explain which host a program cannot reach; empty if its output does not report that.

    The program runs in the build, unless there is other ``advice`` for it.
    """
    lines = list(lines)
    cause = _find_cause(_CAUSES, lines)
    host = _find_host([line for line in lines if cause and re.search(cause.reported, line, re.IGNORECASE)])
    host = host or _find_host(lines)
    if cause is None or not host or not cause.host_advice:
        return ""
    mirror = next((sentence for pattern, sentence in _MIRRORS if re.search(pattern, host)), "use a mirror")
    advice = advice or cause.host_advice.format(mirror=mirror)
    return f"{host}: the build cannot fetch from it: {cause.problem.format(host=host)}; {advice}"


def _failed_step(lines: list[str]) -> list[str]:
    """Return the output of the step that failed, if BuildKit reports one."""
    failed = next((match[1] for line in reversed(lines) if (match := re.match(r"#(\d+) ERROR", line))), "")
    return [line for line in lines if line.startswith(f"#{failed} ")] if failed else lines


def _find_cause(causes: Iterable[_Cause], lines: list[str]) -> _Cause | None:
    text = "\n".join(lines)
    return next((cause for cause in causes if re.search(cause.reported, text, re.IGNORECASE | re.MULTILINE)), None)


def _find_host(lines: Iterable[str]) -> str:
    matches = [match for line in lines if (match := _first(_HOSTS, line))]
    return matches[-1][1].rstrip(".") if matches else ""


def _first(patterns: Iterable[str], line: str) -> re.Match[str] | None:
    return next((match for pattern in patterns if (match := re.search(pattern, line))), None)


def _registry(image: str) -> str:
    first, slash, _ = image.partition("/")
    return first if slash and (set(".:") & set(first) or first == "localhost") else "docker.io"
