"""The guard: nothing gets on a segment that does not belong there.

    stranger --- eth0 ---+
                         lan --- eth0 [victim] mesh0 --- eth0 member
                                        |
                               vx100 (IPv4), vx200 (IPv6): segments;  vx7: somebody else's VXLAN

The overlay is a plain veth here: that WireGuard vouches for the addresses on it is WireGuard's own promise. Every forged
frame is first seen to arrive without a guard.
"""
import json
import socket
import subprocess
import time

import pytest

from frames import (ETH_P_IP, ETH_P_IPV6, VXLAN_PORT, Wire, ethernet, inner, mac_of, mark, packets, socket_inside, udp, vxlan)
from lan import TIME_SCALE, wait_for
from mesh import BUILD, World

OVERLAY = "mesh0"
PREFIXES = ("100.64.0.0/16", "fd00:aaaa::/48")
VICTIM4, VICTIM6 = "100.64.0.1", "fd00:aaaa::1"
ATTACHED4, ATTACHED6 = "100.64.0.2", "fd00:aaaa::2"  # attached to 100 and to 200
OTHER4, OTHER6 = "100.64.0.3", "fd00:aaaa::3"  # a member that is attached to neither
VNI4, VNI6, FOREIGN = 100, 200, 7
COUNTERS = ("stray", "unattached", "truncated", "spoofed")


class Drive:
    """netns-guard_drive on a host."""

    def __init__(self, host, folder, *runner):
        self.log = folder / f"guard-{host.name}.log"
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen([*host.enter, *runner, BUILD / "tests/netns-guard_drive", OVERLAY],
                                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                                          start_new_session=True)

    def ask(self, *words):
        self.popen.stdin.write(" ".join(map(str, words)) + "\n")
        self.popen.stdin.flush()
        return self.popen.stdout.readline().strip()

    def show(self):
        return json.loads(self.ask("show"))

    def want(self, *words):
        assert self.ask("want", *words) == "ok"

    def guards(self, vnis=(VNI4, VNI6), sources=((VNI4, ATTACHED4), (VNI6, ATTACHED6))):
        """Wants this and waits until it stands."""
        words = [word for prefix in PREFIXES for word in ("prefix", prefix)]
        words += [word for vni in vnis for word in ("vni", vni)]
        words += [word for vni, address in sources for word in ("source", vni, address)]
        self.want(*words)
        wait_for(lambda: set(self.show()["states"].values()) == {"covered"}, 5, "the table stands")

    def end(self):
        self.popen.stdin.close()
        assert self.popen.wait(10 * TIME_SCALE) == 0, self.log.read_text()
        self.popen.stdout.close()


def counters(host):
    """What nft itself says."""
    found = json.loads(host.output("nft", "-j", "list", "counters", "table", "inet", f"meshd_{OVERLAY}"))["nftables"]
    return {item["counter"]["name"]: item["counter"]["packets"] for item in found if "counter" in item}


def table(host):
    return host.run("nft", "-s", "list", "table", "inet", f"meshd_{OVERLAY}", check=False).stdout


def add_vxlan(host, name, vni, *options):
    host.run("ip", "link", "add", name, "type", "vxlan", "id", vni, "dstport", VXLAN_PORT, *options)
    host.run("ip", "link", "set", name, "up")


class Scene:
    def __init__(self, folder):
        self.folder = folder
        self.world = World(folder)
        lan = self.world.lan()
        self.victim, self.stranger, self.member = [self.world.host(name) for name in ("victim", "stranger", "member")]
        self.victim4, self.victim6 = lan.attach(self.victim)
        self.stranger4, self.stranger6 = lan.attach(self.stranger)
        subprocess.run(["nsenter", "-t", str(self.victim.pid), "-n", "--", "ip", "link", "add", OVERLAY, "type", "veth", "peer",
                        "name", "eth0", "netns", str(self.member.pid)], check=True)
        self.member.run("ip", "link", "set", "eth0", "up")
        self.victim.run("ip", "link", "set", OVERLAY, "up")
        for address in (f"{VICTIM4}/16", f"{VICTIM6}/48"):
            self.victim.add_address(address, OVERLAY)
        self.victim.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.eth0.rp_filter=0",
                        "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        add_vxlan(self.victim, "vx100", VNI4, "local", VICTIM4)
        add_vxlan(self.victim, "vx200", VNI6, "local", VICTIM6)
        self.victim.run("ip", "link", "add", "lan0", "type", "bridge", "mcast_snooping", 0)
        self.victim.run("ip", "link", "set", "lan0", "up")
        for dev in ("vx100", "vx200"):
            self.victim.run("ip", "link", "set", dev, "master", "lan0")
        add_vxlan(self.victim, "vx7", FOREIGN, "local", self.victim4)
        self.segment, self.foreign = Wire(self.victim, "lan0"), Wire(self.victim, "vx7")
        self.underlay, self.overlay = Wire(self.stranger, "eth0"), Wire(self.member, "eth0")
        self.macs = {wire: mac_of(self.victim, dev) for wire, dev in ((self.underlay, "eth0"), (self.overlay, OVERLAY))}
        self.drives = []

    def drive(self, *runner):
        self.drives.append(Drive(self.victim, self.folder, *runner))
        return self.drives[-1]

    def unguard(self):
        self.victim.run("nft", "flush", "ruleset")

    def send(self, wire, source, target, vni, first=0, options=False, short=None):
        """Sends a VXLAN frame from there, and returns the mark in it."""
        payload = mark()
        datagram = udp(source, target, vxlan(vni, inner(payload))[:short])
        kind = ETH_P_IPV6 if ":" in source else ETH_P_IP
        wire.send(*[ethernet(self.macs[wire], b"\x02\0\0\0\0\x99", kind, packet)
                    for packet in packets(source, target, datagram, first, options)])
        return payload

    def arrives(self, sent, where=None):
        where = where or self.segment
        wait_for(lambda: where.has(sent), 2, "the frame arrives")

    def dropped(self, send, counter, before=None):
        """Whatever send() sends is dropped for that reason, and a frame sent later still comes through. The counters."""
        before = counters(self.victim) if before is None else before
        sent = send()
        after = wait_for(lambda: (found := counters(self.victim))[counter] > before[counter] and found, 2, f"{counter} counts")
        self.arrives(self.send(self.overlay, ATTACHED4, VICTIM4, VNI4))
        self.arrives(self.send(self.overlay, ATTACHED6, VICTIM6, VNI6))
        assert not self.segment.has(sent)
        assert {name for name in COUNTERS if after[name] != before[name]} == {counter}
        return after

    def close(self):
        for drive in self.drives:
            drive.popen.kill()
            drive.popen.wait()
        for wire in (self.segment, self.foreign, self.underlay, self.overlay):
            wire.close()
        self.world.close()


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    scene = Scene(tmp_path_factory.mktemp("guard"))
    yield scene
    scene.close()


@pytest.fixture(name="scene")
def clean(stage):
    stage.unguard()
    yield stage
    for drive in stage.drives:
        drive.end()
    stage.drives.clear()
    stage.unguard()


def forged(scene):
    """(name, how it is sent, the counter that tells of it)"""
    under, over = scene.underlay, scene.overlay
    outside4, outside6, own4, own6 = scene.stranger4, scene.stranger6, scene.victim4, scene.victim6
    cases = [
        ("from the underlay to its own address, IPv4", (under, outside4, own4, VNI4), "stray"),
        ("from the underlay to its own address, IPv6", (under, outside6, own6, VNI6), "stray"),
        ("from the underlay to the overlay's address, IPv4", (under, outside4, VICTIM4, VNI4), "stray"),
        ("from the underlay to the overlay's address, IPv6", (under, outside6, VICTIM6, VNI6), "stray"),
        ("with a member's address over the underlay, IPv4", (under, ATTACHED4, own4, VNI4), "spoofed"),
        ("with a member's address over the underlay, IPv6", (under, ATTACHED6, own6, VNI6), "spoofed"),
        ("from a member that is not attached, IPv4", (over, OTHER4, VICTIM4, VNI4), "unattached"),
        ("from a member that is not attached, IPv6", (over, OTHER6, VICTIM6, VNI6), "unattached"),
        ("from the underlay in fragments, IPv4", (under, outside4, own4, VNI4, 8), "stray"),
        ("from the underlay in fragments with the VNI in the first, IPv6", (under, outside6, own6, VNI6, 16), "stray"),
        ("from the underlay in fragments with the VNI in the second, IPv6", (under, outside6, own6, VNI6, 8), "truncated"),
        ("the same behind another header, IPv6", (under, outside6, own6, VNI6, 8, True), "truncated"),
        ("from the underlay behind another header, IPv6", (under, outside6, own6, VNI6, 0, True), "stray"),
        ("from a member that is not attached, in fragments, IPv4", (over, OTHER4, VICTIM4, VNI4, 8), "unattached"),
        ("from a member that is not attached, in fragments, IPv6", (over, OTHER6, VICTIM6, VNI6, 8), "truncated"),
    ]
    return [(name, lambda arguments=arguments: scene.send(*arguments), counter) for name, arguments, counter in cases]


def test_forged_frames_arrive_without_a_guard_and_with_it_none_does(scene):
    for name, send, _ in forged(scene):
        print(name)
        scene.arrives(send())
    scene.drive().guards()
    told = None
    for name, send, counter in forged(scene):
        print(name)
        told = scene.dropped(send, counter, told)


def test_attached_members_frames_pass_whole_and_in_fragments(scene):
    drive = scene.drive()
    drive.guards()
    for source, target, vni in ((ATTACHED4, VICTIM4, VNI4), (ATTACHED6, VICTIM6, VNI6)):
        for first in (0, 16, 64):
            scene.arrives(scene.send(scene.overlay, source, target, vni, first))
    assert set(counters(scene.victim).values()) == {0}


@pytest.mark.anywhere
def test_members_of_one_segment_are_not_let_into_another(scene):
    scene.drive().guards(sources=((VNI4, ATTACHED4), (VNI6, ATTACHED6), (VNI6, OTHER4), (VNI4, OTHER6)))
    scene.dropped(lambda: scene.send(scene.overlay, OTHER4, VICTIM4, VNI4), "unattached")
    scene.dropped(lambda: scene.send(scene.overlay, OTHER6, VICTIM6, VNI6), "unattached")


@pytest.mark.anywhere
def test_other_peoples_vxlan_and_other_traffic_go_on(scene):
    scene.drive().guards()
    scene.arrives(scene.send(scene.underlay, scene.stranger4, scene.victim4, FOREIGN), scene.foreign)
    scene.arrives(scene.send(scene.underlay, scene.stranger4, scene.victim4, FOREIGN, 8), scene.foreign)
    scene.arrives(scene.send(scene.overlay, OTHER4, VICTIM4, FOREIGN), scene.foreign)
    for host, address in ((scene.stranger, scene.victim4), (scene.stranger, scene.victim6), (scene.victim, VICTIM4),
                          (scene.victim, VICTIM6)):
        wait_for(lambda host=host, address=address: host.can_ping(address), 5, f"{address} answers")
    assert set(counters(scene.victim).values()) == {0}


@pytest.mark.anywhere
def test_frames_from_this_host_are_no_frames_of_members(scene):
    """Anybody may open a socket here."""
    local = socket_inside(scene.victim, socket.AF_INET, socket.SOCK_DGRAM)

    def send():
        payload = mark()
        local.sendto(vxlan(VNI4, inner(payload)), ("127.0.0.1", VXLAN_PORT))
        return payload

    scene.arrives(send())
    scene.drive().guards()
    scene.dropped(send, "stray")
    local.close()


@pytest.mark.anywhere
def test_frames_inside_frames_of_the_segment_are_no_frames_of_members(scene):
    """A host on the segment speaks to the bridge's own address."""
    scene.victim.add_address("198.51.100.1/24", "lan0")
    scene.victim.run("ip", "link", "add", "tap0", "type", "veth", "peer", "name", "tap1")
    scene.victim.run("ip", "link", "set", "tap0", "master", "lan0", "up")
    scene.victim.run("ip", "link", "set", "tap1", "up")
    # the kernel sees a moment later that both ends are up
    wait_for(lambda: "state forwarding" in scene.victim.output("bridge", "link", "show", "dev", "tap0"), 5, "the port forwards")
    behind, inside = Wire(scene.victim, "tap1"), Wire(scene.victim, "vx200")
    scene.macs[behind] = mac_of(scene.victim, "lan0")

    def sends(source):
        return scene.send(behind, source, "198.51.100.1", VNI4)

    # What comes out of the VXLAN device goes to every other port of the bridge.
    scene.arrives(sends("198.51.100.9"), inside)
    scene.drive().guards()
    for source, counter in (("198.51.100.9", "stray"), (ATTACHED4, "spoofed")):
        sent = sends(source)
        wait_for(lambda: counters(scene.victim)[counter] == 1, 2, f"{counter} counts")
        scene.arrives(scene.send(scene.overlay, ATTACHED4, VICTIM4, VNI4), inside)
        assert not inside.has(sent)
    for wire in (behind, inside):
        wire.close()
    scene.victim.run("ip", "link", "delete", "tap0")


@pytest.mark.anywhere
def test_nobody_is_helped_to_send_frames_into_the_overlay(scene):
    """A member that is a router takes no stranger's frame to another member, whose guard would take it for his."""
    other = mac_of(scene.member, "eth0")
    for address, kind in ((OTHER4, "-4"), (OTHER6, "-6")):
        scene.victim.run("ip", kind, "neigh", "replace", address, "lladdr", other.hex(":"), "dev", OVERLAY)
    for first in (0, 8, 16):
        scene.arrives(scene.send(scene.underlay, scene.stranger4, OTHER4, VNI4, first), scene.overlay)
    drive = scene.drive()
    drive.guards()
    for source, target, vni in ((scene.stranger4, OTHER4, VNI4), (scene.stranger6, OTHER6, VNI6)):
        before = counters(scene.victim)["stray"]
        sent = scene.send(scene.underlay, source, target, vni)
        wait_for(lambda: counters(scene.victim)["stray"] > before, 2, "it is counted")
        assert not scene.overlay.has(sent)
    scene.arrives(scene.send(scene.underlay, scene.stranger4, OTHER4, FOREIGN), scene.overlay)


@pytest.mark.anywhere
def test_the_table_outlives_the_daemon_and_the_next_one_goes_on_with_it(scene):
    first = scene.drive()
    first.guards()
    listing = table(scene.victim)
    first.end()
    scene.drives.clear()
    assert table(scene.victim) == listing
    scene.dropped(lambda: scene.send(scene.underlay, scene.stranger4, scene.victim4, VNI4), "stray")
    scene.drive().guards()
    assert table(scene.victim) == listing


@pytest.mark.anywhere
def test_a_table_that_others_change_is_put_back_within_a_second(scene):
    drive = scene.drive()
    drive.guards()
    whole = table(scene.victim)
    assert "198.51.100.1" not in whole
    for command in (["flush", "ruleset"], ["delete", "table", "inet", f"meshd_{OVERLAY}"],
                    ["flush", "chain", "inet", f"meshd_{OVERLAY}", "ours"],
                    ["flush", "set", "inet", f"meshd_{OVERLAY}", "vnis"],
                    ["add", "element", "inet", f"meshd_{OVERLAY}", "from4", "{ 198.51.100.1 . 100 }"],
                    ["insert", "rule", "inet", f"meshd_{OVERLAY}", "input", "accept"]):
        scene.victim.run("nft", *command)
        start = time.monotonic()
        wait_for(lambda: table(scene.victim) == whole, 1, f"the table is put back after {command}")
        print(command, f"{(time.monotonic() - start) * 1000:.0f} ms")
        assert drive.show()["states"] == {"100": "covered", "200": "covered"}
    scene.dropped(lambda: scene.send(scene.underlay, scene.stranger4, scene.victim4, VNI4), "stray")


@pytest.mark.anywhere
def test_a_table_that_goes_while_it_is_written_is_put_back(scene):
    drive = scene.drive()
    for number in range(20):
        drive.want("vni", VNI4, "source", VNI4, f"100.64.1.{number}")
        scene.victim.run("nft", "flush", "ruleset")
        wait_for(lambda number=number: f"100.64.1.{number} ." in table(scene.victim), 1, f"table {number} is back")


@pytest.mark.anywhere
def test_a_change_of_members_keeps_the_counters_and_all_else(scene):
    drive = scene.drive()
    drive.guards()
    scene.dropped(lambda: scene.send(scene.overlay, OTHER4, VICTIM4, VNI4), "unattached")
    drive.guards(sources=((VNI4, ATTACHED4), (VNI6, ATTACHED6), (VNI4, OTHER4)))
    wait_for(lambda: OTHER4 in table(scene.victim), 2, "the newcomer is in the table")
    scene.arrives(scene.send(scene.overlay, OTHER4, VICTIM4, VNI4))
    assert counters(scene.victim)["unattached"] == 1
    wait_for(lambda: drive.show()["unattached"] == 1, 5, "it tells what was dropped")
    drive.guards()
    wait_for(lambda: OTHER4 not in table(scene.victim), 2, "whoever leaves is not")
    scene.dropped(lambda: scene.send(scene.overlay, OTHER4, VICTIM4, VNI4), "unattached")


@pytest.mark.anywhere
def test_with_the_last_segment_the_table_goes(scene):
    drive = scene.drive()
    drive.guards()
    drive.want()
    wait_for(lambda: not table(scene.victim), 2, "the table is gone")
    drive.guards()
    assert drive.ask("cleanup") == "ok"


@pytest.mark.anywhere
def test_cleanup_takes_the_table_away_and_leaves_others(scene):
    drive = scene.drive()
    drive.guards()
    drive.end()
    scene.drives.clear()
    scene.victim.run("nft", "add", "table", "inet", "meshd_mesh1")
    drive = scene.drive()
    assert drive.ask("cleanup") == "ok"
    assert not table(scene.victim)
    assert drive.ask("cleanup") == "ok"
    assert "meshd_mesh1" in scene.victim.output("nft", "list", "tables")


@pytest.mark.anywhere
def test_somebody_elses_table_of_that_name_is_refused_and_left_alone(scene):
    scene.victim.run("nft", "add", "table", "inet", f"meshd_{OVERLAY}")
    theirs = table(scene.victim)
    drive = scene.drive()
    drive.want("vni", VNI4)
    state = wait_for(lambda: (found := drive.show())["problem"] and found, 5, "it is refused")
    assert state["states"] == {"100": "open"} and f"inet meshd_{OVERLAY} that meshd did not make" in state["problem"]
    assert table(scene.victim) == theirs
    assert drive.ask("cleanup") == "ok" and table(scene.victim) == theirs
    scene.unguard()
    wait_for(lambda: drive.show()["states"] == {"100": "covered"}, 5, "with it gone all is well")


@pytest.mark.anywhere
def test_a_host_that_cannot_be_guarded_is_open_and_says_why(scene):
    drive = scene.drive("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")
    drive.want("vni", VNI4)
    state = wait_for(lambda: (found := drive.show())["problem"] and found, 5, "it is refused")
    assert state["states"] == {"100": "open"} and "Operation not permitted" in state["problem"]
    assert scene.victim.output("nft", "list", "ruleset") == ""


@pytest.mark.anywhere
def test_a_segment_that_outgrows_its_table_has_a_larger_one(scene):
    drive = scene.drive()
    sources = [(VNI4, f"100.64.1.{number}") for number in range(200)]
    for count in (10, 100, 200, 10):
        drive.guards(sources=sources[:count])
        wait_for(lambda: table(scene.victim).count("100.64.1.") == count, 2, f"{count} are in the table")


@pytest.mark.anywhere
def test_a_thousand_members_cost_the_guard_no_second(scene):
    drive = scene.drive()
    sources = [(VNI4, f"100.64.{number >> 8}.{number & 255}") for number in range(2, 1002)]
    start = time.monotonic()
    drive.guards(sources=sources)
    whole = time.monotonic() - start
    drive.guards(sources=sources[:-1])
    start = time.monotonic()
    drive.guards(sources=sources)
    wait_for(lambda: "100.64.3.233 ." in table(scene.victim), 2, "the last one is in")
    print(f"all {whole:.3f} s, one more {time.monotonic() - start:.3f} s")
    assert whole < 2 * TIME_SCALE
