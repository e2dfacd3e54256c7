"""Buckets refill with time; connections are counted by network."""

import pytest

from facewire.signaling.limits import Addresses, Bucket, Limits, is_loopback, network_of


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    bucket = Bucket(rate=2, burst=5)
    assert [bucket.take(1, 100) for _ in range(6)] == [True] * 5 + [False]
    assert [bucket.take(1, 101) for _ in range(3)] == [True, True, False]
    assert not bucket.take(6, 1000), "never more than the burst"
    assert bucket.take(5, 1000)


def test_connections_of_an_address_are_counted_until_they_leave() -> None:
    addresses = Addresses(Limits(connections_per_address=2))
    assert addresses.enter("192.0.2.1", 0)
    assert addresses.enter("192.0.2.1", 0)
    assert not addresses.enter("192.0.2.1", 0)
    assert addresses.enter("192.0.2.2", 0), "other addresses are not affected"
    addresses.leave("192.0.2.1")
    assert addresses.enter("192.0.2.1", 0)


def test_new_connections_of_an_address_are_rate_limited() -> None:
    addresses = Addresses(Limits(connects_per_address_s=1, connect_burst=2))
    came = []
    for now_s in (0, 0, 0, 1):
        came.append(addresses.enter("192.0.2.1", now_s))
        if came[-1]:
            addresses.leave("192.0.2.1")
    assert came == [True, True, False, True]


def test_addresses_without_connections_are_forgotten() -> None:
    addresses = Addresses(Limits())
    for number in range(3 * Addresses.FORGET_ABOVE):
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        assert addresses.enter(address, number)
        addresses.leave(address)
    assert len(addresses._buckets) <= Addresses.FORGET_ABOVE + 1
    assert not addresses._open


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("unix", "unix"),
    ],
)
def test_an_ipv6_network_counts_as_one_address(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.3.2.1", "::1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.com", "localhost.example.com", ""])
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)
