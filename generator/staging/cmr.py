"""Find granules in NASA's Common Metadata Repository (CMR Search API, "Search for Granules")."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from generator.shared.failures import StagingError
from generator.staging import urls
from generator.staging.records import Location

_HOST = "cmr.earthdata.nasa.gov"
_PAGE_SIZE = 2000


def cmr_address(location: Location) -> str:
    """Return the URL of the CMR that a record names, else of NASA's."""
    host = str(location.record.get("cmr_host") or _HOST)
    return host if urls.scheme(host) else f"https://{host}"


def search_url(collection: str, granule: str, location: Location) -> str:
    """Return the URL of a search for a granule by its name."""
    catalog = urlsplit(cmr_address(location))
    query = {"collection_concept_id": collection, "readable_granule_name": granule, "page_size": _PAGE_SIZE}
    return urlunsplit((catalog.scheme, catalog.netloc, "/search/granules.json", urlencode(query, quote_via=quote), ""))


def read_data_urls(answer: Any, url: str, collection: str, granule: str) -> list[str]:
    """Return the URLs of the data in a search's answer, each once: those of the web, else those of S3.

    Raises:
        StagingError: the answer is not one of CMR, or no granule in it has data.
    """
    try:
        links = [link for entry in answer["feed"]["entry"] for link in entry.get("links", ())]
        found = [str(link["href"]) for link in links if _is_data_link(link)]
    except (TypeError, KeyError, AttributeError):
        raise StagingError(f"{urls.redact(url)}: the answer is not CMR's") from None
    data = [href for href in found if urls.scheme(href) in ("https", "http")]
    data = data or [href for href in found if urls.scheme(href) == "s3"]
    if not data:
        raise StagingError(f"{granule}: no granule of that name has data in {collection} at {urlsplit(url).netloc}")
    return list(dict.fromkeys(data))


def _is_data_link(link: Any) -> bool:
    return str(link.get("rel", "")).endswith("/data#") and not link.get("inherited")
