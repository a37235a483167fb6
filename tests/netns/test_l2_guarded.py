"""The guard in a mesh: what a daemon's segments let in, from the first frame to the last.

    stranger --- lan --- alpha, beta (attached), gamma (a member that is not)
"""
import json
import socket

import pytest

from frames import ETH_P_IP, VXLAN_PORT, Wire, ethernet, inner, mac_of, mark, packets, socket_inside, udp, vxlan
from lan import wait_for
from mesh import BACKEND, Refused, World
from segment import has_link

SEGMENT = "lan0"
TABLE = "meshd_mesh0"


class Scene:
    def __init__(self, folder):
        self.world = World(folder)
        self.lan, self.alpha, self.beta, self.gamma = self.world.mesh("alpha", "beta", "gamma")
        self.stranger = self.world.host("stranger")
        self.stranger4, _ = self.lan.attach(self.stranger)
        self.outside = Wire(self.stranger, "eth0")
        self.alpha.do("l2", "create", SEGMENT)
        for node in (self.alpha, self.beta):
            node.do("l2", "attach", SEGMENT)
        self.vni = self.alpha.json("l2", "list")["segments"][0]["vni"]
        self.inside = Wire(self.alpha.host, SEGMENT)
        self.addresses = {node: node.addresses() for node in (self.alpha, self.beta, self.gamma)}

    def from_stranger(self):
        payload = mark()
        target = self.alpha.host.underlay[0]
        datagram = udp(self.stranger4, target, vxlan(self.vni, inner(payload)))
        self.outside.send(*[ethernet(mac_of(self.alpha.host, "eth0"), mac_of(self.stranger, "eth0"), ETH_P_IP, packet)
                            for packet in packets(self.stranger4, target, datagram)])
        return payload

    def from_member(self, node, to, family=socket.AF_INET, port=600):
        """Over WireGuard, by a program there, which needs privileges for such a port."""
        payload = mark()
        index = 1 if family == socket.AF_INET else 0
        with socket_inside(node.host, family, socket.SOCK_DGRAM) as sender:
            sender.bind((self.addresses[node][index], port))
            sender.sendto(vxlan(self.vni, inner(payload)), (self.addresses[to][index], VXLAN_PORT))
        return payload

    def arrives(self, payload):
        wait_for(lambda: self.inside.has(payload), 2, "the frame is on the segment")

    def close(self):
        self.outside.close()
        self.inside.close()
        return self.world.close()


def table(node):
    return node.host.run("nft", "-s", "list", "table", "inet", TABLE, check=False).stdout


def counters(node):
    found = json.loads(node.host.output("nft", "-j", "list", "counters", "table", "inet", TABLE))["nftables"]
    return {item["counter"]["name"]: item["counter"]["packets"] for item in found if "counter" in item}


@pytest.fixture(scope="module", name="scene")
def one_mesh(tmp_path_factory, request):
    scene = Scene(tmp_path_factory.mktemp("guarded"))
    request.node.world = scene.world
    yield scene
    assert scene.close() == []


def settled(scene):
    """Alpha's table when it has heard who is attached: a daemon that was killed starts with what was on disk."""
    def known():
        text = table(scene.alpha)
        here, away = (f"{scene.addresses[node][1]} ." in text for node in (scene.beta, scene.gamma))
        return here and not away and text

    return wait_for(known, 10, "beta is in the table and gamma is not")


def dropped(scene, send, counter):
    before = counters(scene.alpha)[counter]
    payload = send()
    wait_for(lambda: counters(scene.alpha)[counter] == before + 1, 2, f"{counter} counts")
    scene.arrives(scene.from_member(scene.beta, scene.alpha))
    assert not scene.inside.has(payload)


def test_strangers_and_members_that_are_not_attached_are_not_on_the_segment(scene):
    dropped(scene, scene.from_stranger, "stray")
    for family in (socket.AF_INET, socket.AF_INET6):
        dropped(scene, lambda family=family: scene.from_member(scene.gamma, scene.alpha, family), "unattached")


def test_no_program_without_privileges_sends_frames_for_its_host(scene):
    settled(scene)
    for family in (socket.AF_INET, socket.AF_INET6):
        for port in (0, 1024):
            dropped(scene, lambda family=family, port=port: scene.from_member(scene.beta, scene.alpha, family, port), "stray")
    scene.arrives(scene.from_member(scene.beta, scene.alpha, port=1023))  # the segment is carried by IPv4


def test_whoever_attaches_is_let_in_and_whoever_detaches_is_not(scene):
    scene.gamma.do("l2", "attach", SEGMENT)
    address = scene.addresses[scene.gamma][1]
    wait_for(lambda: f"{address} ." in table(scene.alpha), 3, "gamma is in the table")
    scene.arrives(scene.from_member(scene.gamma, scene.alpha))
    scene.gamma.do("l2", "detach", SEGMENT)
    wait_for(lambda: f"{address} ." not in table(scene.alpha), 3, "gamma is not")
    dropped(scene, lambda: scene.from_member(scene.gamma, scene.alpha), "unattached")


def test_frames_are_guarded_while_no_daemon_runs_and_while_the_next_one_starts(scene):
    standing = settled(scene)
    scene.alpha.kill()
    dropped(scene, scene.from_stranger, "stray")
    assert table(scene.alpha) == standing
    scene.alpha.start()
    wait_for(lambda: scene.alpha.sees(scene.beta, scene.gamma), 10, "alpha is back")
    wait_for(lambda: counters(scene.alpha)["stray"] == 0, 5, "the table is the next daemon's")
    assert settled(scene) == standing
    dropped(scene, scene.from_stranger, "stray")


def test_a_ruleset_that_a_script_flushes_has_our_table_again_at_once(scene):
    scene.alpha.kill()
    scene.alpha.host.run("nft", "flush", "ruleset")
    scene.arrives(scene.from_stranger())  # this is what it would be like
    scene.alpha.start()
    whole = settled(scene)
    scene.alpha.host.run("nft", "flush", "ruleset")
    wait_for(lambda: table(scene.alpha) == whole, 1, "the table is back")
    dropped(scene, scene.from_stranger, "stray")


@pytest.mark.skipif(BACKEND != "userspace", reason="takes the overlay away by its process")
def test_what_was_left_open_is_closed_though_the_overlay_does_not_come_up(scene):
    alpha = scene.alpha
    settled(scene)
    alpha.kill()
    for pid in alpha.host.pids("wireguard-go"):
        scene.world.kill(pid)
    alpha.host.run("nft", "flush", "ruleset")
    scene.arrives(scene.from_stranger())  # this is what it would be like
    alpha.configure({"wireguard.userspace-command": "false %i"})
    alpha.start()
    wait_for(lambda: not has_link(alpha.host, f"vx{scene.vni}"), 30, "the device is gone")
    assert has_link(alpha.host, SEGMENT)
    alpha.configure({})
    alpha.restart()
    settled(scene)
    wait_for(lambda: alpha.sees(scene.beta) and has_link(alpha.host, f"vx{scene.vni}"), 10, "all is back")
    dropped(scene, scene.from_stranger, "stray")


def test_hosts_of_a_lan_that_has_the_meshs_prefix_too_are_no_forgers(scene):
    prefix = scene.alpha.status()["mesh"]["prefix4"]
    network = prefix.rsplit(".", 2)[0] + ".250"
    wait_for(lambda: f"ip saddr {prefix}" in table(scene.alpha), 2, "the prefix is guarded")
    scene.alpha.host.add_address(f"{network}.1/24")
    wait_for(lambda: f"ip saddr {prefix}" not in table(scene.alpha), 15, "it is not any more")
    scene.stranger.add_address(f"{network}.2/24")
    wait_for(lambda: scene.stranger.can_ping(f"{network}.1"), 5, "the LAN works")
    dropped(scene, scene.from_stranger, "stray")
    scene.alpha.host.delete_address(f"{network}.1/24")
    scene.stranger.delete_address(f"{network}.2/24")
    wait_for(lambda: f"ip saddr {prefix}" in table(scene.alpha), 15, "it is guarded again")


def test_without_a_guard_nothing_is_attached_and_the_reason_is_told(scene):
    scene.gamma.host.run("nft", "add", "table", "inet", TABLE)
    theirs = table(scene.gamma)
    with pytest.raises(Refused) as refused:
        scene.gamma.do("l2", "attach", SEGMENT)
    assert "cannot be guarded with nftables" in refused.value.text and "did not make" in refused.value.text
    assert scene.gamma.host.run("ip", "link", "show", "up", "dev", f"vx{scene.vni}", check=False).stdout == ""
    assert table(scene.gamma) == theirs
    scene.gamma.host.run("nft", "delete", "table", "inet", TABLE)
    scene.gamma.do("l2", "attach", SEGMENT)
    scene.gamma.do("l2", "detach", SEGMENT)
    wait_for(lambda: not table(scene.gamma), 3, "the table goes after the last segment")


def test_cleanup_takes_the_table_away_after_the_devices(scene):
    scene.beta.stop()
    assert table(scene.beta)
    scene.beta.cleanup()
    assert not table(scene.beta)
    assert scene.beta.host.run("ip", "link", "show", "dev", f"vx{scene.vni}", check=False).stdout == ""
