"""Check every address in a request before the build starts."""

from __future__ import annotations

from generator.network.address_policy import Access
from generator.network.addresses import check
from generator.platforms.connection import check_platform_address
from generator.repository.connection import check_repository
from generator.request.build import BuildRequest
from generator.request.credentials import deploy_token
from generator.request.settings import Settings


def check_addresses(request: BuildRequest, settings: Settings) -> None:
    """Refuse a request with an address that the operator's policy does not allow.

    Each connection checks its address again.

    Raises:
        RepositoryError: the policy refuses the repository.
        PublishError: the policy refuses the registry, the destination or the platform.
    """
    check_repository(settings.repositories, request.repository)
    if request.destination:
        check_repository(settings.destinations, request.destination.repository)
    if request.registry:
        check_registry_address(request.registry, settings)
    if request.platform:
        has_token = bool(deploy_token(request.platform, settings))
        check_platform_address(request.platform, settings.platforms, has_token=has_token)


def check_registry_address(registry: str, settings: Settings) -> Access:
    """Return the access that the operator's policy grants to a requested registry.

    Raises:
        PublishError: the policy refuses the registry.
    """
    return check(settings.registries, f"https://{registry}")
