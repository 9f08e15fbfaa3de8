"""A small registry with the referrers API of the OCI distribution specification 1.1, which Debian's registry lacks."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

INDEX = "application/vnd.oci.image.index.v1+json"
_PATH = re.compile(r"/v2/(?P<name>[\w./-]+)/(?P<kind>blobs|manifests|referrers)/(?P<rest>[\w.:/-]*)")


@dataclass(kw_only=True)
class OciRegistry:
    """What the registry holds; ``page`` is the most referrers in an answer, ``next_page`` replaces the next address."""

    place: str = ""
    page: int = 100
    next_page: str = ""
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    """Media type and content by repository, and digest or tag."""

    def put(self, name: str, reference: str, kind: str, content: bytes) -> str:
        """Store a manifest; return its digest."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        for one in (digest, reference):
            self.manifests[name, one] = (kind, content)
        return digest

    def referrers(self, name: str, digest: str) -> list[dict[str, Any]]:
        """Return the descriptors of what refers to a manifest ("Listing Referrers")."""
        found = []
        for (repository, reference), (kind, content) in self.manifests.items():
            manifest = json.loads(content)
            if repository == name and ":" in reference and (manifest.get("subject") or {}).get("digest") == digest:
                artifact = manifest.get("artifactType") or manifest["config"]["mediaType"]
                found.append({"mediaType": kind, "digest": reference, "size": len(content), "artifactType": artifact})
        return found


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    registry: OciRegistry

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for header, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(header.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def do_GET(self) -> None:
        self.respond()

    def do_HEAD(self) -> None:
        self.respond()

    def do_POST(self) -> None:
        self.respond()

    def do_PUT(self) -> None:
        self.respond()

    def respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        found = _PATH.fullmatch(url.path)
        if url.path == "/v2/":
            self.answer(200, b"{}")
        elif found is None:
            self.answer(404)
        else:
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            getattr(self, found["kind"])(found["name"], found["rest"], query, body)

    def blobs(self, name: str, rest: str, query: dict[str, str], body: bytes) -> None:
        if self.command == "POST":
            self.answer(202, Location=f"http://{self.registry.place}/v2/{name}/blobs/uploads/1")
        elif self.command == "PUT":
            is_right = query["digest"] == f"sha256:{hashlib.sha256(body).hexdigest()}"
            self.registry.blobs.update({query["digest"]: body} if is_right else {})
            self.answer(201 if is_right else 400, Location=f"/v2/{name}/blobs/{query['digest']}")
        elif rest in self.registry.blobs:
            self.answer(200, self.registry.blobs[rest], Content_Type="application/octet-stream")
        else:
            self.answer(404)

    def manifests(self, name: str, rest: str, _: dict[str, str], body: bytes) -> None:
        if self.command == "PUT":
            digest = self.registry.put(name, rest, self.headers["Content-Type"], body)
            subject = (json.loads(body).get("subject") or {}).get("digest")
            own = {"OCI_Subject": subject} if subject else {}
            self.answer(201, Location=f"/v2/{name}/manifests/{digest}", Docker_Content_Digest=digest, **own)
        elif (name, rest) in self.registry.manifests:
            kind, content = self.registry.manifests[name, rest]
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            self.answer(200, content, Content_Type=kind, Docker_Content_Digest=digest)
        else:
            self.answer(404)

    def referrers(self, name: str, rest: str, query: dict[str, str], _: bytes) -> None:
        start, kind = int(query.get("start", 0)), query.get("artifactType")
        every = [one for one in self.registry.referrers(name, rest) if kind in (None, one["artifactType"])]
        listed = every[start : start + self.registry.page]
        content = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}).encode()
        headers = {"OCI_Filters_Applied": "artifactType"} if kind else {}
        if start + self.registry.page < len(every):
            following = self.registry.next_page or f"/v2/{name}/referrers/{rest}?start={start + self.registry.page}"
            headers["Link"] = f'<{following}>; rel="next"'
        self.answer(200, content, Content_Type=INDEX, **headers)


@contextmanager
def oci_registry() -> Iterator[OciRegistry]:
    """Serve a registry on loopback."""
    registry = OciRegistry()
    handler = type("Handler", (_Handler,), {"registry": registry})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        registry.place = f"127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield registry
        server.shutdown()
