"""``scripts/sbom`` lists what an installation of packmill consists of, as CycloneDX."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from generator import __version__

_TOP = Path(__file__).resolve().parents[1]


def _write(*files: Path) -> str:
    command = [sys.executable, _TOP / "scripts" / "sbom", *files]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def text() -> str:
    return _write()


def test_the_document_follows_the_schema(text: str) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_every_locked_package_is_listed_with_its_digests(text: str) -> None:
    document = json.loads(text)
    lock = (_TOP / "requirements.lock").read_text()
    pins = re.findall(r"^([\w.-]+)==([\w.+!-]+)", lock, re.MULTILINE)

    listed = {(one["name"], one["version"]): one for one in document["components"]}
    assert sorted(listed) == sorted(set(pins))
    assert sum(len(one["hashes"]) for one in listed.values()) == lock.count("--hash=sha256:")
    assert document["metadata"]["component"]["version"] == __version__


def test_a_package_has_its_digests_and_the_condition_of_its_installation(tmp_path: Path) -> None:
    file = tmp_path / "a.lock"
    one, two = "1" * 64, "2" * 64
    file.write_text(f"A_b==1.0 ; python_version < '3.11' \\\n    --hash=sha256:{two} \\\n    --hash=sha256:{one}\n")

    found: Any = json.loads(_write(file))["components"]
    assert [(part["name"], part["purl"]) for part in found] == [("a-b", "pkg:pypi/a-b@1.0")]
    assert [digest["content"] for digest in found[0]["hashes"]] == [one, two]
    assert found[0]["properties"] == [{"name": "packmill:marker", "value": "python_version < '3.11'"}]


def test_the_same_lock_file_gives_the_same_bytes(text: str) -> None:
    assert _write() == text
