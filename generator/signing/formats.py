"""The texts that are signed: cosign's simple signing payload, and attestations as DSSE envelopes of in-toto statements.

Sources: cosign, specs/SIGNATURE_SPEC.md and specs/ATTESTATION_SPEC.md; DSSE 1.0 (secure-systems-lab/dsse, protocol.md);
in-toto Attestation Framework 1.0, spec/v1/statement.md.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from generator.signing.keys import SigningKey, VerifyingKey

payload_type = "application/vnd.dev.cosign.simplesigning.v1+json"
envelope_type = "application/vnd.dsse.envelope.v1+json"
_statement_type = "application/vnd.in-toto+json"
_SIGNED = "cosign container image signature"


def signature_payload(name: str, digest: str) -> bytes:
    """Return the payload of an image's signature; ``name`` is registry and path, ``digest`` that of the manifest."""
    critical = {"identity": {"docker-reference": name}, "image": {"docker-manifest-digest": digest}, "type": _SIGNED}
    return json.dumps({"critical": critical, "optional": None}, separators=(",", ":")).encode()


def is_payload_of(payload: bytes, digest: str) -> bool:
    """Whether a payload is that of an image's signature, for the image with this digest."""
    try:
        critical = json.loads(payload)["critical"]
        return bool(critical["type"] == _SIGNED and critical["image"]["docker-manifest-digest"] == digest)
    except (ValueError, LookupError, TypeError, RecursionError):
        return False


def statement(predicate_type: str, predicate: Any, *, name: str, digest: str) -> dict[str, Any]:
    """Return the in-toto statement about an image."""
    algorithm, _, value = digest.partition(":")
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {algorithm: value}}],
        "predicateType": predicate_type,
        "predicate": predicate,
    }


def envelope(stated: Mapping[str, Any], key: SigningKey) -> bytes:
    """Return the signed envelope of a statement."""
    payload = json.dumps(stated, separators=(",", ":")).encode()
    signature = key.sign(_encoded(_statement_type, payload))
    return json.dumps(
        {
            "payloadType": _statement_type,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [{"keyid": "", "sig": base64.b64encode(signature).decode()}],
        },
        separators=(",", ":"),
    ).encode()


def open_envelope(text: bytes, key: VerifyingKey) -> dict[str, Any] | None:
    """Return the statement in an envelope; None if the key did not sign it."""
    try:
        values = json.loads(text)
        payload = base64.b64decode(values["payload"], validate=True)
        signatures = [base64.b64decode(one["sig"], validate=True) for one in values["signatures"]]
        signed = _encoded(str(values["payloadType"]), payload)
        if not any(key.verifies(signed, one) for one in signatures):
            return None
        stated = json.loads(payload)
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return stated if isinstance(stated, dict) else None


def _encoded(kind: str, payload: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding (protocol.md, "Signature Definition")."""
    return b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(payload), payload)
