"""``scripts/audit``: the real pip-audit with a server that answers as OSV does (https://google.github.io/osv.dev/api/)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from ports import free_port

top = Path(__file__).parents[1]
_FOUND = {
    "vulns": [
        {
            "id": "PYSEC-2020-1",
            "summary": "an example",
            "affected": [
                {
                    "package": {"name": "harmless", "ecosystem": "PyPI"},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}],
                    "versions": ["1.0"],
                }
            ],
        }
    ]
}


@pytest.fixture
def database() -> Iterator[str]:
    """A database that knows a vulnerability of harmless 1.0."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            text = json.dumps(_FOUND if asked["package"]["name"] == "harmless" else {}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()


def audit(
    folder: Path, package: str, address: str, digest: str = f" --hash=sha256:{'0' * 64}"
) -> subprocess.CompletedProcess[str]:
    lock = folder / "some.lock"
    lock.write_text(f"{package}==1.0{digest}\n")
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = {**os.environ, "PATH": path, "OSV_URL": address, "NO_PROXY": "127.0.0.1"}
    return subprocess.run([top / "scripts/audit", lock], env=environment, capture_output=True, text=True, check=False)


def test_a_vulnerable_package_fails_the_audit(database: str, tmp_path: Path) -> None:
    done = audit(tmp_path, "harmless", database)

    assert done.returncode == 1, done.stderr
    assert "PYSEC-2020-1" in done.stdout


def test_packages_without_known_vulnerabilities_pass(database: str, tmp_path: Path) -> None:
    assert audit(tmp_path, "other", database).returncode == 0


def test_a_database_that_is_not_available_is_no_success(tmp_path: Path) -> None:
    done = audit(tmp_path, "harmless", f"http://127.0.0.1:{free_port()}/v1/query")

    assert done.returncode == 3, done.stderr
    assert "some.lock: not audited" in done.stderr


def test_a_file_that_cannot_be_audited_is_no_lack_of_a_connection(database: str, tmp_path: Path) -> None:
    done = audit(tmp_path, "other", database, digest="")

    assert done.returncode == 2, done.stderr
    assert "does not contain a hash" in done.stderr
