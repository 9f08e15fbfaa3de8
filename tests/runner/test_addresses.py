"""Addresses of notebooks, as messages and ``result.json`` show them."""

from __future__ import annotations

import pytest

from generator.runner.standalone.addresses import redact_address


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://user:p@ss@example.org/x.ipynb", "https://example.org/x.ipynb"),
        ("https://user:p/ss@example.org/x.ipynb", "https://example.org/x.ipynb"),
        ("https://user:p?ss@example.org/x.ipynb", "https://example.org/x.ipynb"),
        ("https://user:p ss@example.org/x.ipynb", "https://example.org/x.ipynb"),
        ("https://example.org/x.ipynb?sig=a b", "https://example.org/x.ipynb?…"),
        ("https://example.org/a@b.ipynb", "https://example.org/a@b.ipynb"),
        ("s3://bucket/x.ipynb", "s3://bucket/x.ipynb"),
        ("my notebook.ipynb", "my notebook.ipynb"),
    ],
)
def test_no_part_of_a_password_in_an_address_is_shown(address: str, shown: str) -> None:
    assert redact_address(address) == shown
