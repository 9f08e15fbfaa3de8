"""Which credentials of the operator a request may use: each is for its own host."""

from __future__ import annotations

from generator.network.address_policy import Access
from generator.platforms.platform import Platform
from generator.repository.address import Repository
from generator.repository.destination import Destination
from generator.request.settings import Settings


def fetch_token(repository: Repository, settings: Settings) -> str:
    """Return the token for fetching from a repository; empty when it is for another host."""
    return settings.git_token if _is_for(settings.git_host, repository.host) else ""


def publish_token(destination: Destination, settings: Settings) -> str:
    """Return the token for depositing in a destination; empty when it is for another host."""
    return settings.publish_token if _is_for(settings.publish_host, destination.repository.host) else ""


def deploy_token(platform: Platform, settings: Settings) -> str:
    """Return the token for a platform; empty when it is for another host.

    A token without a host is only for platforms that the operator allows without restrictions.
    """
    if not settings.deploy_host and settings.platforms.access(platform.address) is Access.PUBLIC:
        return ""
    return settings.deploy_token if _is_for(settings.deploy_host, platform.host) else ""


def registry_user(registry: str, settings: Settings) -> str:
    """Return the user of a registry; empty when user and password are for another registry."""
    return settings.registry_user if _is_for(settings.registry_host, registry.partition("/")[0]) else ""


def _is_for(secret_host: str, host: str) -> bool:
    """Whether a secret may go to a host; a secret without a host goes to any."""
    return not secret_host or secret_host == host or (":" not in secret_host and secret_host == host.partition(":")[0])
