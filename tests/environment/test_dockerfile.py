"""Dockerfiles of which the engine itself would fetch something, from the host's network."""

from __future__ import annotations

import re

import pytest

from generator.environment.dockerfile import base_images, engine_sources
from generator.shared.errors import EnvironmentSpecError


@pytest.mark.parametrize(
    "text",
    [
        "FROM python\nADD https://example.org/x /x",
        "FROM python\nadd http://example.org/x /x",
        "FROM python\nADD --chown=1000:1000 http://example.org/x /x",
        "FROM python\nADD git@example.org:ada/trees.git /x",
        "FROM python\nADD github.com/ada/trees /x",
        'FROM python\nADD ["http\\u003a//example.org/x", "/x"]',
        'FROM python\nADD ht"tp:"//example.org/x /x',
        "FROM python\nARG FROM_WHERE\nADD $FROM_WHERE /x",
        "FROM python\nONBUILD ADD http://example.org/x /x",
        "FROM python\nADD \\\n  http://example.org/x /x",
        "FROM python\nA\\\n# a remark\n\nDD http://example.org/x /x",
        "# escape=`\nFROM python\nADD `\n  http://example.org/x /x",
        "FROM python\nRUN echo \\\\\nADD http://example.org/x \\\n  /x",
        "FROM python\nRUN echo \\\\\nADD \\\n  http://example.org/x /x",
        "FROM python\r\nADD \\\r\n  http://example.org/x /x\r\n",
        "\ufeffADD http://example.org/x /x",
        "FROM python\nADD " + "\\\n" * 200 + "http://example.org/x /x",
        "FROM python\nA" + "\\\n" * 200 + "DD http://example.org/x /x",
        "FROM" + "\\\n" * 200 + " ada/trees",
        "FROM python\nCOPY" + "\\\n" * 200 + " --from=ada/trees /a /b",
        "FROM python\nRUN --network=none " + "\\\n" * 200 + " --mount=from=ada/trees x",
        "FROM python\nARG B=a \\\n" + "\\\n" * 200 + " C=b",
        "# syntax=example.org/ada/language\nFROM python",
        "# syntax = docker/dockerfile-like:1\nFROM python",
        "#!/usr/bin/env docker\n// syntax=example.org/ada/language\nFROM python",
        '{"syntax": "example.org/ada/language"}',
        '#!/usr/bin/env docker\n{"syntax": "example.org/ada/language"}',
        '#!/usr/bin/env docker\r\n\n  {\n"syntax": "example.org/ada/language"\n}',
        "\ufeff# syntax=example.org/ada/language\nFROM python",
        "\ufeff#!/usr/bin/env docker\n\u00a0#\u2003syntax\u00a0=\u00a0example.org/ada/language\nFROM python",
    ],
)
def test_what_the_engine_would_fetch_is_found(text: str) -> None:
    assert engine_sources(text)


@pytest.mark.parametrize(
    "text",
    [
        'FROM python\nADD . /srv\nADD --chown=1000:1000 a.tar.gz b* /srv/\nADD ["a b", "/x"]',
        "FROM python:3.12\nCOPY . /srv\nRUN curl https://example.org/x > x",
        "# syntax=docker/dockerfile:1\nFROM python",
        "# syntax=docker.io/docker/dockerfile:1.7-labs\nFROM python\nRUN apt-get update \\\n && apt-get install x",
        "FROM python\n# ADD http://example.org/x /x",
        "FROM python\nRUN apt-get install \\\n" + "  apt-utils \\\n" * 200 + "  zip",
        "FROM python\nRUN echo address=1 \\\n  add=http://example.org",
        "",
        "\ufeffFROM python\r\nRUN pip install \\\r\n\t# d\u00e9pendances\u00a0: la base\r\n  six\r\n",
        "FROM python\nLABEL description='B\u00e4ume\u00a0\u2013 \u6811\u3000\U0001f333'\nRUN echo '\x1b[1m\u2028'",
        "FROM python\nCOPY <<EOF /trees.proto\n//\nsyntax = 'proto3';\n{}\nEOF",
    ],
)
def test_files_of_the_repository_are_no_matter(text: str) -> None:
    assert engine_sources(text) == ()


@pytest.mark.parametrize(
    ("text", "line", "character"),
    [
        ("#\fsyntax=example.org/ada/language\nFROM python", 1, "U+000C"),
        ("#\rsyntax=example.org/ada/language\nFROM python", 1, "U+000D"),
        ("#\vsyntax=example.org/ada/language\nFROM python", 1, "U+000B"),
        ("FROM python\nADD \\\n\x1c# x http://example.org/x /x", 3, "U+001C"),
        ("FROM python\nCOPY \\\n\x1f#\\\n --from=ada/trees /x /x", 3, "U+001F"),
        ("FROM python\nCOPY \\\r\r\n  --from=ada/trees /x /x", 2, "U+000D"),
        ("FROM python\nADD \\\r\r\r\n  http://example.org/x /x", 2, "U+000D"),
    ],
)
def test_a_character_that_hides_a_source_from_one_reader_is_refused(text: str, line: int, character: str) -> None:
    """Python's spaces and line ends are not all those of BuildKit, which is written in Go."""
    with pytest.raises(EnvironmentSpecError, match=rf"line {line}: has the control character {re.escape(character)}"):
        engine_sources(text)


@pytest.mark.parametrize(
    ("text", "images"),
    [
        ("FROM python:3.12\nRUN x\nFROM --platform=linux/amd64 ada/trees AS trees", ("python:3.12", "ada/trees")),
        ("FROM python AS first\nFROM first\nFROM scratch", ("python",)),
        ("FROM ada/trees AS ada/other\nFROM ada/other", ("ada/trees", "ada/other")),
        ("FROM later\nFROM python AS later", ("later", "python")),
        ("ARG TAG='3.12'\nFROM python:${TAG}\nARG TAG", ("python:3.12",)),
        ("ARG A=1 B=ada/trees\nFROM $B:$A", ("ada/trees:1",)),
        ("F\\\nROM python", ("python",)),
        ("FROM python AS a\nFROM b\nCOPY --from=a /x /y\nCOPY --link --from=0 /x /y", ("python", "b")),
        ("FROM a\nCOPY --from=r.example.org:5000/ada/b /x /y", ("a", "r.example.org:5000/ada/b")),
        ("FROM a\nONBUILD copy --chown=1 --from=ada/b /x /y", ("a", "ada/b")),
        ("FROM a\nCOPY --fr\\om=ada/b /x /y", ("a", "ada/b")),
        ("FROM a\nRUN --mount=type=bind,from=ada/b,target=/m cat /m/x", ("a", "ada/b")),
        ("FROM --platform=$BUILDPLATFORM --platform='linux/amd64' ada/trees", ("ada/trees",)),
        ('FROM a\nRUN --mount="type=bind,target=/m n,from=ada/b" cat', ("a", "ada/b")),
        ('FROM a\nRUN --mount=type=bind,\\\n"From=ada/b" cat', ("a", "ada/b")),
        ("FROM a\nRUN --mount=type=cache,target=/root/.cache pip install --from=x y", ("a",)),
        ("FROM a\nRUN rm -rf x --from=y\nCOPY from=x /y", ("a",)),
        ("FROM python\nRUN python <<EOF\nfrom os import path\nEOF", ("python",)),
        ("FROM python\nRUN echo \\\nFROM ada/a AS b\nFROM b", ("python", "ada/a", "b")),
        ("FROM python\nRUN echo \\\n# a remark\n\nFROM ada/a AS b\nFROM b", ("python", "ada/a", "b")),
        ("FROM python\nRUN cat <<EOF > x\nFROM ada/a AS b\nEOF\nFROM b", ("python", "ada/a", "b")),
        ("FROM python\nCOPY <<X <<'Y' /x\nX\nFROM ada/a AS b\nY\nCOPY --from=b /x /y", ("python", "ada/a", "b")),
        ("FROM python\nRUN <<-E\n\tFROM ada/a AS b\n E\n\tE\nFROM ada/c AS d\nFROM d", ("python", "ada/a", "ada/c")),
        ("FROM python\nRUN <<E\n\tE\nFROM ada/a AS b\nE\nFROM b", ("python", "ada/a", "b")),
        ("FROM python\nRUN x \\\n <<E\n\\\nE\nFROM ada/a AS b\nFROM b", ("python", "ada/a")),
        ("FROM python\nLABEL a='<<E'\nFROM ada/a AS b\nFROM b", ("python", "ada/a")),
        ("FROM python \\\n  AS b\nRUN x\nFROM b", ("python",)),
        ("FROM python\n\\\n# a remark\nRUN x\nFROM ada/a AS b\nFROM b", ("python", "ada/a")),
        ("FROM python\nRUN x <<< '$y'\nFROM ada/a AS b", ("python", "ada/a")),
    ],
)
def test_base_images_are_known_before_the_build(text: str, images: tuple[str, ...]) -> None:
    assert base_images(text) == images


@pytest.mark.parametrize(
    "text",
    [
        "FROM $BASE",
        "ARG BASE\nFROM $BASE",
        "ARG B=a\nARG B=b\nFROM $B",
        "ARG B=a\nARG 'B'=b\nFROM $B",
        "ARG B=a\nFROM ${B:-b}",
        "ARG B=$A\nFROM $B",
        'FROM "python"',
        "FROM [::1]:5000/python",
        "FROM -- ada/trees",
        "FROM python\nFROM --platform=linux/amd64 -- ada/trees",
        r"FROM --platform=${X:+\ }linux/amd64 ada/trees",
        "# escape=`\nFROM --platform=${X:+` }linux/amd64 ada/trees",
        'FROM --platform="${X:+ }linux/amd64" ada/trees',
        "ARG NB_UID=12\nFROM ada/trees:$NB_UID",
        "ARG TARGETARCH=plain\nFROM ada/trees:${TARGETARCH}",
        "ARG http_proxy=ada\nFROM $http_proxy/trees",
    ],
)
def test_a_base_image_that_is_not_is_refused(text: str) -> None:
    with pytest.raises(EnvironmentSpecError, match="unknown before the build"):
        base_images(text)


@pytest.mark.parametrize(
    "text",
    [
        "FROM python\nRUN echo '<<E'\nRUN <<X\nE\nFROM ada/a AS b\nX\nFROM b",
        "FROM python\nRUN x <<$E\n$E\nFROM ada/a AS b\nFROM b",
        "FROM python\nONBUILD RUN <<E\nRUN <<X\nE\nFROM ada/a AS b\nX\nFROM b",
        "FROM python\nRUN echo \\\\\nFROM ada/a AS b\nCOPY --from=b /x /y",
        "# escape=`\nFROM python\nRUN echo `\nFROM ada/a AS b\nFROM b",
        "FROM python\nRUN <<E\nE\r\r\nRUN <<X\nE\nFROM ada/a AS b\nX\nFROM b",
        "FROM python\nRUN x \\\n\x1c\nFROM ada/a AS b\nFROM b",
        "\ufeff# escape=`\nFROM python\nRUN echo `\nFROM ada/a AS b\nFROM b",
        "\u00a0#escape=`\nFROM python\nRUN echo `\nFROM ada/a AS b\nFROM b",
    ],
)
def test_a_name_that_is_a_stage_to_one_reader_and_an_image_to_another_is_refused(text: str) -> None:
    with pytest.raises(EnvironmentSpecError, match="b may be a stage or an image"):
        base_images(text)


def test_an_image_to_copy_from_is_named_plainly() -> None:
    with pytest.raises(EnvironmentSpecError, match="name the image or the stage plainly"):
        base_images("FROM python\nCOPY --from=$IMAGE /x /y")
