"""Timeouts of connections to PostgreSQL, for both services: a machine that vanished must not hold locks for hours.

Sources: PostgreSQL's documentation, "Parameter Key Words" of libpq and "Connection Settings" of the server.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

_CLIENT: Mapping[str, int] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
"""libpq closes a connection to a server that vanished after half a minute."""
server_timeouts = """
SELECT set_config(name, timeout.value, false)
FROM pg_settings JOIN (VALUES
    ('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3'),
    ('tcp_user_timeout', '25000'), ('idle_in_transaction_session_timeout', '60000'), ('lock_timeout', '60000')
) AS timeout (name, value) USING (name)
WHERE source = 'default'
"""
"""Has the server close a connection to a client that vanished, and with it the locks, before others stop waiting.

It sets nothing that the operator set, in the server, for the database or the user, or in ``options`` of the URL.
"""


def client_timeouts(given: Collection[str]) -> dict[str, int]:
    """Return libpq's parameters for a connection, except for those that the operator has given."""
    return {name: value for name, value in _CLIENT.items() if name not in given}
