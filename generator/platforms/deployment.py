"""Deploy a process to a platform, or replace it there (OGC 20-044, "Deploy" and "Replace")."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard
from urllib.parse import quote, unquote, urlsplit

from generator.platforms.answer import Answer
from generator.platforms.connection import Connection
from generator.repository.places import Holder, place_taken_error, repository_identity
from generator.shared.errors import PublishError
from generator.shared.safe_text import printable

PACKAGE_TYPE = "application/ogcapppkg+json"
REPOSITORY_RELATION = "https://schema.org/codeRepository"
"""The relation of the link from a process to its repository."""
_CWL_TYPES = ("application/cwl+yaml", "application/cwl")
_DONE = (200, 201, 202, 204)
_OTHER_FORM = (400, 415, 422, 501)
"""Statuses after which a platform may take the process in another form: there are several drafts of the standard."""
_FREE = (404, 410)
"""Statuses that mean that no process has an identifier."""
_LONGEST = 500
"""Characters of an identifier that a platform may give."""
_CLASS = re.compile(r"https?://www\.opengis\.net/spec/ogcapi-processes-2/[^/]+/(?:conf|req)/([\w-]+)")
_DEPLOYS = frozenset(("deploy-replace-undeploy", "dru"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployable:
    """A process as platforms take it: its ``ogcapppkg.json``, the text of its ``application.cwl``, its repository."""

    package: Mapping[str, Any]
    cwl: str
    repository: str

    @property
    def identifier(self) -> str:
        """The identifier in the process description, which is that of the workflow in the CWL."""
        return str(self.package["processDescription"]["id"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployed:
    """A process on a platform; ``pending`` if the platform has only queued the request."""

    address: str
    replaced: bool = False
    pending: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class _Body:
    """One way to send a process."""

    media_type: str
    text: str
    query: str = ""


def read_classes(connection: Connection) -> frozenset[str]:
    """Return the names of a platform's conformance classes of Part 2.

    Raises:
        PublishError: the platform does not declare that processes can be deployed to it.
    """
    address = connection.platform.conformance
    answer = connection.get(address)
    if answer.status in (401, 403):
        raise connection.refusal(f"{address}: the platform refuses the request", answer)
    found = answer.json
    listed = found.get("conformsTo") if isinstance(found, dict) else None
    if answer.status != 200 or not isinstance(listed, list):
        raise PublishError(
            f"{address}: no list of conformance classes, as OGC API - Processes has it (status {answer.status}); give "
            "the address of the platform's landing page"
        )
    classes = frozenset(match[1] for one in listed if isinstance(one, str) and (match := _CLASS.fullmatch(one)))
    if not classes & _DEPLOYS:
        raise PublishError(
            f"{connection.platform.address}: processes cannot be deployed to this platform: it does not declare the "
            "conformance class 'deploy-replace-undeploy' of OGC API - Processes, Part 2; give the address of another "
            "platform, or register the package there by hand"
        )
    return classes


def check_holder(connection: Connection, identifier: str, repository: str) -> None:
    """Check that no process of another repository has an identifier on a platform.

    Raises:
        PlaceTakenError: the process there names another repository.
        PublishError: the platform fails, or refuses the request, so that the repository of the process is unknown.
    """
    address = connection.platform.process(identifier)
    answer = connection.get(address)
    if answer.status in _FREE:
        return
    unknown = "it is unknown whose process this is; repeat the command later, or replace the process with --replace"
    if answer.status != 200:
        refused = answer.status in (401, 403)
        raise connection.refusal(f"{address}: {'the platform refuses the request' if refused else unknown}", answer)
    if not isinstance(found := answer.json, dict):
        raise PublishError(f"{address}: {unknown}: the response is not a JSON object")
    there = _repository_of(found)
    if there and repository_identity(there) != repository_identity(repository):
        own = Holder(address=repository, checkout="", place="")
        holder = Holder(address=printable(there), checkout="", place="")
        raise place_taken_error(address, holder, own, otherwise="state another identifier in the metadata")


def deploy(connection: Connection, deployable: Deployable, classes: frozenset[str], *, replace: bool) -> Deployed:
    """Deploy a process, or replace the one that has its identifier.

    ``replace`` also replaces the process of another repository.

    Raises:
        PlaceTakenError: the process there is that of another repository.
        PublishError: the platform refuses the process; the message has the platform's own.
    """
    refused: list[tuple[str, Answer]] = []
    for body in _bodies(deployable, classes):
        place = connection.platform.processes
        answer = connection.send("POST", place + body.query, body.text, body.media_type)
        exists = answer.status == 409
        if exists:
            place = _replaceable(connection, deployable, answer, replace=replace)
            answer = connection.send("PUT", place + body.query, body.text, body.media_type)
        if answer.status in _DONE:
            named = _address(connection, answer) if answer.status == 201 or not exists else ""
            address = named or (place if exists else connection.platform.process(deployable.identifier))
            return Deployed(address=address, replaced=exists, pending=answer.status == 202)
        refused.append((place, answer))
        if answer.status not in _OTHER_FORM:
            break
    place, answer = next((one for one in refused if one[1].status != 415), refused[-1])
    raise connection.refusal(f"{place}: the platform refuses the process", answer)


def _replaceable(connection: Connection, deployable: Deployable, duplicate: Answer, *, replace: bool) -> str:
    """Return the address of the process that exists; the response may name it (/req/.../deploy-response-duplicate).

    Raises:
        PlaceTakenError: it is that of another repository, and ``replace`` does not allow replacing it.
    """
    identifier = deployable.identifier
    if found := _address(connection, duplicate):
        identifier = unquote(urlsplit(found).path.rpartition("/")[2])
    if not replace:
        check_holder(connection, identifier, deployable.repository)
    return connection.platform.process(identifier)


def _bodies(deployable: Deployable, classes: frozenset[str]) -> Iterator[_Body]:
    """Yield the ways to send a process, the preferred one first; the next one is for a platform that refuses it.

    A platform that declares neither encoding may have either.
    """
    declared = classes & {"ogcapppkg", "cwl"}
    if "ogcapppkg" in declared or not declared:
        package = {**deployable.package, "executionUnit": _units_for(deployable, classes)}
        text = json.dumps(package, ensure_ascii=False)
        yield _Body(media_type=PACKAGE_TYPE, text=text)
    if "cwl" in declared or not declared:
        query = f"?w={quote(deployable.identifier, safe='')}"
        yield from (_Body(media_type=one, text=deployable.cwl, query=query) for one in _CWL_TYPES)


def _units_for(deployable: Deployable, classes: frozenset[str]) -> Any:
    """Return the one execution unit whose kind a platform declares; all of them if it declares no kind.

    The schema allows a list, but platforms that are in use read only a single unit.
    """
    kinds = {"cwl": "value", "docker": "image"}
    units = deployable.package["executionUnit"]
    chosen = (unit for name, key in kinds.items() if name in classes for unit in units if key in unit)
    return next(chosen, units)


def _address(connection: Connection, answer: Answer) -> str:
    """Return the address of a process from a response: from its ``Location``, else from the summary in its body.

    Of an address elsewhere, such as an internal one behind a proxy, only the identifier counts.
    """
    platform = connection.platform
    if "/processes/" in answer.location:
        if platform.serves(answer.location):
            return printable(answer.location)
        return platform.process(unquote(urlsplit(answer.location).path.rpartition("/")[2]))
    found = answer.json
    summary = found.get("processSummary", found) if isinstance(found, dict) else None
    identifier = summary.get("id") if isinstance(summary, dict) else None
    return platform.process(identifier) if _is_identifier(identifier) else ""


def _is_identifier(value: object) -> TypeGuard[str]:
    """Return whether a value is a text for an address: half a surrogate pair, which JSON may contain, is not."""
    return isinstance(value, str) and 0 < len(value) <= _LONGEST and not re.search("[\ud800-\udfff]", value)


def _repository_of(description: Mapping[str, Any]) -> str:
    """Return the repository that a process description links to; empty if it has no such link."""
    links = description.get("links")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("rel") == REPOSITORY_RELATION and isinstance(link.get("href"), str):
            return str(link["href"])
    return ""
