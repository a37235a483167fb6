"""A segment where there is no IPv4 beneath the overlay.

    guest --- eth1 alpha ----- IPv6 ----- beta, gamma
"""
import json
import socket

import pytest

from frames import Wire
from lan import wait_for
from segment import Guest, floods

SEGMENT, VNI = "lan0", 100
MANY = 10  # pings
ETH_P_ARP, ETH_P_IPV6, SOLICITATION = b"\x08\x06", b"\x86\xdd", 135


def asked(wire):
    """The addresses that somebody asked for, by ARP or neighbour discovery."""
    frames = wire.frames()
    arp = {socket.inet_ntop(socket.AF_INET, frame[38:42]) for frame in frames if frame[12:14] == ETH_P_ARP}
    return arp | {socket.inet_ntop(socket.AF_INET6, frame[62:78]) for frame in frames
                  if frame[12:14] == ETH_P_IPV6 and frame[54:55] == bytes([SOLICITATION])}


def known(node):
    """The addresses that its bridge answers for."""
    entries = json.loads(node.host.output("ip", "-json", "neighbour", "show", "dev", SEGMENT))
    return {entry["dst"] for entry in entries if "extern_learn" in entry}


@pytest.mark.anywhere
def test_hosts_reach_each_other_and_are_answered_for_over_an_ipv6_underlay(world):
    lan, nodes = world.lan(), []
    for name in ("alpha", "beta", "gamma"):
        host = world.host(name)
        host.underlay = lan.attach(host, prefix4=None)
        nodes.append(world.node(host))
        nodes[-1].start()
    alpha, beta, gamma = nodes
    alpha.init()
    for node in (beta, gamma):
        node.join(alpha.invite())
    guest = Guest(alpha.host, "guest", "10.9.0.9/24")
    guest.run("ip", "address", "add", "fd09::9/64", "dev", "eth0", "nodad")
    alpha.do("l2", "create", SEGMENT, "--vni", VNI)
    for number, node in enumerate(nodes, 1):
        wait_for(lambda node=node: node.json("l2", "list")["segments"], 3, f"{node.name} knows the segment")
        ports = ["--port=tap0"] if node is alpha else []
        node.do("l2", "attach", SEGMENT, f"--address=10.9.0.{number}/24", f"--address=fd09::{number}/64", *ports)
    wait_for(lambda: len(floods(alpha.host, VNI)) == 2, 3, "alpha has both in its list")
    wait_for(lambda: {"10.9.0.2", "fd09::2"} <= known(alpha), 5, "alpha answers for beta")
    wire = Wire(gamma.host, f"vx{VNI}")
    for address in ("10.9.0.2", "fd09::2"):
        wait_for(lambda address=address: guest.run("ping", "-n", "-c1", "-W1", address, check=False).returncode == 0, 3,
                 f"the guest reaches {address}")
        for _ in range(MANY):  # it asks for the address each time
            guest.run("ip", "neighbour", "flush", "dev", "eth0")
            guest.run("ping", "-n", "-c1", address)
    guest.run("ping", "-n", "-c1", "-W0.2", "10.9.0.99", check=False)
    wait_for(lambda: "10.9.0.99" in asked(wire), 3, "gamma hears of whom nobody knows")
    assert not asked(wire) & {"10.9.0.2", "fd09::2"}
    wire.close()
    guest.close()


def carried_by(node):
    """The family that the segment's own frames travel by, 4 or 6; None while its device is made anew."""
    found = node.host.run("ip", "-json", "-d", "link", "show", f"vx{VNI}", check=False).stdout
    return (6 if "local6" in json.loads(found)[0]["linkinfo"]["info_data"] else 4) if found else None


def mtu_of(node):
    return next(one["mtu"] for one in node.json("l2", "list")["segments"] if one["name"] == SEGMENT)


@pytest.mark.anywhere
def test_a_segment_is_carried_by_ipv6_while_a_member_of_it_has_no_ipv4_address(world):
    """An admin gives beta's address to gamma while beta, which would take another, does not run."""
    _, alpha, beta, gamma = world.nodes_on_lan("alpha", "beta", "gamma")
    for node in (alpha, beta, gamma):
        node.start()
    alpha.init()
    beta.join(alpha.invite())
    alpha.do("l2", "create", SEGMENT, "--vni", VNI)

    def attach(number, node):
        wait_for(lambda: node.json("l2", "list")["segments"], 3, f"{node.name} knows the segment")
        node.do("l2", "attach", SEGMENT, f"--address=10.9.0.{number}/24", f"--address=fd09::{number}/64")

    def reach(numbers, node):
        for address in [form % number for number in numbers for form in ("10.9.0.%d", "fd09::%d")]:
            wait_for(lambda address=address: node.host.can_ping(address), 5, f"{node.name} reaches {address}")

    attach(1, alpha)
    attach(2, beta)
    reach([2], alpha)
    assert carried_by(alpha) == carried_by(beta) == 4
    taken = beta.addresses()[1]
    beta.stop()
    gamma.join(alpha.invite("--address", taken))
    assert gamma.addresses()[1] == taken
    attach(3, gamma)
    wait_for(lambda: carried_by(alpha) == carried_by(gamma) == 6, 5, "alpha and gamma use IPv6")
    reach([3], alpha)
    reach([1], gamma)
    assert mtu_of(alpha) == mtu_of(gamma) == 1350
    guest = Guest(alpha.host, "guest", "10.9.0.9/24")
    alpha.do("l2", "attach", SEGMENT, "--address=10.9.0.1/24", "--address=fd09::1/64", "--port=tap0")
    wait_for(lambda: guest.run("ping", "-n", "-c1", "-W1", "10.9.0.3", check=False).returncode == 0, 5, "a host behind a port, too")
    guest.close()
    beta.start()
    wait_for(lambda: taken not in beta.addresses() and len(beta.addresses()) == 2, 10, "beta has another address")
    wait_for(lambda: {carried_by(node) for node in (alpha, beta, gamma)} == {4}, 12, "all of them use IPv4 again")
    reach([2, 3], alpha)
    reach([3], beta)
