"""A real registry without an engine, and the smallest image in it."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest
import requests
from ports import free_port
from waiting import wait_until

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry on loopback, without an engine."""
    if shutil.which("docker-registry") is None:
        pytest.skip("Debian's docker-registry is not installed")
    folder, port = tmp_path_factory.mktemp("registry"), free_port()
    storage = f"storage: {{filesystem: {{rootdirectory: {folder}/storage}}}}"
    (folder / "config.yml").write_text(f"version: 0.1\n{storage}\nhttp: {{addr: '127.0.0.1:{port}'}}\n")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(folder / "config.yml")], stdout=log, stderr=log)
    try:
        wait_until(lambda: _answers(f"http://127.0.0.1:{port}/v2/"), message="the registry answers")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=10).ok
    except requests.ConnectionError:
        return False


@pytest.fixture
def image(registry: str, request: pytest.FixtureRequest) -> str:
    """The smallest image, of a name for each test."""
    name = "tests/" + hashlib.sha256(request.node.name.encode()).hexdigest()[:12]
    base = f"http://{registry}/v2/{name}"
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    place = requests.post(f"{base}/blobs/uploads/", timeout=60).headers["Location"]
    requests.put(place, params={"digest": digest}, data=config, timeout=60).raise_for_status()
    described = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": len(config)}
    manifest = json.dumps({"schemaVersion": 2, "mediaType": _MANIFEST, "config": described, "layers": []}).encode()
    put = requests.put(f"{base}/manifests/x", data=manifest, headers={"Content-Type": _MANIFEST}, timeout=60)
    put.raise_for_status()
    return f"{registry}/{name}@sha256:{hashlib.sha256(manifest).hexdigest()}"
