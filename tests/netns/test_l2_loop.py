"""Two members that bridge one LAN: of the two ports one is held, nothing runs round, and the LAN stays on the segment.

    alpha ===== overlay ===== beta
      | eth1                    | eth1
      +--------- site ----------+
                  |
                guest
"""
import json

import pytest

from lan import wait_for

SEGMENT = "lan0"
ROUND = 5000  # packets: a loop makes them in some 50 ms
STORM = 1_000_000  # and so many in a few seconds


def port_state(node, dev="eth1"):
    links = json.loads(node.host.output("bridge", "-json", "-details", "link", "show", "dev", dev))
    return links[0]["state"]


def sent(node):
    """Frames that went into the tunnels of the segment."""
    vni = next(segment["vni"] for segment in node.json("l2", "list")["segments"] if segment["name"] == SEGMENT)
    return int(node.host.output("cat", f"/sys/class/net/vx{vni}/statistics/tx_packets"))


def warned(node):
    return any("eth1 is held down" in warning for warning in node.status()["warnings"])


def lan_of(world, *nodes):
    """(site, guest): a LAN that all of these are plugged into, and a host on it."""
    site, guest = world.lan("site"), world.host("guest")
    for node in nodes:
        site.attach(node.host, "eth1", prefix4=None, prefix6=None)
    site.attach(guest, prefix4=None, prefix6=None)
    guest.add_address("192.168.7.9/24")
    nodes[0].do("l2", "create", SEGMENT)
    return site, guest


@pytest.fixture(name="sites")
def two_sites(world):
    """(site, guest, the member that keeps its port, the other), with the guest's LAN plugged into both."""
    _, alpha, beta = world.mesh("alpha", "beta")
    site, guest = lan_of(world, alpha, beta)
    first, second = sorted((alpha, beta), key=lambda node: node.status()["node"]["id"])
    return site, guest, first, second


def quiet(*nodes):
    """Nothing runs round: what goes into the tunnels meanwhile is what hosts say now and then."""
    before = [sent(node) for node in nodes]
    nodes[0].do("status")  # which takes as long as a loop needs to make ROUND packets
    return all(sent(node) - past < ROUND for node, past in zip(nodes, before))


def attach(node, address):
    node.do("l2", "attach", SEGMENT, "--address", address, "--port", "eth1")


def test_a_loop_is_cut_before_it_melts_anything_and_all_are_reached(sites):
    _, guest, first, second = sites
    attach(first, "192.168.7.1/24")
    wait_for(lambda: guest.can_ping("192.168.7.1"), 5, "the guest reaches the first")
    attach(second, "192.168.7.2/24")
    wait_for(lambda: port_state(second) == "disabled", 5, "the second's port is held")
    wait_for(lambda: quiet(first, second), 5, "nothing runs round")
    storm = sent(first) + sent(second)
    print(f"{storm} frames before it was cut")
    assert storm < STORM
    assert port_state(first) == "forwarding"
    wait_for(lambda: warned(second), 2, "the second warns")
    assert not warned(first)
    for address in ("192.168.7.1", "192.168.7.2"):
        wait_for(lambda: guest.can_ping(address), 5, f"the guest reaches {address}")


@pytest.mark.anywhere
def test_the_port_is_released_when_the_loop_is_gone_and_held_when_it_is_back(sites):
    site, guest, first, second = sites
    attach(second, "192.168.7.2/24")
    attach(first, "192.168.7.1/24")
    wait_for(lambda: port_state(second) == "disabled", 5, "the second's port is held")
    site.split([second.host])
    wait_for(lambda: port_state(second) == "forwarding", 20, "the port is released")
    wait_for(lambda: not warned(second), 2, "the warning goes")
    wait_for(lambda: guest.can_ping("192.168.7.2"), 5, "the guest reaches the second over the tunnel")
    site.heal(second.host)
    wait_for(lambda: port_state(second) == "disabled", 5, "the port is held again")
    wait_for(lambda: quiet(first, second), 5, "nothing runs round")


@pytest.mark.anywhere
def test_who_held_its_port_takes_over_when_the_other_goes(sites):
    _, guest, first, second = sites
    attach(first, "192.168.7.1/24")
    attach(second, "192.168.7.2/24")
    wait_for(lambda: port_state(second) == "disabled", 5, "the second's port is held")
    first.do("l2", "detach", SEGMENT)
    wait_for(lambda: port_state(second) == "forwarding", 10, "the second serves the LAN")
    wait_for(lambda: guest.can_ping("192.168.7.2"), 5, "the guest reaches it")


@pytest.mark.anywhere
def test_a_killed_daemons_successor_goes_on_holding(sites):
    _, guest, first, second = sites
    attach(first, "192.168.7.1/24")
    attach(second, "192.168.7.2/24")
    wait_for(lambda: port_state(second) == "disabled", 5, "the second's port is held")
    second.kill()
    second.start()
    wait_for(lambda: warned(second), 5, "it knows")
    wait_for(lambda: quiet(first, second), 5, "nothing runs round")
    assert port_state(second) != "forwarding"


@pytest.mark.slow
def test_with_a_spanning_tree_a_lan_is_cut_off_and_never_a_tunnel(world):
    _, alpha, beta, gamma = world.mesh("alpha", "beta", "gamma", settings={"l2.stp": "true"})
    (_, guest), nodes = lan_of(world, alpha, beta), (alpha, beta, gamma)
    for number, node in enumerate(nodes, 1):
        port = ["--port", "eth1"] if node is not gamma else []
        node.do("l2", "attach", SEGMENT, "--address", f"192.168.7.{number}/24", *port)
        node.host.run("ip", "link", "set", SEGMENT, "type", "bridge", "forward_delay", 200)
    vxlan = next(segment["interface"] for segment in alpha.json("l2", "list")["segments"])
    wait_for(lambda: sorted(port_state(node) for node in (alpha, beta)) == ["blocking", "forwarding"], 60, "one port is cut off")
    wait_for(lambda: [port_state(node, vxlan) for node in nodes] == ["forwarding"] * 3, 60, "no tunnel is")
    assert quiet(*nodes)
    for number in (1, 2, 3):
        wait_for(lambda number=number: guest.can_ping(f"192.168.7.{number}"), 10, f"the guest reaches {number}")
        for node in nodes:
            wait_for(lambda number=number, node=node: node.host.can_ping(f"192.168.7.{number}"), 10, f"{node.name} reaches {number}")
