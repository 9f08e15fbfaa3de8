"""Keys that sign and verify: ECDSA P-256 and Ed25519 in PEM, and the private keys of ``cosign generate-key-pair``."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from generator.shared.errors import UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_COSIGN = re.compile(r"-----BEGIN ENCRYPTED (COSIGN|SIGSTORE) PRIVATE KEY-----(.*?)-----END", re.DOTALL)
_KINDS = "use ECDSA P-256 or Ed25519"
_MOST_MEMORY = 256 << 20
"""Bytes that the derivation of a cosign key may use; cosign's own parameters use 64 MiB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifyingKey:
    """A public key."""

    key: EllipticCurvePublicKey | Ed25519PublicKey

    def verifies(self, content: bytes, signature: bytes) -> bool:
        """Whether this key's private half signed the content."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            if isinstance(self.key, Ed25519PublicKey):
                self.key.verify(signature, content)
            else:
                self.key.verify(signature, content, _ecdsa())
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, kw_only=True, slots=True)
class SigningKey:
    """A private key, which no message and no ``repr`` shows."""

    key: EllipticCurvePrivateKey | Ed25519PrivateKey = field(repr=False)

    def sign(self, content: bytes) -> bytes:
        """Sign; ECDSA over SHA-256 in DER, Ed25519 as RFC 8032 has it."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return self.key.sign(content) if isinstance(self.key, Ed25519PrivateKey) else self.key.sign(content, _ecdsa())

    @property
    def public(self) -> VerifyingKey:
        """The public half."""
        return VerifyingKey(key=self.key.public_key())


def parse_signing_key(text: str, password: str, *, where: str) -> SigningKey:
    """Parse a private key in PEM; an empty ``password`` is for a key that is not encrypted.

    Raises:
        UsageError: the text is not such a key, or the password is missing or wrong; no message shows either.
    """
    from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

    cosign = _COSIGN.search(text)
    try:
        if cosign:
            key: Any = load_der_private_key(_decrypt_cosign(cosign[2], password), None)
        else:
            key = load_pem_private_key(text.encode(), password.encode() or None)
    except TypeError:
        problem = "the key is not encrypted; unset" if password else "the key is encrypted; set"
        raise UsageError(f"{where}: {problem} PACKMILL_SIGN_PASSWORD") from None
    except Exception:  # noqa: BLE001 # libraries of three kinds; their messages could show parts of the key
        raise UsageError(
            f"{where}: not a private key in PEM, or its password (PACKMILL_SIGN_PASSWORD) is wrong; {_KINDS}"
        ) from None
    _check_kind(key.public_key(), where)
    return SigningKey(key=key)


def parse_verifying_key(text: str, *, where: str) -> VerifyingKey:
    """Parse a public key in PEM.

    Raises:
        UsageError: the text is not such a key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key: Any = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise UsageError(f"{where}: not a public key in PEM; {_KINDS}") from None
    _check_kind(key, where)
    return VerifyingKey(key=key)


def _check_kind(key: Any, where: str) -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    is_p256 = isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
    if not is_p256 and not isinstance(key, Ed25519PublicKey):
        raise UsageError(f"{where}: a key of another kind; {_KINDS}")


def _decrypt_cosign(body: str, password: str) -> bytes:
    """Decrypt cosign's own format: scrypt and NaCl's secretbox (go-securesystemslib, "encrypted")."""
    from nacl.secret import SecretBox

    values = json.loads(base64.b64decode(body))
    kdf, cipher = values["kdf"], values["cipher"]
    if (kdf["name"], cipher["name"]) != ("scrypt", "nacl/secretbox"):
        raise ValueError("unknown format")
    cost = {name: int(kdf["params"][letter]) for name, letter in (("n", "N"), ("r", "r"), ("p", "p"))}
    salt, nonce, box = (base64.b64decode(one) for one in (kdf["salt"], cipher["nonce"], values["ciphertext"]))
    derived = hashlib.scrypt(password.encode(), salt=salt, maxmem=_MOST_MEMORY, dklen=32, **cost)
    return bytes(SecretBox(derived).decrypt(box, nonce))


def _ecdsa() -> Any:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    return ECDSA(SHA256())
