"""Overlay addresses: prefixes that the host has a way to already, and addresses that invites pin."""
import ipaddress

import pytest

from lan import wait_for
from mesh import BACKEND, Refused, all_ping

daemon_only = pytest.mark.skipif(BACKEND != "userspace", reason="has nothing to do with the data plane")


def warned(node, text):
    return any(text in warning for warning in node.status()["warnings"])


@daemon_only
def test_a_prefix_that_the_host_has_a_route_to_is_refused_at_init(world):
    _, alpha = world.nodes_on_lan("alpha")
    alpha.host.run("ip", "route", "add", "10.55.3.0/24", "dev", "eth0")
    alpha.start()
    with pytest.raises(Refused) as refused:
        alpha.init("--prefix4", "10.55.0.0/16")
    assert refused.value.status == 1
    assert "10.55.3.0/24 over eth0" in refused.value.text and "--prefix4" in refused.value.text
    with pytest.raises(Refused) as refused:
        alpha.init("--prefix6", "2001:db8::/48")
    assert "--prefix6" in refused.value.text
    assert alpha.status()["state"] == "unjoined"
    # What leads nowhere in particular, or nowhere at all, is no other way.
    for route in (["default", "dev", "eth0"], ["0.0.0.0/1", "dev", "eth0"], ["128.0.0.0/1", "dev", "eth0"],
                  ["blackhole", "10.0.0.0/8"]):
        alpha.host.run("ip", "route", "add", *route)
    alpha.init("--prefix4", "10.56.0.0/16")
    assert not warned(alpha, "overlaps")


@pytest.mark.anywhere
def test_a_new_mesh_takes_no_prefix_that_the_host_has_a_route_to(world):
    _, alpha = world.nodes_on_lan("alpha")
    alpha.host.run("ip", "route", "add", "100.64.0.0/11", "dev", "eth0")
    alpha.start()
    alpha.init()
    assert ipaddress.ip_network(alpha.status()["mesh"]["prefix4"]).subnet_of(ipaddress.ip_network("100.96.0.0/11"))


@pytest.mark.anywhere
def test_a_prefix_that_the_host_has_a_route_to_is_warned_about_at_join(world):
    _, alpha, beta = world.nodes_on_lan("alpha", "beta")
    beta.host.run("ip", "route", "add", "10.56.200.0/24", "dev", "eth0")
    alpha.start()
    beta.start()
    alpha.init("--prefix4", "10.56.0.0/16")
    answer = beta.json("join", "-", input=alpha.invite())
    assert any("10.56.200.0/24 over eth0" in warning for warning in answer["warnings"])
    assert warned(beta, "10.56.200.0/24 over eth0")
    assert not warned(alpha, "overlaps")
    all_ping(alpha, beta)
    beta.host.run("ip", "route", "delete", "10.56.200.0/24")
    wait_for(lambda: not warned(beta, "overlaps"), 15, "the warning goes with the route")


@pytest.mark.anywhere
def test_an_address_that_an_invite_pins_is_the_nodes(world):
    _, alpha, beta, gamma = world.nodes_on_lan("alpha", "beta", "gamma")
    for node in (alpha, beta, gamma):
        node.start()
    alpha.init("--prefix4", "10.56.0.0/16")
    prefix6 = ipaddress.ip_network(alpha.status()["mesh"]["prefix6"])
    pinned6 = str(prefix6[0x77])
    beta.join(alpha.invite("--address", "10.56.0.77", "--address", pinned6))
    gamma.join(alpha.invite())
    assert beta.addresses() == [pinned6, "10.56.0.77"]
    wait_for(lambda: gamma.sees(alpha, beta) and alpha.sees(beta, gamma), 15, "they see each other")
    assert sorted(gamma.members()["beta"]["addresses"]) == sorted([f"{pinned6}/128", "10.56.0.77/32"])
    all_ping(alpha, beta, gamma)
    beta.restart()
    assert beta.addresses() == [pinned6, "10.56.0.77"]
    with pytest.raises(Refused) as refused:
        alpha.invite("--address", "10.57.0.1")
    assert refused.value.status in (1, 2)
