"""Who may do what for whom, by the scopes that JupyterHub gives to people, services and tokens.

``custom:packmill:run!user=ada`` is the right to run Ada's notebooks. Without a filter, a scope of a person is for this
person's own home, because roles are usually shared; a scope of a service, which has no home, is for all users.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal

from jupyterhub.services.auth import check_scopes

Action = Literal["read", "run"]
prefix = "custom:packmill:"
all_users = f"{prefix}admin"
"""The scope by which a person, too, may do everything for all users."""
metrics_scope = "read:metrics"
_GROUP = "!group="
_GRANTING: dict[Action, tuple[str, ...]] = {"read": (f"{prefix}read", f"{prefix}run"), "run": (f"{prefix}run",)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """A person or a service, as JupyterHub knows the token of a request."""

    name: str
    kind: str
    """``user`` or ``service``: a service may have the name of a user."""
    scopes: frozenset[str] = field(default_factory=frozenset)

    @property
    def key(self) -> str:
        """The caller's name in limits."""
        return f"{self.kind}:{self.name}"

    def is_user(self, name: str) -> bool:
        """Whether the caller is the person of this name."""
        return self.kind == "user" and self.name == name

    def has(self, scopes: Collection[str]) -> bool:
        """Whether the caller has one of these scopes."""
        own = {one for one in self.scopes if _GROUP not in one}  # whose members this service does not know
        return bool(check_scopes(set(scopes), own))

    def may(self, action: Action, username: str) -> bool:
        """Whether the caller may do something in the home of a user."""
        if self.has([f"{all_users}!user={username}"]):
            return True
        filtered = {f"{scope}!user={username}" for scope in _GRANTING[action]}
        if self.kind == "service" or self.is_user(username):
            return self.has(filtered)
        return bool(filtered & self.scopes)


def read_caller(model: Any) -> Caller:
    """Return the caller that JupyterHub describes (``GET /hub/api/user``).

    Raises:
        ValueError: the description has another form; a name or a scope must not be guessed from it.
    """
    if not isinstance(model, dict):
        raise ValueError("the description of the caller is not an object")  # noqa: TRY004 - of a document
    name, kind, scopes = model.get("name"), model.get("kind", ""), model.get("scopes", [])
    if not isinstance(name, str) or not name or not isinstance(kind, str):
        raise ValueError("the caller has no name or kind")
    if not isinstance(scopes, list) or not all(isinstance(one, str) for one in scopes):
        raise ValueError("the scopes of the caller are not a list of texts")
    return Caller(name=name, kind=kind, scopes=frozenset(scopes))
