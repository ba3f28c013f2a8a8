"""Which addresses the service must not talk to, by an explicit table.

`ipaddress.is_global` is not such a table: Python 3.11 lets through NAT64 of 169.254.169.254, 6to4, multicast, site-local
and more. Here IPv4 is public unless listed, and IPv6 is forbidden unless it is global unicast and not listed. The
guard looks at addresses and never at names, so an odd spelling (`2130706433`, `0x7f.1`, full-width digits) is decided
by what the resolver makes of it, and the connection then goes to that address and to no other.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

_Network: TypeAlias = IPv4Network | IPv6Network

# The credentials of the machine are behind these, so they stay forbidden whatever an operator allows.
_METADATA = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",  # AWS, Azure, GCP and most others
            "169.254.170.2",  # AWS ECS task credentials
            "169.254.170.23",  # AWS EKS pod identity
            "168.63.129.16",  # Azure host agent, a public address
            "fd00:ec2::254",  # AWS
            "fd00:ec2::23",  # AWS EKS pod identity
            "fd20:ce::254",  # GCP
        ),
    )
)


def _table(*rows: tuple[str, str]) -> tuple[tuple[_Network, str], ...]:
    return tuple((ip_network(network), reason) for network, reason in rows)


_NEVER = _table(
    ("0.0.0.0/8", "this network"),
    ("100.64.0.0/10", "carrier-grade NAT"),
    ("192.0.0.0/24", "protocol assignments"),
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", "6to4 relay"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("255.255.255.255/32", "broadcast"),
    ("240.0.0.0/4", "reserved"),
    ("::/128", "unspecified"),
    ("64:ff9b:1::/48", "local-use NAT64"),
    ("100::/64", "discard"),
    ("2001::/32", "Teredo"),
    ("2001:2::/48", "benchmarking"),
    ("2001:10::/28", "ORCHID"),
    ("2001:20::/28", "ORCHIDv2"),
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "6to4"),
    ("3fff::/20", "documentation"),
    ("5f00::/16", "segment routing"),
    ("fec0::/10", "site-local"),
    ("ff00::/8", "multicast"),
)
_UNLESS_ALLOWED = _table(
    ("10.0.0.0/8", "private"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.168.0.0/16", "private"),
    ("::1/128", "loopback"),
    ("fc00::/7", "unique local"),
    ("fe80::/10", "link-local"),
)
# Anything outside these is either listed above or not given to anybody yet.
_SIX_COMPATIBLE = ip_network("::/96")
_SIX_NAT64 = ip_network("64:ff9b::/96")
_SIX_GLOBAL = ip_network("2000::/3")


def forbidden(ip: str, *, allow_private: bool = False) -> str | None:
    """Give the reason why this address must not be connected to, or None.

    Args:
        ip: An address as the resolver gave it. What does not read as one is forbidden, and so is one with a zone.
        allow_private: Lets loopback, private and link-local through, for development. Metadata services, multicast
            and the unspecified addresses stay forbidden.
    """
    try:
        address = ip_address(ip)
    except ValueError:
        return "not an address"
    if isinstance(address, IPv4Address):
        return _forbidden_four(address, allow_private=allow_private)
    if address.scope_id is not None:
        return "zoned"
    if address.ipv4_mapped is not None:
        return _forbidden_four(address.ipv4_mapped, allow_private=allow_private)
    return _forbidden_six(address, allow_private=allow_private)


def _forbidden_four(address: IPv4Address, *, allow_private: bool) -> str | None:
    if address in _METADATA:
        return "metadata service"
    return _listed(address, _NEVER) or (None if allow_private else _listed(address, _UNLESS_ALLOWED))


def _forbidden_six(address: IPv6Address, *, allow_private: bool) -> str | None:
    if address in _METADATA:
        return "metadata service"
    if address in _SIX_NAT64:
        # A translator turns it into the IPv4 address inside; there is no honest reason for that one to be private.
        return _forbidden_four(IPv4Address(int(address) & 0xFFFF_FFFF), allow_private=False)
    reason = _listed(address, _NEVER)
    if reason is not None:
        return reason
    private = _listed(address, _UNLESS_ALLOWED)
    if private is not None:
        return None if allow_private else private
    if address in _SIX_COMPATIBLE:
        return "IPv4-compatible"
    return None if address in _SIX_GLOBAL else "not global unicast"


def _listed(address: IPv4Address | IPv6Address, table: Iterable[tuple[_Network, str]]) -> str | None:
    return next((reason for network, reason in table if address in network), None)
