"""The software bill of materials of an image (CycloneDX 1.6, JSON)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING

from generator import __version__
from generator.documents.text import json_text
from generator.shared.safe_text import printable

if TYPE_CHECKING:
    from cyclonedx.model.component import Component
    from packageurl import PackageURL

_head = {"$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "bomFormat": "CycloneDX", "specVersion": "1.6"}
_first = ("serialNumber", "version", "metadata")
_LONGEST = 500
"""Characters of a text about a package."""
_DISTRIBUTIONS = {"deb": "debian", "apk": "alpine"}
"""The default distribution for each kind of package."""


def sbom_json(
    contents: Iterable[Mapping[str, str]],
    *,
    name: str,
    version: str,
    reference: str,
    digest: str | None,
    time: str,
    key: str,
) -> str:
    """Return the text; ``contents`` as `generator.runner.check.inventory` lists them, in any order.

    ``time`` is the commit's, in ISO 8601 with its zone; ``key`` tells images apart and gives the serial number.
    """
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.dependency import Dependency
    from cyclonedx.model.tool import ToolRepository
    from cyclonedx.schema.schema import SchemaVersion1Dot6

    components = _components([package for package in map(_read, contents) if package.name and package.version])
    image = _image(name, version, reference, digest)
    packmill = Component(type=ComponentType.APPLICATION, name="packmill", version=__version__)
    bom = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"urn:packmill:image:{key}"),
        metadata=BomMetaData(
            component=image,
            tools=ToolRepository(components=[packmill]),
            timestamp=datetime.fromisoformat(time.replace("Z", "+00:00")),  # Python 3.10 does not read Z
        ),
        components=components,
        dependencies=[Dependency(image.bom_ref, [Dependency(one.bom_ref) for one in components])],
    )
    # cyclonedx.output would add an empty dependsOn to each package, which claims that it has none, and is quadratic
    document = json.loads(bom.as_json(view_=SchemaVersion1Dot6))  # type: ignore[attr-defined]
    return json_text(_head | {name: document[name] for name in _first} | document)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Package:
    kind: str = ""
    name: str = ""
    version: str = ""
    architecture: str = ""
    license: str = ""
    place: str = ""
    source: str = ""
    build: str = ""
    channel: str = ""


def _read(entry: Mapping[str, str]) -> _Package:
    """Read an entry of the list, which the image made and which is therefore untrusted."""
    texts = {one.name: printable(str(entry.get(one.name, ""))[:_LONGEST]) for one in fields(_Package)}
    return _Package(**texts)


def _components(packages: list[_Package]) -> list[Component]:
    """Return one component per package-url, which is also its bom-ref; its locations become occurrences."""
    packages = sorted(packages, key=astuple)
    system = next((package for package in packages if package.kind == "os"), _Package())
    by_reference: dict[str, tuple[PackageURL | None, list[_Package]]] = {}
    for package in packages:
        purl = _purl(package, system)
        reference = purl.to_string() if purl else f"{package.kind}:{package.name}@{package.version}"
        by_reference.setdefault(reference, (purl, []))[1].append(package)
    return [_component(reference, purl, same) for reference, (purl, same) in by_reference.items()]


def _component(reference: str, purl: PackageURL | None, same: list[_Package]) -> Component:
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.component_evidence import ComponentEvidence, Occurrence
    from cyclonedx.model.license import LicenseAcknowledgement

    declared = next((package.license for package in same if package.license), "")
    places = {package.place for package in same if package.place}
    # without a bom-ref the library orders occurrences by their memory address
    occurrences = [Occurrence(bom_ref=f"{reference} {place}", location=place) for place in places]
    make = LicenseFactory().make_from_string
    return Component(
        type=ComponentType.OPERATING_SYSTEM if same[0].kind == "os" else ComponentType.LIBRARY,
        name=same[0].name,
        version=same[0].version,
        bom_ref=reference,
        purl=purl,
        licenses=[make(declared, license_acknowledgement=LicenseAcknowledgement.DECLARED)] if declared else [],
        evidence=ComponentEvidence(occurrences=occurrences) if occurrences else None,
    )


def _purl(package: _Package, system: _Package) -> PackageURL | None:
    """Return the package-url (ECMA-427 and its type definitions); ``upstream`` is the source package."""
    from packageurl import PackageURL

    namespace, qualifiers = None, {}
    if package.kind in _DISTRIBUTIONS:
        namespace = system.name or _DISTRIBUTIONS[package.kind]
        source, _, version = package.source.rstrip(")").partition(" (")
        qualifiers = {
            "arch": package.architecture,
            "distro": f"{system.name}-{system.version}" if system.name else "",
            "upstream": f"{source}@{version}" if version else source,
        }
    elif package.kind == "conda":
        qualifiers = {"build": package.build, "channel": package.channel, "subdir": package.architecture}
    elif package.kind not in ("pypi", "cran", "generic"):
        return None
    given = {key: value for key, value in qualifiers.items() if value}
    try:
        purl = PackageURL(package.kind, namespace, package.name, package.version, given)
        return PackageURL.from_string(purl.to_string())
    except (ValueError, TypeError):  # a name like "/" is empty after normalization
        return None


def _image(name: str, version: str, reference: str, digest: str | None) -> Component:
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    purl = None
    if digest:
        folder, slash, last = reference.partition("@")[0].rpartition("/")
        own, _, tag = last.partition(":")
        qualifiers = {"repository_url": f"{folder}/{own}" if slash else "", "tag": tag}
        purl = PackageURL("oci", None, own, digest, {key: value for key, value in qualifiers.items() if value})
    return Component(
        type=ComponentType.CONTAINER,
        name=name,
        version=version,
        bom_ref=purl.to_string() if purl else reference,
        purl=purl,
        properties=[Property(name="org.opencontainers.image.ref.name", value=reference)],
    )
