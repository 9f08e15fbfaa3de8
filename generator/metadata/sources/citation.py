"""``CITATION.cff`` (Citation File Format 1.2.0, https://citation-file-format.github.io)."""

from __future__ import annotations

from generator.metadata.licenses import canonical_license
from generator.metadata.metadata import Metadata, state
from generator.metadata.sources.yaml_document import read_mapping
from generator.metadata.words import read_people, text_of, texts_of

NAME = "CITATION.cff"


def read(text: str, source: str) -> Metadata:
    """Return the metadata of the software; a DOI is its citation.

    Raises:
        ValueError: the text is not a YAML mapping.
    """
    document = read_mapping(text)
    doi, licenses = text_of(document.get("doi")), document.get("license")
    alternatives = licenses if isinstance(licenses, list) else [licenses]
    return state(
        source,
        name=text_of(document.get("title")),
        description=text_of(document.get("abstract")),
        version=text_of(document.get("version")),
        author=read_people(document.get("authors")) or (),
        license=canonical_license(" OR ".join(filter(None, map(text_of, alternatives)))),
        keywords=texts_of(document.get("keywords")),
        citation=f"https://doi.org/{doi.removeprefix('https://doi.org/')}" if doi else "",
        code_repository=text_of(document.get("repository-code")),
        software_help=text_of(document.get("url")),
        others=[("datePublished", text_of(document.get("date-released")))],
    )
