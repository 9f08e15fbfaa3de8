"""Real git servers on loopback, https with a password and ssh; each is waited for and stopped by its process id."""

from __future__ import annotations

import base64
import http.server
import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ports import free_port, is_listening
from waiting import wait_until


@contextmanager
def https_server(
    top: Path,
    certificates: Path,
    *,
    token: str,
    redirects: Mapping[str, str] | None = None,
    asked: list[tuple[str, str]] | None = None,
    public: Collection[str] = (),
) -> Iterator[str]:
    """Serves the bare repositories below ``top`` by git's own http-backend; the address.

    ``redirects`` are beginnings of paths with the address that answers in their place, ``asked`` is told every path
    with its Authorization header, and repositories in ``public`` need no token.
    """
    key, certificate = certificates / "key.pem", certificates / "certificate.pem"
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    make = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject)
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    expected = "Basic " + base64.b64encode(f"oauth2:{token}".encode()).decode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            self.answer()

        def answer(self) -> None:
            if asked is not None:
                asked.append((self.path, self.headers.get("Authorization", "")))
            for start, target in (redirects or {}).items():
                if self.path.startswith(f"{start}/"):
                    self.send_response(301)
                    self.send_header("Location", target + self.path.removeprefix(start))
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
            is_public = any(self.path.startswith(f"/{one}/") for one in public)
            if not is_public and self.headers.get("Authorization") != expected:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            done = subprocess.run(
                ["git", "http-backend"],
                input=body,
                capture_output=True,
                check=True,
                env={
                    **os.environ,
                    "GIT_PROJECT_ROOT": str(top),
                    "GIT_HTTP_EXPORT_ALL": "1",
                    "PATH_INFO": path,
                    "QUERY_STRING": query,
                    "REQUEST_METHOD": self.command,
                    "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                    "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                    "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                    "REMOTE_USER": "ada",
                },
            )
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
            self.send_response(int(headers.pop("Status", "200").split()[0]))
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)  # "localhost" may be ::1 as well
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def ssh_server(folder: Path) -> Iterator[tuple[str, str]]:
    """An sshd of this test's own; the address and the ssh command that knows its keys."""
    sshd = shutil.which("sshd") or "/usr/sbin/sshd"
    for name in ("host", "client"):
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(make, check=True)
    shutil.copy(folder / "client.pub", folder / "authorized_keys")
    port = free_port()
    config = folder / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized_keys\n"
        f"PidFile {folder}/sshd.pid\nUsePAM no\nPasswordAuthentication no\nStrictModes no\nPermitRootLogin yes\n"
        "Subsystem sftp internal-sftp\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen([sshd, "-D", "-e", "-f", str(config)], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: is_listening(port), message="sshd answers")
        options = ("IdentitiesOnly=yes", f"UserKnownHostsFile={folder}/known_hosts", "StrictHostKeyChecking=accept-new")
        command = ["ssh", "-i", f"{folder}/client", *(f"-o{option}" for option in options)]
        yield f"ssh://127.0.0.1:{port}", " ".join(command)
    finally:
        process.terminate()
        process.wait()
