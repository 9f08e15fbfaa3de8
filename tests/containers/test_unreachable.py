"""A build that cannot fetch something names it, says why, and what to do; the outputs are those of real clients."""

from __future__ import annotations

import pytest

from generator.containers.unreachable import explain_build, explain_fetch, explain_pull


def buildkit(image: str, problem: str, step: str = "[internal] load metadata for {image}") -> list[str]:
    """The output of a build whose base image cannot be pulled."""
    step = step.format(image=image)
    return [
        f"#3 {step}",
        f"#3 ERROR: {problem}",
        "------",
        f" > {step}:",
        "------",
        f"ERROR: failed to solve: failed to create LLB definition: {problem}",
    ]


_HEAD = 'failed to do request: Head "https://registry.example.org/v2/a/manifests/1":'


@pytest.mark.parametrize(
    ("problem", "reason", "advice"),
    [
        (
            f"{_HEAD} dial tcp: lookup registry.example.org on 10.0.0.53:53: no such host",
            "the name registry.example.org cannot be resolved here",
            "load it into the engine from another machine",
        ),
        (
            f"{_HEAD} dial tcp 192.0.2.1:443: i/o timeout",
            "registry.example.org does not answer",
            "mirror of the registry",
        ),
        (
            f"{_HEAD} dial tcp 192.0.2.1:443: connect: connection refused",
            "registry.example.org cannot be reached",
            "mirror of the registry",
        ),
        (
            f"{_HEAD} x509: certificate signed by unknown authority",
            "its certificate is not trusted",
            "/etc/docker/certs.d/registry.example.org/ca.crt",
        ),
        (
            f"{_HEAD} http: server gave HTTP response to HTTPS client",
            "the registry has no TLS",
            "add registry.example.org to insecure-registries",
        ),
        (
            "pulling from host registry.example.org failed with status code [manifests 1]: 401 Unauthorized",
            "it needs a login, or it does not exist",
            "docker login registry.example.org",
        ),
        (
            "pull access denied, repository does not exist or may require authorization: insufficient_scope",
            "it needs a login, or it does not exist",
            "docker login registry.example.org",
        ),
        ("registry.example.org/a:1: not found", "the registry does not have it", "check its name and tag"),
        (
            "toomanyrequests: You have reached your pull rate limit",
            "limits anonymous pulls",
            "docker login registry.ex",
        ),
    ],
)
def test_an_image_that_cannot_be_pulled_is_named_with_the_reason(problem: str, reason: str, advice: str) -> None:
    explained = explain_build(buildkit("registry.example.org/a:1", problem))

    start = "image registry.example.org/a:1: cannot be pulled: "
    assert explained.startswith(start)
    told, _, sentence = explained.removeprefix(start).partition("; ")
    assert reason in told
    assert advice in sentence


_NO_HOST = "dial tcp: lookup registry-1.docker.io on 10.0.0.53:53: no such host"


def test_the_base_of_repo2docker_can_be_replaced() -> None:
    explained = explain_build(buildkit("docker.io/library/buildpack-deps:24.04", _NO_HOST))

    assert "the name registry-1.docker.io cannot be resolved" in explained
    assert explained.endswith("PACKMILL_BASE_IMAGE names another base for repo2docker, and --env another environment")


def test_a_syntax_line_is_to_be_removed() -> None:
    step = "resolve image config for {image}"

    explained = explain_build(buildkit("docker.io/docker/dockerfile:1", _NO_HOST, step))

    assert "remove the syntax line from the Dockerfile" in explained


@pytest.mark.parametrize(
    ("lines", "host", "reason", "advice"),
    [
        (
            [
                "#8 9.063 error: Request failed after 3 retries in 8.4s",
                "#8 9.063   cause: Failed to fetch: `https://pypi.org/simple/tabulate/`",
                "#8 9.063   cause: error sending request for url (https://user:word@pypi.org/simple/tabulate/)",
                "#8 9.063   cause: dns error",
            ],
            "pypi.org",
            "the name pypi.org cannot be resolved here",
            "--index-url in requirements.txt",
        ),
        (
            [
                "#5 90.80 Looking in indexes: https://mirror.example.org/simple",
                (
                    "#5 90.84 WARNING: Retrying after connection broken by 'NewConnectionError(...): Name or service "
                    "not known')': /simple/tabulate/"
                ),
                "#5 98.39 ERROR: No matching distribution found for tabulate",
            ],
            "mirror.example.org",
            "cannot be resolved",
            "use a mirror",
        ),
        (
            [
                "#5 7.877   Could not resolve 'deb.debian.org'",
                "#5 7.932 W: Some index files failed to download. They have been ignored, or old ones used instead.",
                "#5 8.012 E: Unable to locate package jq",
            ],
            "deb.debian.org",
            "cannot be resolved",
            "use a base image whose apt has another mirror",
        ),
        (
            ["#5 0.4 curl: (6) Could not resolve host: micro.mamba.pm"],
            "micro.mamba.pm",
            "cannot be resolved",
            "--env",
        ),
        (
            ["#5 fatal: unable to access 'https://git.example.org/a/': SSL certificate problem: self-signed"],
            "git.example.org",
            "certificate is not trusted",
            "certificate authority to the base image",
        ),
        (
            [
                "#5 0.4 critical libmamba Download error (28) Timeout was reached [https://conda.anaconda.org/c/repodata.json]"
            ],
            "conda.anaconda.org",
            "does not answer",
            "channels in environment.yml",
        ),
        (
            [
                "#5 1 error: Failed to fetch: `https://index.example.org/simple/a/`",
                "#5 1 HTTP status client error (401)",
            ],
            "index.example.org",
            "needs a login",
            "builds have no credentials",
        ),
        (
            ["#5 1 curl: (7) Failed to connect to 10.1.2.3 port 80", "#5 1 while fetching http://10.1.2.3/a"],
            "10.1.2.3",
            "cannot be reached",
            "PACKMILL_NETWORK_ALLOW",
        ),
    ],
)
def test_a_host_that_a_step_cannot_reach_is_named_with_the_reason(
    lines: list[str], host: str, reason: str, advice: str
) -> None:
    number = lines[0].split()[0]
    output = ["#1 1 https://other.example.org timed out", *lines, f"{number} ERROR: executor failed running [/bin/sh]"]

    explained = explain_build(output)

    assert explained.startswith(f"{host}: the build cannot fetch from it: ")
    assert reason in explained
    assert advice in explained
    assert "word" not in explained


def test_a_client_outside_of_the_build_has_advice_of_its_own() -> None:
    text = (
        "HTTPSConnectionPool(host='packagemanager.posit.co', port=443): Max retries exceeded with url: /__api__/url "
        "(Caused by NameResolutionError(\"Failed to resolve 'packagemanager.posit.co'\"))"
    )

    assert explain_fetch([text], advice="set HTTPS_PROXY") == (
        "packagemanager.posit.co: the build cannot fetch from it: "
        "the name packagemanager.posit.co cannot be resolved here; set HTTPS_PROXY"
    )


@pytest.mark.parametrize(
    "problem",
    [
        'Error response from daemon: Head "http://127.0.0.1:5055/v2/a/manifests/1": no basic auth credentials',
        "Error response from daemon: manifest for 127.0.0.1:5055/a:1 not found: manifest unknown: manifest unknown",
    ],
)
def test_docker_pull_is_understood_too(problem: str) -> None:
    assert explain_pull("127.0.0.1:5055/a:1", [problem]).startswith("image 127.0.0.1:5055/a:1: cannot be pulled: ")


@pytest.mark.parametrize(
    "lines",
    [
        ["#5 1 error: command 'gcc' failed", "#5 ERROR: executor failed running [/bin/sh]"],
        [
            "#5 1 Downloading https://files.pythonhosted.org/x.whl",
            "#5 2 gcc: error: 'select_timeout' undeclared",
            "#5 ERROR: executor failed running [/bin/sh]",
        ],
        ["#5 1 https://example.org is our address", "#5 1 AssertionError", "#5 ERROR: executor failed running [x]"],
        [],
    ],
)
def test_another_failure_is_not_explained(lines: list[str]) -> None:
    assert explain_build(lines) == ""
