"""Which addresses of the network this server may send to: public ones, and those the operator allows.

`ipaddress` alone is not enough: to it `64:ff9b::7f00:1` and `2002:7f00:1::`, which are 127.0.0.1 in other clothes, are
global, and so are `fec0::1`, `224.0.0.1` and a cloud's inner address.
"""

import ipaddress
from collections.abc import Iterator, Sequence

from productfruits.config import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: IPv6 that is routed at all (https://www.iana.org/assignments/ipv6-address-space).
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
#: Interface ids of ISATAP (RFC 5214), which carry an IPv4 address in their last four bytes.
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)
#: On top of what `ipaddress` calls private, reserved or multicast.
_NEVER: tuple[Network, ...] = (
    ipaddress.IPv4Network("0.0.0.0/8"),
    ipaddress.IPv4Network("100.64.0.0/10"),  # behind the provider's NAT
    ipaddress.IPv4Network("168.63.129.16/32"),  # public by number, inside by use: the host of a cloud's machine
    ipaddress.IPv4Network("192.0.0.0/24"),
    ipaddress.IPv4Network("192.88.99.0/24"),  # relays of 6to4, long gone
    ipaddress.IPv4Network("198.18.0.0/15"),
    ipaddress.IPv4Network("224.0.0.0/3"),  # multicast, reserved, broadcast
    ipaddress.IPv6Network("2001:2::/48"),
    ipaddress.IPv6Network("2001:10::/28"),
    ipaddress.IPv6Network("2001:20::/28"),
    ipaddress.IPv6Network("2001:db8::/32"),
    ipaddress.IPv6Network("3fff::/20"),
)


def may_send_to(address: str, allow: Sequence[Network]) -> bool:
    """True for a public address, and for one in a network that the operator allows. False for what is no address."""
    try:
        given = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(_is_public(meant) or _is_in(meant, allow) for meant in _meant(given))


def _meant(address: Address) -> Iterator[Address]:
    """The addresses that packets sent to this one may reach: what is wrapped in it, else itself."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
    elif address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    elif address.sixtofour is not None:
        yield address.sixtofour
    elif address.teredo is not None:
        yield from address.teredo
    elif address in _NAT64 or int(address) >> 32 & 0xFFFF_FFFF in _ISATAP:
        yield ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    else:
        yield address


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not address.is_multicast and not _is_in(address, _NEVER)


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
