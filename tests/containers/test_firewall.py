"""Firewall rules as text: which addresses they cover, and when they are set again."""

from __future__ import annotations

import ipaddress
import re

import pytest

from generator.containers.firewall import Wall, changes_for, is_rejected, networks_of
from generator.request.settings import read_settings
from generator.shared.errors import UsageError

_BRIDGE = "packmill-a1b2c3"
_RESOLVER = "10.0.0.53"
_OTHER = "-A DOCKER-USER -s 192.0.2.0/24 -j RETURN"
_DOCKER = ["-P INPUT ACCEPT", "-P FORWARD DROP", "-N DOCKER-USER", "-A FORWARD -j DOCKER-USER", _OTHER]


def wall(*allowed: str) -> Wall:
    return Wall(chain="PACKMILL-STEPS", bridge=_BRIDGE, allowed=networks_of(allowed, variable="PACKMILL_NETWORK_ALLOW"))


def verdict(address: str, *allowed: str, resolvers: tuple[str, ...] = ()) -> str:
    """Return the target of the first rule for a new connection to an address, on another port than DNS."""
    one = ipaddress.ip_address(address)
    for rule in wall(*allowed).rules(one.version, resolvers):
        named = re.search(r" -d (\S+) -j (\w+)", rule)
        if named and one in ipaddress.ip_network(named[1]):
            return named[2]
    return "the engine's own rules"


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192",
        "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "127.0.0.1", "0.0.0.0",
        "224.0.0.251", "255.255.255.255",
        "fd00:ec2::254", "fd12::1", "fe80::1", "::1", "ff02::1", "fec0::1", "::ffff:10.1.2.3", "::10.1.2.3",
        "2002:a01:203::1", "64:ff9b::a9fe:a9fe", "64:ff9b::10.1.2.3", "64:ff9b:1::1",
    ],
)  # fmt: skip
def test_private_addresses_are_rejected(address: str) -> None:
    assert verdict(address) == "REJECT"
    assert verdict(address, "192.0.2.7", resolvers=(address,)) == "REJECT", "a resolver is reachable for DNS alone"


@pytest.mark.parametrize("address", ["203.0.113.10", "8.8.8.8", "172.32.0.1", "2606:4700::1", "64:ff9b::808:808"])
def test_public_addresses_are_not(address: str) -> None:
    assert verdict(address) == "the engine's own rules"


def test_what_an_operator_names_is_reachable() -> None:
    assert verdict("10.1.2.3", "10.1.0.0/16", "192.0.2.7") == "RETURN"
    assert verdict("10.2.2.3", "10.1.0.0/16", "192.0.2.7") == "REJECT"
    assert verdict("fd12::1", "fd12::/16") == "RETURN"
    with pytest.raises(UsageError, match=r"PACKMILL_NETWORK_ALLOW: 'no-such-host\.invalid'"):
        wall("no-such-host.invalid")


@pytest.mark.parametrize(
    ("host", "rejected"),
    [("10.1.2.3", False), ("10.2.2.3", True), ("127.0.0.1", True), ("203.0.113.10", False), ("nowhere.invalid", True)],
)
def test_a_registry_is_judged_as_containers_would_be(host: str, rejected: bool) -> None:
    assert is_rejected(host, wall("10.1.0.0/16").allowed) is rejected


@pytest.mark.parametrize(
    ("present", "in_force"),
    [
        (("jumps", "rules"), True),
        (("jumps", "rules", "other"), True),
        (("other", "jumps", "rules"), False),
        (("rules",), False),
        (("jumps",), False),
        (("jumps", "fewer"), False),
        (("jumps", "jumps", "rules"), False),
        ((), False),
    ],
)
def test_rules_are_set_unless_all_are_present_and_first(present: tuple[str, ...], in_force: bool) -> None:
    rules = wall().rules(4, [_RESOLVER])
    jumps = [f"-A {hook} -i {_BRIDGE} -j PACKMILL-STEPS" for hook in ("INPUT", "DOCKER-USER")]
    parts = {"jumps": jumps, "rules": rules, "fewer": rules[:-1], "other": [_OTHER]}
    lines = [*_DOCKER[:-1], *(line for part in present for line in parts[part])]

    changes = changes_for(wall(), lines, [_RESOLVER])

    assert (changes == "") is in_force
    if changes:
        assert changes.count("\n-D ") == sum(line in jumps for line in lines)
        assert [line for line in changes.splitlines() if line.startswith("-I ")] == [
            f"-I INPUT 1 -i {_BRIDGE} -j PACKMILL-STEPS",
            f"-I DOCKER-USER 1 -i {_BRIDGE} -j PACKMILL-STEPS",
        ]


def test_an_engine_without_rules_of_its_own_has_them_in_forward() -> None:
    assert f"\n-I FORWARD 1 -i {_BRIDGE} -j PACKMILL-STEPS\n" in changes_for(wall(), ["-P FORWARD ACCEPT"], [])


@pytest.mark.parametrize(
    ("environment", "walled"),
    [
        ({}, False),
        ({"PACKMILL_STAGE_GUARD": "1"}, True),
        ({"PACKMILL_STAGE_GUARD": "1", "PACKMILL_NETWORK": "open"}, False),
        ({"PACKMILL_NETWORK": "guarded"}, True),
    ],
)
def test_a_wall_is_in_force_with_the_guard_or_on_request(environment: dict[str, str], walled: bool) -> None:
    assert read_settings(environment).walled is walled


def test_an_unknown_word_is_refused() -> None:
    with pytest.raises(UsageError, match="'guarded' or 'open'"):
        read_settings({"PACKMILL_NETWORK": "closed"})
