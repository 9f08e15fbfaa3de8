"""Deploying a process to a platform, by the clauses of OGC API - Processes, Part 2 (OGC 20-044)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from platform_server import PACKAGE, Platform, platform_server

from generator.network.address_policy import any_platform
from generator.platforms.connection import Connection, connect
from generator.platforms.deployment import Deployable, Deployed, check_holder, deploy, read_classes
from generator.platforms.platform import parse_platform
from generator.shared.errors import PublishError

_REPOSITORY = "https://git.example.org/ada/trees"
_LINK = {"href": _REPOSITORY, "rel": "https://schema.org/codeRepository"}
_IMAGE = {"type": "docker", "image": "registry.example.org/ada/trees@sha256:0", "config": {"cpuMin": 1}}
_CWL = """\
cwlVersion: v1.2
s:version: "1"
$graph:
  - {class: CommandLineTool, id: process}
  - {class: Workflow, id: ada.trees.main}
"""
_INLINE = {"value": {"$graph": []}, "mediaType": "application/cwl+json"}
_DESCRIPTION: dict[str, Any] = {"id": "ada.trees.main", "version": "1", "links": [_LINK]}
_TREES = Deployable(
    package={"processDescription": _DESCRIPTION, "executionUnit": [_IMAGE, _INLINE]}, cwl=_CWL, repository=_REPOSITORY
)


@pytest.fixture
def platform() -> Iterator[Platform]:
    with platform_server(Platform()) as served:
        yield served


@pytest.fixture
def connection(platform: Platform) -> Iterator[Connection]:
    with connect(parse_platform(platform.address), token="", policy=any_platform) as opened:
        yield opened


def deploy_trees(connection: Connection, *, replace: bool = False) -> Deployed:
    return deploy(connection, _TREES, read_classes(connection), replace=replace)


def test_a_new_process_is_posted_and_its_location_returned(platform: Platform, connection: Connection) -> None:
    done = deploy_trees(connection)

    assert done == Deployed(address=f"{platform.address}/processes/ada.trees.main")
    assert platform.methods() == ["GET /conformance", "POST /processes"]
    assert platform.asked[-1].media_type == PACKAGE
    assert platform.processes["ada.trees.main"] == _DESCRIPTION


def test_a_process_that_exists_is_replaced(platform: Platform, connection: Connection) -> None:
    deploy_trees(connection)
    done = deploy_trees(connection)

    assert done == Deployed(address=f"{platform.address}/processes/ada.trees.main", replaced=True)
    assert platform.methods()[-2:] == ["GET /processes/ada.trees.main", "PUT /processes/ada.trees.main"]


def test_the_process_of_another_repository_is_not_replaced(platform: Platform, connection: Connection) -> None:
    theirs = {"id": "ada.trees.main", "version": "1", "links": [{**_LINK, "href": "https://git.example.org/eve/trees"}]}
    platform.processes["ada.trees.main"] = theirs

    for attempt in (lambda: deploy_trees(connection), lambda: check_holder(connection, "ada.trees.main", _REPOSITORY)):
        with pytest.raises(PublishError, match="eve/trees") as refused:
            attempt()
        assert "--replace" in str(refused.value)
    assert platform.processes["ada.trees.main"] == theirs

    assert deploy_trees(connection, replace=True).replaced
    assert platform.processes["ada.trees.main"] == _DESCRIPTION


@pytest.mark.parametrize(
    "answer",
    [(500, {}, b""), (503, {"Retry-After": "90"}, b""), (429, {"Retry-After": "90"}, b""), (400, {}, b"{}"),
     (200, {}, b"<html>"), (200, {}, b"[]"), (204, {}, b"")],
    ids=lambda answer: f"{answer[0]} {answer[2].decode()}",
)  # fmt: skip
def test_a_process_is_not_replaced_while_its_repository_is_unknown(
    answer: tuple[int, dict[str, str], bytes], platform: Platform, connection: Connection
) -> None:
    classes = read_classes(connection)
    platform.processes["ada.trees.main"] = {}
    platform.answers += [(409, {}, b""), answer]

    with pytest.raises(PublishError, match=r"it is unknown whose process this is; .*--replace"):
        deploy(connection, _TREES, classes, replace=False)
    assert platform.processes["ada.trees.main"] == {}

    assert deploy(connection, _TREES, classes, replace=True).replaced


@pytest.mark.parametrize("status", [404, 410])
def test_a_name_that_the_platform_does_not_know_is_free(
    status: int, platform: Platform, connection: Connection
) -> None:
    platform.answers.append((status, {}, b""))

    check_holder(connection, "ada.trees.main", _REPOSITORY)


def test_one_repository_may_be_named_by_several_addresses(platform: Platform, connection: Connection) -> None:
    platform.processes["ada.trees.main"] = {
        **_DESCRIPTION,
        "links": [{**_LINK, "href": "git@git.example.org:ada/trees.git"}],
    }

    assert deploy_trees(connection).replaced


@pytest.mark.parametrize(
    ("classes", "unit"),
    [
        (("cwl", "docker"), _INLINE),
        (("docker",), _IMAGE),
        ((), [_IMAGE, _INLINE]),
    ],
)
def test_a_platform_gets_the_unit_that_it_declares(
    classes: tuple[str, ...], unit: Any, platform: Platform, connection: Connection
) -> None:
    platform.classes = ("deploy-replace-undeploy", "ogcapppkg", *classes)
    deploy_trees(connection)

    assert json.loads(platform.asked[-1].body)["executionUnit"] == unit


@pytest.mark.parametrize(
    ("classes", "takes", "sent"),
    [
        (("cwl",), ("application/cwl+yaml",), ["application/cwl+yaml"]),
        (("cwl",), ("application/cwl",), ["application/cwl+yaml", "application/cwl"]),
        ((), ("application/cwl",), [PACKAGE, "application/cwl+yaml", "application/cwl"]),
        (("ogcapppkg", "cwl"), ("application/cwl",), [PACKAGE, "application/cwl+yaml", "application/cwl"]),
    ],
)
def test_a_platform_that_takes_only_cwl_gets_it(
    classes: tuple[str, ...],
    takes: tuple[str, ...],
    sent: list[str],
    platform: Platform,
    connection: Connection,
) -> None:
    platform.classes, platform.takes = ("deploy-replace-undeploy", *classes), takes
    deploy_trees(connection)

    posted = [one for one in platform.asked if one.method == "POST"]
    assert [one.media_type for one in posted] == sent
    assert (posted[-1].query, posted[-1].body.decode()) == ("w=ada.trees.main", _CWL)

    assert deploy_trees(connection).replaced
    assert (platform.asked[-1].method, platform.asked[-1].media_type) == ("PUT", takes[0])


def test_a_platform_that_takes_no_encoding_is_quoted(platform: Platform, connection: Connection) -> None:
    platform.takes = ()

    with pytest.raises(PublishError, match="415: unsupported-media-type: application/cwl is not taken"):
        deploy_trees(connection)


@pytest.mark.parametrize("status", [400, 422, 501])
def test_a_platform_that_reads_another_draft_of_packages_gets_cwl(
    status: int, platform: Platform, connection: Connection
) -> None:
    classes = read_classes(connection)
    platform.answers.append((status, {}, b'{"detail": "processDescription: no field process"}'))

    done = deploy(connection, _TREES, classes, replace=False)

    assert [one.media_type for one in platform.asked[1:]] == [PACKAGE, "application/cwl+yaml"]
    assert done == Deployed(address=f"{platform.address}/processes/ada.trees.main")


def test_a_platform_that_refuses_every_form_is_quoted_about_the_first(
    platform: Platform, connection: Connection
) -> None:
    classes = read_classes(connection)
    platform.takes = ()
    platform.answers += [(422, {}, b'{"detail": "too many cores"}'), (409, {}, b"")]

    with pytest.raises(PublishError, match=r"/processes: the platform refuses the process: status 422: too many cores"):
        deploy(connection, _TREES, classes, replace=False)


def test_a_failure_of_the_platform_ends_the_deployment(platform: Platform, connection: Connection) -> None:
    classes = read_classes(connection)
    platform.answers.append((500, {}, b'{"detail": "out of disk"}'))

    with pytest.raises(PublishError, match="500: out of disk"):
        deploy(connection, _TREES, classes, replace=False)
    assert len(platform.asked) == 2


def test_a_queued_deployment_is_pending(platform: Platform, connection: Connection) -> None:
    platform.queues = True

    assert deploy_trees(connection).pending


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/ogc-api/processes/other", "{address}/processes/other"),
        ("http://internal:8080/zoo/processes/other", "{address}/processes/other"),
        ("", "{address}/processes/ada.trees.main"),
        ("http://[processes/other", "{address}/processes/ada.trees.main"),
        ("/processes/" + "x" * 3000, "{address}/processes/ada.trees.main"),
    ],
)
def test_the_address_is_one_of_the_platform(
    location: str, expected: str, platform: Platform, connection: Connection
) -> None:
    platform.locates = lambda _: location

    assert deploy_trees(connection).address == expected.format(address=platform.address)


@pytest.mark.parametrize(
    "body", [rb'{"id": "\ud800"}', rb'{"processSummary": {"id": "a\udfff"}}', b'{"id": ""}', b"[]"]
)
def test_a_response_without_an_identifier_names_the_process_that_was_sent(
    body: bytes, platform: Platform, connection: Connection
) -> None:
    classes = read_classes(connection)
    platform.answers.append((201, {}, body))

    done = deploy(connection, _TREES, classes, replace=False)

    assert done == Deployed(address=f"{platform.address}/processes/ada.trees.main")


def test_an_immutable_process_is_not_replaced(platform: Platform, connection: Connection) -> None:
    deploy_trees(connection)
    platform.immutable = True

    with pytest.raises(PublishError, match=r"403: immutable-process: ada\.trees\.main cannot be changed"):
        deploy_trees(connection)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            (200, {}, b'{"conformsTo": ["http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/core"]}'),
            "cannot be de",
        ),
        ((404, {}, b"<html>nothing</html>"), "no list of conformance classes"),
        ((200, {}, b"{}"), "no list of conformance classes"),
        ((403, {}, b'{"detail": "members only"}'), "members only"),
    ],
)
def test_a_platform_that_cannot_deploy_says_so_before_the_build(
    answer: tuple[int, dict[str, str], bytes], message: str, platform: Platform, connection: Connection
) -> None:
    platform.answers.append(answer)

    with pytest.raises(PublishError, match=message):
        read_classes(connection)
