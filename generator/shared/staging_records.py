"""Kinds of sources and destinations of files, as CWL records: names, fields, types.

The names and fields are the original system's (its ``stage_in.cwl`` and ``stage_out.cwl``); fields with ``?`` beyond
those are packmill's. Standard library only: the generator and the runner both read these tables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """A field of a record: its CWL types, and whether its value is a secret."""

    name: str
    types: tuple[str, ...] = ("string",)
    secret: bool = False
    doc: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A record type of CWL."""

    name: str
    doc: str
    fields: tuple[Field, ...]


_several = ("string", "string[]")
_maybe = ("null", "string")


def _optional(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name=name, types=_maybe) for name in names)


_key_id = Field(name="aws_access_key_id")
_key = Field(name="aws_secret_access_key", secret=True)
_session = Field(name="aws_session_token", types=_maybe, secret=True)
_s3_options = _optional("region_name", "endpoint_url")
_s3_urls = Field(name="s3_url", types=_several, doc="s3://bucket/key, or s3://bucket/folder/ for all below it")
_urls = Field(name="url", types=_several)
_ticket = Field(name="maap_pgt", types=_maybe, secret=True, doc="MAAP's proxy granting ticket")
_config = Field(name="aws_config", types=("null", "Directory"), doc="a folder with AWS's config and credentials files")

stage_in_kinds = (
    Kind(name="S3", doc="S3 with keys", fields=(_s3_urls, _key_id, _key, _session, *_s3_options)),
    Kind(
        name="Role",
        doc="S3 as a role, or by a profile of AWS's configuration",
        fields=(
            _s3_urls,
            Field(name="role_arn", types=_maybe),
            Field(name="source_profile", types=_maybe),
            _config,
            *_s3_options,
        ),
    ),
    Kind(
        name="DAAC",
        doc="a NASA archive behind Earthdata login",
        fields=(
            _urls,
            Field(name="username", types=_maybe),
            Field(name="password", types=_maybe, secret=True),
            Field(name="token", types=_maybe, secret=True, doc="an Earthdata bearer token in place of a password"),
            Field(name="login_host", types=_maybe, doc="the login server, urs.earthdata.nasa.gov when it is not given"),
        ),
    ),
    Kind(
        name="MAAP",
        doc="granules that a CMR search finds",
        fields=(
            Field(name="collection_id", doc="concept id of the collection"),
            Field(name="granule_name", types=_several),
            _ticket,
            Field(name="cmr_host", types=_maybe, doc="cmr.earthdata.nasa.gov when it is not given"),
        ),
    ),
    Kind(name="MAAP_HTTP", doc="HTTP with MAAP's ticket", fields=(_urls, _ticket)),
    Kind(
        name="STAC",
        doc="assets of a STAC Item, Collection or Catalog",
        fields=(
            Field(name="stac_url", types=_several),
            Field(name="assets", types=("null", "string[]"), doc="keys of the assets to fetch; all when not given"),
            Field(name="roles", types=("null", "string[]"), doc="roles of the assets to fetch"),
        ),
    ),
    Kind(name="Local", doc="files at hand", fields=(Field(name="path", types=("File", "File[]", "Directory")),)),
    Kind(
        name="HTTP",
        doc="HTTP and HTTPS; also gs, abfs, ftp, sftp",
        fields=(_urls, Field(name="checksum", types=_maybe, doc="such as sha256:…, md5:… or a multihash")),
    ),
    Kind(name="S3_unsigned", doc="S3 for everyone", fields=(_s3_urls, *_s3_options)),
)
"""Kinds of sources. Specific kinds come first, because an engine takes the first kind that fits."""

_to = Field(name="s3_url", doc="s3://bucket/folder")

stage_out_kinds = (
    Kind(name="STAK", doc="S3 with short-lived keys", fields=(_to, _key_id, _key, _session, *_s3_options)),
    Kind(
        name="LTAK",
        doc="S3 with the keys of a configuration folder",
        fields=(
            _to,
            Field(name="aws_config", types=("Directory",), doc=_config.doc),
            *_optional("profile"),
            *_s3_options,
        ),
    ),
    Kind(name="IAM", doc="S3 as the machine's own role", fields=(_to, *_s3_options)),
    Kind(name="URL", doc="any other store: gs, abfs, ftp, sftp, file", fields=(Field(name="url"),)),
    Kind(name="Folder", doc="a folder among the outputs", fields=(Field(name="folder"),)),
    Kind(
        name="OGC",
        doc="a folder among the outputs with a STAC catalog, as OGC 20-089 has it",
        fields=(Field(name="directory"),),
    ),
    # cwltool replaces the text of every field "path" by an address
    Kind(name="FolderPath", doc="the earlier form of Folder", fields=(Field(name="path"),)),
)
"""Kinds of destinations."""

secret_fields = frozenset(
    field.name for kind in (*stage_in_kinds, *stage_out_kinds) for field in kind.fields if field.secret
)

_names = "|".join(sorted({field.name for kind in (*stage_in_kinds, *stage_out_kinds) for field in kind.fields}))
_in_text = re.compile(rf"""(?m)\A[\s\ufeff\["']*\{{|^[ \t"'-]*(?:{_names})["']?[ \t]*:(?:\s|\Z)""")


def is_record_in_text(text: str) -> bool:
    """Whether a text begins as a record in JSON or YAML does, or has a line with a field of one, also if it is invalid.

    Such a text may have secrets: it is neither shown nor used as an address.
    """
    return _in_text.search(text) is not None
