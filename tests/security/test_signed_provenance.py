"""The provenance that packmill signs, by the published definitions of in-toto statements and of SLSA provenance 1.0.

The in-toto project publishes both as Protocol Buffers, with Python modules made from them (in-toto-attestation). Their
JSON form is strict: a field that the definition lacks, or a value of another type, is an error.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from generator.documents.slsa import predicate_type, slsa_predicate
from generator.signing.formats import envelope, statement
from generator.signing.keys import SigningKey

_REASON = "in-toto-attestation is missing: scripts/virtual-environment --dev"
json_format = pytest.importorskip("google.protobuf.json_format", reason=_REASON)
statements = pytest.importorskip("in_toto_attestation.v1.statement", reason=_REASON)
statement_pb2 = pytest.importorskip("in_toto_attestation.v1.statement_pb2", reason=_REASON)
descriptors = pytest.importorskip("in_toto_attestation.v1.resource_descriptor", reason=_REASON)
provenance_pb2 = pytest.importorskip("in_toto_attestation.predicates.provenance.v1.provenance_pb2", reason=_REASON)

_BASE = "docker.io/library/debian@sha256:" + "1" * 64
_DIGESTS = {"sha256": r"[0-9a-f]{64}", "gitCommit": r"[0-9a-f]{40}|[0-9a-f]{64}"}
"""Names and values of digests (in-toto, spec/v1/digest_set.md)."""


def signed(**changes: Any) -> dict[str, Any]:
    """The statement in an envelope that packmill signs for an image."""
    given: dict[str, Any] = {
        "address": "https://example.org/ada/trees",
        "checkout": "main",
        "commit": "c" * 40,
        "processes": ("process.ipynb", "more/process.ipynb"),
        "base": _BASE,
        "options": {"network": True, "emit": "dag", "ram": 2048},
    }
    predicate = slsa_predicate(**(given | changes))
    stated = statement(predicate_type, predicate, name="registry.example.org/ada/trees", digest=f"sha256:{'2' * 64}")
    read = json.loads(envelope(stated, SigningKey(key=Ed25519PrivateKey.generate())))
    assert read["payloadType"] == "application/vnd.in-toto+json"
    payload: dict[str, Any] = json.loads(base64.b64decode(read["payload"]))
    return payload


_KINDS = pytest.mark.parametrize(
    "changes",
    [
        {},
        {"options": {}},
        {"base": "", "processes": ()},
        {"address": "/home/ada/trees", "checkout": ""},
        {"commit": "d" * 64, "address": "ssh://git@example.org/ada/trees.git"},
    ],
    ids=["usual", "no options", "no base", "local", "SHA-256"],
)


@_KINDS
def test_the_statement_is_one_of_in_toto(changes: dict[str, Any]) -> None:
    stated = signed(**changes)

    message = json_format.ParseDict(stated, statement_pb2.Statement())

    statements.Statement.copy_from_pb(message).validate()
    assert json_format.MessageToDict(message) == stated


@_KINDS
def test_the_predicate_is_slsa_provenance(changes: dict[str, Any]) -> None:
    predicate = signed(**changes)["predicate"]

    message = json_format.ParseDict(predicate, provenance_pb2.Provenance())

    assert json_format.MessageToDict(message) == predicate
    definition, builder = message.build_definition, message.run_details.builder
    assert urlsplit(definition.build_type).scheme  # required TypeURIs (slsa.dev/spec/v1.0/provenance)
    assert urlsplit(builder.id).scheme
    assert definition.HasField("external_parameters")


@_KINDS
def test_what_was_built_from_is_described_as_in_toto_describes_resources(changes: dict[str, Any]) -> None:
    stated = signed(**changes)
    message = json_format.ParseDict(stated["predicate"], provenance_pb2.Provenance())
    subjects = json_format.ParseDict(stated, statement_pb2.Statement()).subject

    for one in (*subjects, *message.build_definition.resolved_dependencies):
        descriptors.ResourceDescriptor.copy_from_pb(one).validate()
        assert one.digest
        for name, digest in one.digest.items():
            assert re.fullmatch(_DIGESTS[name], digest)
        assert not one.uri or urlsplit(one.uri).scheme


def test_the_definition_refuses_what_it_does_not_have() -> None:
    with pytest.raises(json_format.ParseError, match="buildDefinitions"):
        json_format.ParseDict({"buildDefinitions": {}}, provenance_pb2.Provenance())
