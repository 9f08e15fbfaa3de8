"""Firewall rules that block one bridge's containers from private networks, metadata services and the host.

The rules are iptables' own, in a chain per purpose. Docker evaluates ``DOCKER-USER`` before its own rules and never
empties it (https://docs.docker.com/engine/network/packet-filtering-firewalls/); ``INPUT`` filters traffic to the host.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from generator.resources import data_folder
from generator.shared.errors import EngineMissingError, UsageError
from generator.subprocesses.commands import Finished

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Execute = Callable[[tuple[str, ...]], Finished]
"""A function that runs a command on the machine of the engine's bridges."""

_IPV4 = tuple(
    ipaddress.IPv4Network(one)
    for one in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared address space (RFC 6598), with a metadata service at 100.100.100.200
        "127.0.0.0/8",
        "168.63.129.16/32",  # a metadata service at a public address
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",  # with a metadata service at 192.0.0.192
        "192.168.0.0/16",
        "224.0.0.0/3",
    )
)
_NAT64 = int(ipaddress.IPv6Address("64:ff9b::"))
_IPV6 = (
    *(ipaddress.IPv6Network(one) for one in ("::/96", "::ffff:0.0.0.0/96", "64:ff9b:1::/48", "2001::/32", "2002::/16")),
    *(ipaddress.IPv6Network((_NAT64 | int(one.network_address), 96 + one.prefixlen)) for one in _IPV4),
    *(ipaddress.IPv6Network(one) for one in ("fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8")),
)
"""Private networks, and networks that embed an IPv4 address; ``fd00:ec2::254`` is a metadata service."""
_NEIGHBORS = (133, 135, 136)
"""ICMPv6 types that address resolution needs: router solicitation, neighbor solicitation and advertisement."""
_ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Wall:
    """The rules for one bridge, in a chain of their own; ``allowed`` networks are reachable although private."""

    chain: str
    bridge: str
    allowed: tuple[Network, ...] = ()

    def rules(self, version: int, resolvers: Iterable[str] = ()) -> list[str]:
        """Return the chain's rules as ``iptables -S`` prints them; ``resolvers`` are reachable for DNS alone."""
        reject = f"-j REJECT --reject-with {'icmp-admin-prohibited' if version == 4 else 'icmp6-adm-prohibited'}"
        networks = [ipaddress.ip_network(one) for one in resolvers]
        matches = [
            ("-m conntrack --ctstate RELATED,ESTABLISHED --ctdir REPLY", "-j RETURN"),
            *((f"-p ipv6-icmp -m icmp6 --icmpv6-type {kind}", "-j RETURN") for kind in _NEIGHBORS if version == 6),
            *(
                (f"-d {one} -p {protocol} -m {protocol} --dport 53", "-j RETURN")
                for one in networks
                if one.version == version
                for protocol in ("udp", "tcp")
            ),
            *((f"-d {one}", "-j RETURN") for one in self.allowed if one.version == version),
            *((f"-d {one}", reject) for one in (_IPV4 if version == 4 else _IPV6)),
            ("-m addrtype --dst-type LOCAL", reject),
        ]
        return [f"-A {self.chain} {match} {target}" for match, target in matches]


def build_wall(wall: Wall, execute: Execute) -> None:
    """Put a wall in force if it is not yet; it is never out of force meanwhile.

    Raises:
        EngineMissingError: the firewall rules cannot be read or set.
    """
    done = None
    for _ in range(_ATTEMPTS):  # another process may change the rules between reading and setting
        done = execute(_walls_command("read"))
        if done.code != 0:
            break
        ipv4, ipv6, resolvers = _parse_sections(done.stdout)
        changes = changes_for(wall, ipv4, resolvers), changes_for(wall, ipv6, resolvers, version=6) if ipv6 else ""
        if not any(changes):
            return
        done = execute(_walls_command("set", *changes))
        if done.code == 0:
            return
    cause = (done.stderr.strip() or f"exit code {done.code}") if done else ""
    raise EngineMissingError(f"firewall rules for containers: cannot be set: {cause}")


def remove_wall(chain: str, execute: Execute) -> None:
    """Remove a wall and its chain, if present."""
    done = execute(_walls_command("read"))
    ipv4, ipv6, _ = _parse_sections(done.stdout)
    execute(_walls_command("set", _removal_rules(chain, ipv4), _removal_rules(chain, ipv6)))


def changes_for(wall: Wall, present: list[str], resolvers: Iterable[str], *, version: int = 4) -> str:
    """Return the input of iptables-restore that puts a wall in force; empty if it is in force already.

    ``present`` are the lines of ``iptables -S``.
    """
    rules = wall.rules(version, resolvers)
    hooks = ("INPUT", "DOCKER-USER" if "-N DOCKER-USER" in present else "FORWARD")
    jumps = [f"-A {hook} -i {wall.bridge} -j {wall.chain}" for hook in hooks]
    found = [line for line in present if line.endswith(f" -j {wall.chain}")]
    own = [_normalize(line) for line in present if line.startswith(f"-A {wall.chain} ")]
    has_rules = own == [_normalize(rule) for rule in rules]
    if has_rules and sorted(found) == sorted(jumps) and all(_is_ahead(jump, present) for jump in jumps):
        return ""
    lines = [
        *("*filter", f":{wall.chain} - [0:0]"),
        *rules,
        *(line.replace("-A ", "-D ", 1) for line in found),
        *(f"-I {hook} 1 -i {wall.bridge} -j {wall.chain}" for hook in hooks),
        "COMMIT\n",
    ]
    return "\n".join(lines)


def _normalize(rule: str) -> str:
    """Write the network of a rule as Python does, because Python versions format embedded IPv4 differently."""
    return re.sub(r"(?<= -d )\S+", lambda found: str(ipaddress.ip_network(found[0])), rule)


def _is_ahead(jump: str, present: list[str]) -> bool:
    """Check whether only other walls precede a jump in its chain."""
    hook = " ".join(jump.split()[:2])
    lines = [line for line in present if line.startswith(f"{hook} ")]
    return all(re.search(r" -j PACKMILL-\w+$", line) for line in lines[: lines.index(jump)])


def _removal_rules(chain: str, present: list[str]) -> str:
    if f"-N {chain}" not in present:
        return ""
    jumps = [line.replace("-A ", "-D ", 1) for line in present if line.endswith(f" -j {chain}")]
    return "\n".join(["*filter", *jumps, f"-F {chain}", f"-X {chain}", "COMMIT\n"])


def _walls_command(*words: str) -> tuple[str, ...]:
    text = (data_folder("templates") / "network" / "walls.sh").read_text(encoding="utf-8")
    return ("sh", "-c", text, "walls.sh", *words)


def _parse_sections(text: str) -> tuple[list[str], list[str], list[str]]:
    """Return the IPv4 rules, the IPv6 rules, and the name servers that are not at a loopback address."""
    ipv4, ipv6, servers = (part.strip().splitlines() for part in re.split(r"^== .*\n", text, flags=re.MULTILINE)[1:])
    named = re.findall(r"^nameserver\s+([\da-fA-F.:]+)", "\n".join(servers), re.MULTILINE)
    addresses = {ipaddress.ip_address(one) for one in named if _is_address(one)}
    return ipv4, ipv6, sorted(str(one) for one in addresses if not one.is_loopback)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_rejected(host: str, allowed: Iterable[Network]) -> bool:
    """Check whether a wall blocks a host: it is unknown, or one of its addresses is private."""
    try:
        addresses = [one.network_address for one in _networks(host, host)]
    except UsageError:
        return True
    passed = tuple(allowed)
    return any(_is_in(one, (*_IPV4, *_IPV6)) and not _is_in(one, passed) for one in addresses)


def _is_in(address: ipaddress.IPv4Address | ipaddress.IPv6Address, networks: Iterable[Network]) -> bool:
    return any(address in one for one in networks if one.version == address.version)


def networks_of(names: Iterable[str], *, variable: str) -> tuple[Network, ...]:
    """Return the networks of these addresses, networks and host names.

    Raises:
        UsageError: a name is neither a network nor a known host.
    """
    found = {network for name in names for network in _networks(name, variable)}
    return tuple(sorted(found, key=lambda one: (one.version, one)))


def _networks(name: str, variable: str) -> list[Network]:
    try:
        return [ipaddress.ip_network(name, strict=False)]
    except ValueError:
        pass
    try:
        addresses = {str(entry[4][0]).partition("%")[0] for entry in socket.getaddrinfo(name, None)}
    except (OSError, UnicodeError):
        raise UsageError(f"{variable}: {name!r} is neither a network nor a known host; give e.g. 10.0.0.0/8") from None
    return [ipaddress.ip_network(one) for one in addresses]
