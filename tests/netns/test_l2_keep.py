"""Segments are kept as they should be by a real daemon, and outlive it."""
import json
import os
import signal

import pytest

from lan import wait_for
from mesh import BACKEND, INTERFACE, World
from segment import Guest, floods, has_link, tunnels

SEGMENT, VNI = "lan0", 100
VXLAN = f"vx{VNI}"
FOLLOW_S = 3

userspace_only = pytest.mark.skipif(BACKEND != "userspace", reason="is about the userspace process")


@pytest.fixture(scope="module")
def mesh(tmp_path_factory, request):
    """alpha and beta on lan0 with 10.9.0.1 and .2."""
    world = World(tmp_path_factory.mktemp("keep"))
    request.node.world = world
    try:
        _, alpha, beta = world.mesh("alpha", "beta")
        alpha.do("l2", "create", SEGMENT, "--vni", VNI)
        for number, node in enumerate((alpha, beta), 1):
            wait_for(lambda: listed(node), FOLLOW_S, f"{node.name} knows the segment")
            node.do("l2", "attach", SEGMENT, f"--address=10.9.0.{number}/24", f"--address=fd09::{number}/64")
        yield alpha, beta
    finally:
        wrong = world.close()
    assert not wrong, "\n".join(wrong)


def listed(node):
    return next((one for one in node.json("l2", "list")["segments"] if one["name"] == SEGMENT), None)


def is_up(node):
    return listed(node)["up"]


def settled(node, other):
    """The node knows the other's bridge by gossip, and its kernel has all of it."""
    wait_for(lambda: is_up(node) and len(tunnels(node.host, VNI)) == 1 and len(floods(node.host, VNI)) == 1, 5,
             f"{node.name} has {other.name} in its tables")


def links(node):
    """{name: index}"""
    return {link["ifname"]: link["ifindex"] for link in json.loads(node.host.output("ip", "-json", "link"))}


def warned(node, text):
    return any(text in warning for warning in node.status()["warnings"])


def test_a_daemons_end_and_beginning_lose_no_frame(mesh):
    alpha, beta = mesh
    settled(alpha, beta)
    before = links(alpha)
    traffic = alpha.traffic("10.9.0.2", rate=100)
    traffic.wait_replies(20)
    for node in (alpha, beta):
        node.restart()
        settled(node, beta if node is alpha else alpha)
        node.kill()
        traffic.wait_replies(20)
        node.start()
        settled(node, beta if node is alpha else alpha)
    traffic.wait_replies(20)
    assert traffic.stop()[1] == []
    after = links(alpha)
    assert (after[SEGMENT], after[VXLAN]) == (before[SEGMENT], before[VXLAN])


@userspace_only
def test_a_userspace_wireguard_that_dies_takes_no_device_along(mesh):
    alpha, beta = mesh
    settled(alpha, beta)
    before = links(alpha)
    for pid in alpha.host.pids("wireguard-go"):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: links(alpha).get(INTERFACE, before[INTERFACE]) != before[INTERFACE], 10, "the overlay is there again")
    wait_for(lambda: alpha.host.can_ping("10.9.0.2"), 10, "frames pass again")
    settled(alpha, beta)
    after = links(alpha)
    assert (after[SEGMENT], after[VXLAN]) == (before[SEGMENT], before[VXLAN])
    text = alpha.host.output("bridge", "fdb", "show", "dev", VXLAN)
    assert text.count(f"via {INTERFACE}") == 2, text


def test_what_others_change_is_put_back_and_nothing_else_is_touched(mesh):
    alpha, beta = mesh
    settled(alpha, beta)
    known = tunnels(alpha.host, VNI)
    mac, = known
    for command in (("bridge", "fdb", "delete", mac, "dev", VXLAN, "self"),
                    ("bridge", "fdb", "delete", "00:00:00:00:00:00", "dev", VXLAN),
                    ("ip", "neighbour", "flush", "dev", SEGMENT, "to", "10.9.0.2"),
                    ("ip", "address", "delete", "10.9.0.1/24", "dev", SEGMENT),
                    ("ip", "link", "set", VXLAN, "nomaster"),
                    ("ip", "link", "set", VXLAN, "down"),
                    ("ip", "link", "delete", VXLAN),
                    ("ip", "link", "delete", SEGMENT)):
        alpha.host.run(*command)
        wait_for(lambda: has_link(alpha.host, VXLAN) and is_up(alpha) and tunnels(alpha.host, VNI) == known
                 and len(floods(alpha.host, VNI)) == 1, FOLLOW_S, f"`{' '.join(command)}` is made good")
        wait_for(lambda: alpha.host.can_ping("10.9.0.2"), FOLLOW_S, "frames pass again")


def test_a_name_that_somebody_else_has_is_named_and_tried_again(mesh):
    alpha, beta = mesh
    settled(alpha, beta)
    alpha.stop()
    alpha.cleanup()
    assert not has_link(alpha.host, SEGMENT) and not has_link(alpha.host, VXLAN)
    alpha.host.run("ip", "link", "add", SEGMENT, "type", "bridge")
    index = links(alpha)[SEGMENT]
    alpha.start()
    wait_for(lambda: warned(alpha, f"needs the name {SEGMENT}, which a bridge interface has"), 5, "it is told why")
    assert links(alpha)[SEGMENT] == index and not has_link(alpha.host, VXLAN)
    assert not is_up(alpha)
    alpha.host.run("ip", "link", "delete", SEGMENT)
    settled(alpha, beta)
    assert not warned(alpha, "needs the name")
    wait_for(lambda: alpha.host.can_ping("10.9.0.2"), FOLLOW_S, "frames pass")


def test_a_port_is_given_back_and_others_ports_stay(mesh):
    alpha, beta = mesh
    for name in ("tap0", "vnet0"):
        alpha.host.run("ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}p")
    addresses = [f"--address={address}" for address in ("10.9.0.1/24", "fd09::1/64")]
    alpha.do("l2", "attach", SEGMENT, *addresses, "--port=tap0")
    alpha.host.run("ip", "link", "set", "vnet0", "master", SEGMENT)
    alpha.do("l2", "attach", SEGMENT, *addresses)
    masters = {link["ifname"]: link.get("master") for link in json.loads(alpha.host.output("ip", "-json", "link"))}
    assert (masters["tap0"], masters["vnet0"]) == (None, SEGMENT)
    alpha.host.run("ip", "link", "delete", "tap0")
    alpha.host.run("ip", "link", "delete", "vnet0")
    settled(alpha, beta)


def test_an_address_that_fails_over_to_a_host_elsewhere_is_followed(mesh):
    alpha, beta = mesh
    guests = []
    settled(alpha, beta)
    settled(beta, alpha)
    for number, node in enumerate((alpha, beta), 1):
        guests.append(Guest(node.host, "guest", f"10.9.0.{60 + number}/24"))
        node.do("l2", "attach", SEGMENT, f"--address=10.9.0.{number}/24", "--port=tap0")

    def answers(node, guest):
        entries = json.loads(node.host.output("ip", "-json", "neighbour", "show", "10.9.0.50", "dev", SEGMENT))
        return bool(entries) and entries[0].get("lladdr") == guest.mac

    # to and fro: neither the lower MAC nor the first one wins
    for here, there in ((0, 1), (1, 0), (0, 1)):
        guest, node, other = guests[here], (alpha, beta)[here], (alpha, beta)[there]
        guests[there].run("ip", "address", "delete", "10.9.0.50/24", "dev", "eth0", check=False)
        guest.run("ip", "address", "add", "10.9.0.50/24", "dev", "eth0")
        guest.run("ip", "neighbour", "flush", "dev", "eth0")  # so that it asks, as whoever takes an address over does
        wait_for(lambda: guest.run("ping", "-n", "-c1", "-W1", "-I", "10.9.0.50", f"10.9.0.{here + 1}", check=False)
                 .returncode == 0 and answers(node, guest), 5, f"{node.name} knows its guest")
        # who had it is asked three times, a second apart, before it is believed to have gone
        wait_for(lambda: answers(other, guest), 12, f"{other.name} follows")
        wait_for(lambda: other.host.can_ping("10.9.0.50"), FOLLOW_S, f"{other.name} reaches it")
    for number, node in enumerate((alpha, beta), 1):
        node.do("l2", "attach", SEGMENT, f"--address=10.9.0.{number}/24")
        guests[number - 1].close()


def test_leaving_takes_all_of_it_down(mesh):
    alpha, beta = mesh
    settled(beta, alpha)
    beta.do("leave")
    assert not has_link(beta.host, SEGMENT) and not has_link(beta.host, VXLAN)
    assert "meshd" not in beta.host.output("nft", "list", "tables")
    wait_for(lambda: not floods(alpha.host, VNI) and not tunnels(alpha.host, VNI), FOLLOW_S, "beta gets no more frames")
