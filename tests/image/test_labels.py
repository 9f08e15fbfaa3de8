"""The labels of an image: the repository's own metadata, as one line each."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest
from support import write_notebook

from generator.image.dockerfiles import image_dockerfile
from generator.image.names import labels
from generator.metadata.metadata import Metadata, Person
from generator.process.process import describe_repository
from generator.repository.source import Source

_PREFIX = "org.opencontainers.image."


@pytest.fixture
def source() -> Source:
    time = datetime(2026, 2, 3, tzinfo=timezone.utc)
    address = "https://example.org/ada/trees"
    return Source(address=address, owner="ada", name="trees", checkout="main", commit="a" * 40, message="x", time=time)


def test_an_image_has_the_stated_metadata(source: Source) -> None:
    metadata = Metadata(
        name="Tree height",
        description="Height\nof  trees",
        version="2.0",
        author=(Person(name="Ada", email="ada@example.org"), Person(name="Grace")),
        publisher=(Person(name="Trees Inc."),),
        license="MIT OR Apache-2.0",
        code_repository="https://example.org/elsewhere",
        software_help="https://example.org/manual",
    )

    found = labels(source, "key", metadata)

    assert {name.removeprefix(_PREFIX): text for name, text in found.items() if name.startswith(_PREFIX)} == {
        "source": "https://example.org/ada/trees",
        "revision": "a" * 40,
        "created": "2026-02-03T00:00:00Z",
        "title": "Tree height",
        "version": "2.0",
        "description": "Height of trees",
        "authors": "Ada <ada@example.org>, Grace",
        "licenses": "MIT OR Apache-2.0",
        "documentation": "https://example.org/manual",
        "vendor": "Trees Inc.",
    }


def test_what_is_not_stated_gives_no_label(source: Source) -> None:
    found = labels(source, "key", Metadata(license="see the file"))

    assert {name for name in found if name.startswith(_PREFIX)} == {
        _PREFIX + name for name in ("source", "revision", "created", "title", "version")
    }
    assert found[_PREFIX + "title"] == "ada/trees"


def test_a_description_stays_within_its_label(source: Source) -> None:
    metadata = Metadata(description='"\\\nRUN touch /marker\n$(x) ${PATH} {{ 1 }}\n' + "x" * 5000)

    text = image_dockerfile({}, source, environment="e", runner="r", inside=False, image_key="k", metadata=metadata)

    [line] = [line for line in text.splitlines() if "description" in line]
    assert "touch /marker \\$(x) \\${PATH} {{ 1 }}" in line
    assert not any(line.startswith("RUN touch") for line in text.splitlines())
    assert len(line) < 1200


def test_the_default_process_describes_its_repository_s_image(tmp_path: Path) -> None:
    """All processes of a repository share the image, so that it does not depend on the one that is built."""
    (tmp_path / "CITATION.cff").write_text("title: Trees\nlicense: MIT\n")
    write_notebook(tmp_path / "other.ipynb", "label = 'Other'", tags=("metadata",))
    assert describe_repository(tmp_path).name == "Trees"

    write_notebook(tmp_path / "process.ipynb", "label = 'Height'\nauthor = 'Ada'", tags=("metadata",))
    described = describe_repository(tmp_path)
    assert (described.name, described.license, described.author) == ("Height", "MIT", (Person(name="Ada"),))

    (tmp_path / "process.ipynb").write_text(json.dumps({"cells": 1}))
    assert describe_repository(tmp_path).name == "Trees"
