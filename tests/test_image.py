"""What an environment may say of itself, and what is told of addresses."""

from __future__ import annotations

import pytest

from generator.image import Facts, read_facts, runner_key
from generator.repository import redacted


def test_facts_are_read_from_what_the_probe_prints() -> None:
    printed = "runner /usr/local/bin/python3 cpython-312 x86_64 glibc-2.36\nkernel python3 cpython-312\n"

    assert read_facts(printed) == Facts(
        runner_python="/usr/local/bin/python3",
        runner_version="cpython-312",
        machine="x86_64",
        libc="glibc-2.36",
        kernel_python="python3",
        kernel_version="cpython-312",
    )


@pytest.mark.parametrize(
    "printed",
    [
        "",
        "runner\nkernel\n",
        'runner /usr/bin/python3";id;" cpython-312 x86_64 glibc-2.36\nkernel "$(id)" cpython-312\n',
        "runner python3 cpython-312 x86_64 glibc-2.36\n",
        "runner /bin/python3 `id` x86_64 glibc-2.36\nkernel sh cpython-312\n",
    ],
)
def test_what_could_mean_something_to_a_shell_is_no_fact(printed: str) -> None:
    assert read_facts(printed) == Facts()


def test_a_runner_belongs_to_whose_programs_made_it() -> None:
    assert runner_key(Facts(), made_in="base sha256:0") != runner_key(Facts(), made_in="base sha256:1")


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("https://ada:sesame@example.org/a@v1", "https://example.org/a@v1"),
        ("https://ada:ses/ame@example.org/a", "https://example.org/a"),
        ("https://ada:12@34/sesame@example.org/a", "https://example.org/a"),
        ("https://ada:1234/sesame@example.org/a", "https://example.org/a"),
        ("https://cdn.example.org/gh/a/b@v1/environment.yml", "https://cdn.example.org/gh/a/b@v1/environment.yml"),
        ("https://example.org:8443/a@b?token=sesame#x", "https://example.org:8443/a@b?#x"),
    ],
)
def test_what_may_be_secret_in_an_address_is_cut_out_and_nothing_else(address: str, told: str) -> None:
    assert redacted(address) == told
