"""Which addresses may be sent to."""

import ipaddress

import pytest

from productfruits.outgoing.addresses import may_send_to


@pytest.mark.parametrize(
    "address",
    [
        *(
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.8.9.1",
            "169.254.169.254",
        ),
        *("168.63.129.16", "172.16.0.1", "192.0.0.9", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1"),
        *("198.18.0.1", "203.0.113.5", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1"),
        *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1"),
        *("2001:0:7f00:1::", "2001:0:4136:e378:8000:63bf:80ff:fffe", "2001:db8::1", "3fff::1", "100::1"),
        *("fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2600::5efe:7f00:1"),
        *("", "localhost", "127.1", "1.2.3.4.5", "[::1]"),
    ],
)
def test_an_inner_address_is_refused_in_every_spelling(address: str) -> None:
    assert not may_send_to(address, ())


@pytest.mark.parametrize(
    "address",
    ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "::ffff:93.184.216.34", "64:ff9b::5db8:d822", "2002:5db8:d822::1"],
)
def test_a_public_address_may_be_sent_to(address: str) -> None:
    assert may_send_to(address, ())


def test_the_operator_allows_networks_in_every_spelling_of_their_addresses() -> None:
    allow = (ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00:1::/32"))
    assert may_send_to("10.1.2.3", allow)
    assert may_send_to("::ffff:10.1.2.3", allow)
    assert may_send_to("fd00:1::5", allow)
    assert not may_send_to("10.2.0.1", allow)
    assert not may_send_to("fd00:2::5", allow)
