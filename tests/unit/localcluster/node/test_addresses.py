"""Where pods listen: the fixed bijection, the mapping of port mode, and the claim of a range."""

import socket

import pytest

from shipway.localcluster.node.addresses import AddressBook, default_mode, loopback_of, ranges_in_use

loopback_only = pytest.mark.skipif(default_mode() != "loopback", reason="this system cannot bind all of 127/8")


@pytest.mark.parametrize(
    ("ip", "local"),
    [("10.244.3.7", "127.244.3.7"), ("10.96.0.1", "127.96.0.1"), ("10.1.2.3", "10.1.2.3"), ("127.0.0.1", "127.0.0.1")],
)
def test_the_bijection(ip, local):
    assert loopback_of(ip) == local


@loopback_only
def test_loopback_mode_needs_no_memory():
    assert AddressBook("loopback").bind("10.244.3.7", 8080) == ("127.244.3.7", 8080)
    assert AddressBook("loopback").resolve("10.244.3.7", 8080) == ("127.244.3.7", 8080)


def test_port_mode_remembers_and_forgets():
    book = AddressBook("ports")
    here = book.bind("10.244.3.7", 8080)
    assert here[0] == "127.0.0.1"
    assert book.bind("10.244.3.7", 8080) == here == book.resolve("10.244.3.7", 8080)
    assert book.bind("10.244.3.7", 8081) != here
    book.forget("10.244.3.7")
    assert book.resolve("10.244.3.7", 8080) is None
    assert book.resolve("127.0.0.1", 9000) == ("127.0.0.1", 9000)


@loopback_only
def test_two_clusters_on_one_machine_get_two_ranges():
    first, second = AddressBook("loopback"), AddressBook("loopback")
    one = first.claim_range()
    two = second.claim_range(preferred=one.number)
    assert one.number != two.number
    first.release_range(one)
    again = first.claim_range(preferred=one.number)
    assert again.number == one.number
    for book, claimed in ((first, again), (second, two)):
        book.release_range(claimed)


@loopback_only
def test_a_port_that_may_not_be_bound_is_moved_up():
    book = AddressBook("loopback")
    with socket.socket() as probe:
        try:
            probe.bind(("127.244.250.9", 81))
            expected = 81
        except PermissionError:
            expected = 8081
    assert book.bind("10.244.250.9", 81) == ("127.244.250.9", expected) == book.resolve("10.244.250.9", 81)


@loopback_only
def test_a_range_in_which_a_crashed_node_has_left_processes_is_only_its_own():
    with socket.create_server(("127.244.201.9", 0)):
        assert 201 in ranges_in_use()
        other = AddressBook("loopback").claim_range(201)
        assert other.number != 201
        other.release()
        ours = AddressBook("loopback").claim_range(201, is_ours=True)
        assert ours.number == 201
        ours.release()
