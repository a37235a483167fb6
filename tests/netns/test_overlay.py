"""The overlay: it is there, it outlives whatever controls it, and it is put right."""
import time

import pytest

from lan import TIME_SCALE, wait_for
from mesh import BACKEND, all_ping
from overlay import kernel_traces, link, peers, ping_until, routes, wg_show

userspace_only = pytest.mark.skipif(BACKEND != "userspace", reason="is about the userspace process")


def test_three_hosts_ping_each_other_over_both_families(world):
    _, *nodes = world.mesh("alpha", "beta", "gamma")
    all_ping(*nodes)
    for node in nodes:
        assert len(peers(node)) == 2
        overlay = node.status()["wireguard"]
        assert (overlay["interface"], overlay["peers"], overlay["mtu"]) == ("mesh0", 2, 1420)
        assert overlay["backend"] == BACKEND
    member = nodes[0].members()["beta"]["wireguard"]
    assert member["endpoint"] and member["public_key"] in peers(nodes[0])


@pytest.mark.anywhere
def test_the_founder_dies_and_a_fourth_joins_with_an_older_token(world):
    lan, alpha, beta, gamma = world.mesh("alpha", "beta", "gamma")
    token = alpha.invite()
    host = world.host("delta")
    lan.attach(host)
    delta = world.node(host)
    delta.start()
    alpha.kill()
    for pid in alpha.host.pids("wireguard-go"):
        world.kill(pid)
    alpha.host.run("ip", "link", "delete", "mesh0", check=False)
    delta.join(token)
    all_ping(beta, gamma, delta)


def test_a_killed_daemon_leaves_the_tunnel_up_and_its_restart_loses_nothing(world):
    _, alpha, beta = world.mesh("alpha", "beta")
    address = alpha.addresses()[1]
    ping_until(beta, address, 5)
    ping_until(alpha, beta.addresses()[1], 5)
    index = link(alpha).split(":")[0]
    traffic = beta.traffic(address)
    traffic.wait_replies(10)
    alpha.kill()
    traffic.wait_replies(50)
    alpha.start()
    wait_for(lambda: alpha.status()["state"] == "running" and alpha.sees(beta), 10, "alpha is back in the mesh")
    traffic.wait_replies(100)
    alpha.restart()
    traffic.wait_replies(50)
    sent, lost = traffic.stop()
    assert lost == [], f"{len(lost)} of {sent} pings lost"
    assert link(alpha).split(":")[0] == index


@userspace_only
def test_a_killed_wireguard_process_is_back_within_two_seconds(world):
    _, alpha, beta = world.mesh("alpha", "beta")
    to_alpha, to_beta = alpha.addresses()[1], beta.addresses()[1]
    ping_until(alpha, to_beta, 5)
    for source, address in ((alpha, to_beta), (beta, to_alpha)):
        old = alpha.host.pids("wireguard-go")
        assert len(old) == 1
        world.kill(old[0])
        start = time.monotonic()
        wait_for(lambda: alpha.host.pids("wireguard-go") not in ([], old), 2, "another wireguard-go runs")
        ping_until(source, address, 2)
        assert time.monotonic() - start < 2 * TIME_SCALE
    assert any(event["event"] == "backend" for event in alpha.events())


def test_what_others_change_of_ours_is_put_back(world):
    _, alpha, beta = world.mesh("alpha", "beta")
    address6, address4 = alpha.addresses()
    key = beta.wg_key()
    ping_until(alpha, beta.addresses()[0], 5)
    allowed, peer_routes = wg_show(alpha, "allowed-ips"), routes(alpha)
    port = alpha.host.output("wg", "show", "mesh0", "listen-port")
    stranger = alpha.host.run("wg", "pubkey", input=alpha.host.output("wg", "genkey")).stdout.strip()
    right = {
        "addresses": lambda: {address6, address4} <= set(alpha.host.addresses("mesh0")),
        "routes": lambda: routes(alpha) == peer_routes,
        "link": lambda: "mtu 1420" in link(alpha) and "UP" in link(alpha),
        "peers": lambda: wg_show(alpha, "allowed-ips") == allowed,
        "port": lambda: alpha.host.output("wg", "show", "mesh0", "listen-port") == port,
    }
    prefix4 = next(route for route in peer_routes if "." in route)
    prefix6 = next(route for route in peer_routes if ":" in route)
    for command, what in (
            (f"wg set mesh0 peer {key} remove", "peers"),
            (f"wg set mesh0 peer {key} allowed-ips 10.99.0.0/16", "peers"),
            (f"wg set mesh0 peer {stranger} allowed-ips 10.98.0.0/16", "peers"),
            ("wg set mesh0 listen-port 4321", "port"),
            (f"ip address delete {address4}/32 dev mesh0", "addresses"),
            (f"ip address delete {address6}/128 dev mesh0", "addresses"),
            (f"ip route delete {prefix4} dev mesh0", "routes"),
            (f"ip -6 route delete {prefix6} dev mesh0", "routes"),
            ("ip link set mesh0 mtu 1300", "link"),
            ("ip link set mesh0 down", "link")):
        alpha.host.run(*command.split())
        wait_for(right[what], 2, f"after `{command}' the {what} are right again")
    wait_for(lambda: all(check() for check in right.values()), 2, "all is right")
    ping_until(alpha, beta.addresses()[0], 5)


def test_a_route_that_somebody_puts_in_the_place_of_ours_is_told_of_and_ours_is_back_after_it(world):
    _, alpha, _ = world.mesh("alpha", "beta")
    prefix4 = next(route for route in routes(alpha) if "." in route)

    def told():
        return any("cannot add route" in text and prefix4 in text for text in alpha.status()["warnings"])

    alpha.host.run("ip", "route", "replace", prefix4, "dev", "eth0")
    wait_for(told, 4, "it is warned about")
    alpha.host.run("ip", "route", "delete", prefix4, "dev", "eth0")
    wait_for(lambda: prefix4 in routes(alpha) and not told(), 8, "ours is back")


def test_a_deleted_interface_is_made_again(world):
    _, alpha, beta = world.mesh("alpha", "beta")
    address = alpha.addresses()[0]
    ping_until(beta, address, 5)
    alpha.host.run("ip", "link", "delete", "mesh0")
    ping_until(beta, address, 3)


def test_what_is_not_ours_on_our_interface_stays(world):
    _, alpha, beta = world.mesh("alpha", "beta")
    alpha.host.run("ip", "address", "add", "10.77.0.1/24", "dev", "mesh0")
    alpha.host.run("ip", "route", "add", "10.78.0.0/16", "dev", "mesh0")
    alpha.host.run("ip", "address", "delete", f"{alpha.addresses()[1]}/32", "dev", "mesh0")
    wait_for(lambda: alpha.addresses()[1] in alpha.host.addresses("mesh0"), 2, "ours is back")
    assert "10.77.0.1" in alpha.host.addresses("mesh0")
    assert "10.78.0.0/16" in routes(alpha)


def test_who_leaves_is_nobodys_peer_within_three_seconds(world):
    _, alpha, beta, gamma = world.mesh("alpha", "beta", "gamma")
    key = gamma.wg_key()
    gamma.do("leave")
    wait_for(lambda: key not in peers(alpha) | peers(beta), 3, "gamma is no peer any more")
    assert kernel_traces(gamma) == []
    assert gamma.status()["state"] == "unjoined"
    all_ping(alpha, beta)


def test_a_revoked_node_is_nobodys_peer_and_does_not_come_back(world):
    _, alpha, beta, gamma = world.mesh("alpha", "beta", "gamma")
    key, address = gamma.wg_key(), gamma.addresses()[0]
    alpha.do("revoke", "gamma")
    wait_for(lambda: key not in peers(alpha) | peers(beta), 3, "gamma is no peer any more")
    wait_for(lambda: gamma.status()["state"] == "revoked", 10, "gamma is told")
    wait_for(lambda: kernel_traces(gamma) == [], 3, "gamma's overlay is down")
    gamma.restart()
    assert gamma.status()["state"] == "revoked"
    assert kernel_traces(gamma) == []
    assert key not in peers(alpha) | peers(beta)
    assert not alpha.host.can_ping(address)


@pytest.mark.slow
def test_a_revoked_admin_is_expelled_like_anybody(world):
    _, alpha, beta = world.nodes_on_lan("alpha", "beta")
    alpha.start()
    beta.start()
    alpha.init()
    beta.join(alpha.invite("--admin"))
    wait_for(lambda: len(peers(alpha)) == 1 and beta.status()["node"]["admin"], 5, "beta is a peer and an admin")
    alpha.do("revoke", "beta")
    wait_for(lambda: peers(alpha) == set(), 3, "beta is no peer any more")
    wait_for(lambda: beta.status()["state"] == "revoked", 10, "beta is told")


@pytest.mark.slow
def test_a_node_revoked_while_it_was_down_takes_its_overlay_down(world):
    _, alpha, beta = world.mesh("alpha", "beta")
    beta.kill()
    assert link(beta)
    alpha.do("revoke", "beta")
    wait_for(lambda: peers(alpha) == set(), 3, "beta is no peer any more")
    beta.start()
    wait_for(lambda: beta.status()["state"] == "revoked", 15, "beta is told")
    wait_for(lambda: kernel_traces(beta) == [], 3, "beta's overlay is down")


def test_a_host_that_boots_alone_brings_its_overlay_up_from_its_state(world):
    _, alpha, beta, gamma = world.mesh("alpha", "beta", "gamma")
    before = sorted(alpha.addresses()), peers(alpha), routes(alpha)
    for node in (alpha, beta, gamma):
        node.stop()
    alpha.host.run("ip", "link", "delete", "mesh0")
    wait_for(lambda: kernel_traces(alpha) == [], 5, "alpha's host is as after a boot")
    alpha.start()
    wait_for(lambda: (sorted(alpha.host.addresses("mesh0")), peers(alpha), routes(alpha)) == before, 5,
             "alpha's overlay is up")
    ping_until(alpha, sorted(beta.host.addresses("mesh0"))[0], 5)


@pytest.mark.slow
def test_a_node_rejoins_where_all_others_but_one_have_moved_meanwhile(world):
    _, alpha, beta, gamma, delta = world.mesh("alpha", "beta", "gamma", "delta")
    alpha.stop()
    for number, node in enumerate((gamma, delta), 101):
        for old, new in zip(node.host.underlay, (f"192.0.2.{number}", f"2001:db8::{number}")):
            length = 64 if ":" in old else 24
            node.host.delete_address(f"{old}/{length}")
            node.host.add_address(f"{new}/{length}")
    wait_for(lambda: beta.sees(gamma, delta) and gamma.sees(delta), 30, "the others have found each other again")
    alpha.start()
    wait_for(lambda: alpha.sees(beta, gamma, delta), 20, "alpha sees everybody")
    for other in (beta, gamma, delta):
        alpha.pings(other, 10)
    gamma.pings(delta, 10)


def test_a_member_that_moves_is_followed_without_any_traffic(world):
    _, alpha, beta = world.mesh("alpha", "beta")
    ping_until(alpha, beta.addresses()[0], 5)
    key = beta.wg_key()
    for old, new in zip(beta.host.underlay, ("192.0.2.101", "2001:db8::101")):
        length = 64 if ":" in old else 24
        beta.host.delete_address(f"{old}/{length}")
        beta.host.add_address(f"{new}/{length}")
    wait_for(lambda: any("101" in member["endpoint"] for name, member in
                         ((name, member["wireguard"]) for name, member in alpha.members().items())
                         if name == "beta" and member["endpoint"]), 15, "alpha's WireGuard has beta's new address")
    assert any("101" in word for word in wg_show(alpha, "endpoints")[key])
    ping_until(alpha, beta.addresses()[0], 3)


def test_a_member_that_moves_keeps_its_tunnels(world):
    _, alpha, beta = world.mesh("alpha", "beta")
    address = beta.addresses()[1]
    ping_until(alpha, address, 5)
    for old, new in zip(beta.host.underlay, ("192.0.2.101", "2001:db8::101")):
        length = 64 if ":" in old else 24
        beta.host.delete_address(f"{old}/{length}")
        beta.host.add_address(f"{new}/{length}")
    ping_until(alpha, address, 3)
    ping_until(beta, alpha.addresses()[1], 3)
    # Both now know two ways to each other: no reason to talk more than before.
    before = packets_received(alpha)
    traffic = alpha.traffic(address)
    traffic.wait_replies(150)
    traffic.stop()
    assert packets_received(alpha) - before < 1000


def packets_received(node):
    return int(node.host.output("cat", "/sys/class/net/eth0/statistics/rx_packets"))


@pytest.mark.slow
def test_what_wireguard_learned_is_kept_over_a_restart(world):
    _, alpha, beta = world.mesh("alpha", "beta")
    address = alpha.addresses()[0]
    # Beta's WireGuard speaks from another port than the one its descriptor names, as behind a port-mapping router.
    ping_until(beta, address, 5)
    beta.stop()
    beta.host.run("wg", "set", "mesh0", "listen-port", "4999")
    ping_until(beta, address, 10)
    key = public_key_of(alpha, "beta")
    wait_for(lambda: wg_show(alpha, "endpoints")[key][0].endswith(":4999"), 5, "alpha's WireGuard has learned it")
    alpha.restart()
    ping_until(beta, address, 3)
    assert wg_show(alpha, "endpoints")[key][0].endswith(":4999")


def public_key_of(node, name):
    return node.members()[name]["wireguard"]["public_key"]
