"""Certificates of a local authority, valid now or not any more."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Authority:
    """A certificate authority for localhost, with its files in ``folder``."""

    folder: Path

    def __post_init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of a test")])
        now = datetime.now(timezone.utc)
        made = x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now - 9 * DAY, now + DAY
        )
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        object.__setattr__(self, "_signed", (key, name))
        self.file.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))

    @property
    def file(self) -> Path:
        """The certificate that clients trust."""
        return self.folder / "authority.pem"

    def issue(self, *, days: int = 1) -> Path:
        """A key and a certificate for localhost in one file; with ``days`` below 0, it expired so long ago."""
        own, (key, name) = ec.generate_private_key(ec.SECP256R1()), self._signed  # type: ignore[attr-defined]
        now = datetime.now(timezone.utc)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        made = x509.CertificateBuilder(
            name, subject, own.public_key(), x509.random_serial_number(), now - 8 * DAY, now + days * DAY
        )
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        file = self.folder / f"server-{days}.pem"
        text = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(text + made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
        return file

    def server_context(self, *, days: int = 1) -> ssl.SSLContext:
        """The context of a server; load another certificate into it, and new connections get that one."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.issue(days=days))
        return context
