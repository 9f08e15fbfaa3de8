"""Every address that a request names, checked before anything is done for it."""

from __future__ import annotations

from generator.network.address_policy import Access
from generator.network.addresses import check
from generator.repository.connection import check_repository
from generator.request.build import BuildRequest
from generator.request.settings import Settings


def check_addresses(request: BuildRequest, settings: Settings) -> None:
    """Refuse a request that names an address which the operator's policy does not allow.

    Each is checked again by what connects to it.

    Raises:
        RepositoryError: the repository is refused.
        PublishError: the registry or the destination is refused.
    """
    check_repository(settings.repositories, request.repository)
    if request.destination:
        check_repository(settings.destinations, request.destination.repository)
    if request.registry:
        check_registry_address(request.registry, settings)


def check_registry_address(registry: str, settings: Settings) -> Access:
    """How a registry that a request names may be reached.

    Raises:
        PublishError: the operator's policy refuses it.
    """
    return check(settings.registries, f"https://{registry}")
