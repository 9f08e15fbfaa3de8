"""The reason of a request that got no response."""

from __future__ import annotations

import pytest
import requests
from ports import free_port

from generator.network.sessions import failure_reason, http_session


def test_the_reason_has_no_object_of_a_library() -> None:
    with http_session(guarded=False) as session, pytest.raises(requests.ConnectionError) as caught:
        session.post(f"http://127.0.0.1:{free_port()}/hook?token=hidden", timeout=60)

    assert failure_reason(caught.value) == "Failed to establish a new connection: [Errno 111] Connection refused"


def test_an_error_of_an_older_library_has_the_same_reason() -> None:
    old = OSError("<urllib3.connection.HTTPConnection object at 0x7f00>: Failed to establish a new connection")

    assert failure_reason(old) == "Failed to establish a new connection"
