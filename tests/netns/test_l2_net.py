"""l2/ on its own, with real bridges and VXLAN devices: netns-l2_drive plays the daemon, a LAN plays the overlay."""
import json
import subprocess

import pytest

from lan import wait_for
from mesh import BUILD, World
from segment import Guest

SEGMENT, VNI = "lan0", 100
VXLAN = f"vx{VNI}"
MARK = "meshd l2 test"
MANY, FEW = 100, 50  # pings, and more than what hosts that come up tell each other meanwhile


class Drive:
    """One netns-l2_drive on a host, and what it is to want."""

    def __init__(self, host, folder, number):
        self.host, self.number = host, number
        self.file = folder / f"{host.name}.want"
        self.log = folder / f"{host.name}.log"
        self.overlay4, self.overlay6 = host.underlay
        self.mac = f"02:c0:00:02:{int(self.overlay4.split('.')[3]):02x}:00"
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen([*host.enter, BUILD / "tests/netns-l2_drive"], stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
        self.wants()

    def ask(self, line):
        self.popen.stdin.write(line + "\n")
        self.popen.stdin.flush()
        answer = self.popen.stdout.readline()
        assert answer, f"l2_drive of {self.host.name} ended: {self.log.read_text()}"
        return json.loads(answer)

    def wants(self, *lines, family=4, mtu=1370, overlay="eth0"):
        self.file.write_text("\n".join([
            f"segment {SEGMENT} {VNI}", f"mac {self.mac}", f"local {self.overlay4 if family == 4 else self.overlay6}",
            f"overlay {overlay}", f"mtu {mtu}", "up", *lines]) + "\n")
        self.ask(f"want {self.file}")

    def keep(self):
        """Puts right, and shows that once is enough."""
        done = self.ask("keep")
        assert not done["error"], (done["error"], done["text"], done)
        again = self.ask("keep")
        assert (again["error"], again["links"], again["ops"]) == ("", 0, 0), again
        return done

    def link(self, name):
        found = json.loads(self.host.run("ip", "-json", "-details", "link", "show", "dev", name, check=False).stdout or "[]")
        return found[0] if found else None

    def fdb(self, dev=VXLAN):
        """{(MAC, member or None)} of the device: its own entries and the bridge's."""
        return {(entry["mac"], entry.get("dst")) for entry in json.loads(self.host.output("bridge", "-json", "fdb", "show", "dev", dev))
                if "self" in entry["flags"] or "extern_learn" in entry["flags"]}

    def neighbours(self):
        return {entry["dst"]: entry.get("lladdr") for entry in json.loads(self.host.output("ip", "-json", "neighbour", "show", "dev", SEGMENT))
                if "extern_learn" in entry}

    def counted(self, name, dev=VXLAN):
        return int(self.host.output("cat", f"/sys/class/net/{dev}/statistics/{name}"))


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    folder = tmp_path_factory.mktemp("l2")
    world = World(folder)
    try:
        lan, drives = world.lan(), []
        for number, name in enumerate(("alpha", "beta", "gamma"), 1):
            host = world.host(name)
            host.underlay = lan.attach(host)
            drives.append(Drive(host, folder, number))
        yield drives
    finally:
        wrong = world.close()
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def three(network):
    """alpha, beta, gamma with nothing of ours."""
    for drive in network:
        drive.ask("cleanup")
    return network


@pytest.fixture
def guest(three):
    """A host behind a port of beta's."""
    made = Guest(three[1].host, "guest", "10.7.0.77/24")
    yield made
    made.close()


def attach_all(drives, *extra, family=4, known=True, mtu=1370):
    """Everybody on the segment with 10.7.0.N and fd07::N, and all that gossip would tell."""
    for drive in drives:
        lines = list(extra)
        for other in drives:
            if other is drive:
                continue
            at = other.overlay4 if family == 4 else other.overlay6
            lines.append(f"member {at}")
            if known:
                lines += [f"station {other.mac} {at}", f"neighbour 10.7.0.{other.number} {other.mac}",
                          f"neighbour fd07::{other.number} {other.mac}"]
        drive.wants(*lines, family=family, mtu=mtu)
        drive.keep()
        drive.host.run("ip", "address", "replace", f"10.7.0.{drive.number}/24", "dev", SEGMENT)
        drive.host.run("ip", "address", "replace", f"fd07::{drive.number}/64", "dev", SEGMENT, "nodad")


def ping_each_other(drives, *options):
    for drive in drives:
        for other in drives:
            for address in (f"10.7.0.{other.number}", f"fd07::{other.number}"):
                if other is not drive:
                    wait_for(lambda: drive.host.run("ping", "-n", "-c1", "-W1", *options, address, check=False).returncode == 0,
                             5, f"{drive.host.name} pings {address}")


@pytest.mark.parametrize("family", [4, 6])
def test_members_of_a_segment_ping_each_other_over_either_overlay(three, family):
    mtu = 1370 if family == 4 else 1350
    attach_all(three, family=family, mtu=mtu)
    ping_each_other(three)
    ping_each_other(three, "-M", "do", "-s", mtu - 48)
    for drive in three:
        bridge, vxlan = drive.link(SEGMENT), drive.link(VXLAN)
        assert (bridge["mtu"], vxlan["mtu"], vxlan["master"]) == (mtu, mtu, SEGMENT)
        assert bridge["ifalias"] == vxlan["ifalias"] == MARK
        port = vxlan["linkinfo"]["info_slave_data"]
        assert (port["learning"], port["neigh_suppress"]) == (False, True)
        assert bridge["linkinfo"]["info_data"]["mcast_snooping"] == 0
        assert bridge["address"] == drive.mac


def test_a_known_host_costs_one_copy_and_an_unknown_one_is_asked_for_everywhere(three):
    alpha, beta, gamma = three
    attach_all(three)
    ping_each_other(three)
    before = gamma.counted("rx_packets")
    for address in ("10.7.0.2", "fd07::2"):
        alpha.host.run("ping", "-n", f"-c{MANY}", "-i0.01", address)
    assert gamma.counted("rx_packets") < before + FEW
    # Nobody has this address: everybody is asked, as on any LAN.
    before = [gamma.counted("rx_packets"), beta.counted("rx_packets")]
    alpha.host.run("ping", "-n", "-c1", "-W0.2", "10.7.0.99", check=False)
    wait_for(lambda: gamma.counted("rx_packets") > before[0] and beta.counted("rx_packets") > before[1], 3,
             "a broadcast reaches everybody")


def test_a_host_behind_a_port_is_seen_and_answered_for_elsewhere(three, guest):
    """beta's guest is on a port; alpha's ARP for it is answered by alpha's own bridge, and one copy goes to beta."""
    alpha, beta, gamma = three
    attach_all(three)
    beta.wants("port tap0", f"member {alpha.overlay4}", f"member {gamma.overlay4}", f"station {alpha.mac} {alpha.overlay4}")
    beta.keep()
    assert beta.link(VXLAN)["mtu"] == 1500 and beta.link(SEGMENT)["mtu"] == 1370
    guest.run("ping", "-n", "-c1", "10.7.0.2")
    local = wait_for(lambda: [host for host in beta.ask("look")["local"] if host["port"] == "tap0"], 3, "the guest is seen")
    assert [host["mac"] for host in local] == [guest.mac]
    assert {"ip": "10.7.0.77", "mac": guest.mac, "ours": False} in beta.ask("look")["neighbours"]

    alpha.wants(f"member {beta.overlay4}", f"member {gamma.overlay4}", f"station {guest.mac} {beta.overlay4}",
                f"neighbour 10.7.0.77 {guest.mac}")
    alpha.keep()
    before = gamma.counted("rx_packets")
    alpha.host.run("ping", "-n", f"-c{MANY}", "-i0.01", "10.7.0.77")
    assert gamma.counted("rx_packets") < before + FEW

    # A whole frame does not fit the overlay: its sender is told so.
    def told():
        text = guest.run("ping", "-n", "-c1", "-W1", "-M", "do", "-s", 1472, "10.7.0.1", check=False).stdout
        return "Frag needed" in text or "too long" in text

    wait_for(told, 5, "it is told")

    beta.wants("release tap0", f"member {alpha.overlay4}")
    beta.keep()
    assert "master" not in beta.link("tap0")
    assert beta.link(VXLAN)["mtu"] == 1370


def local_port(drive, mac):
    return next((host["port"] for host in drive.ask("look")["local"] if host["mac"] == mac), None)


def test_a_host_that_moved_is_followed_and_one_that_is_back_is_believed(three, guest):
    alpha, beta, gamma = three
    attach_all(three)
    beta.wants("port tap0", f"member {alpha.overlay4}")
    beta.keep()
    guest.run("ping", "-n", "-c1", "10.7.0.2")
    assert local_port(beta, guest.mac) == "tap0"
    # Somebody else has it since then: what the bridge heard before is put right. The guest may say something of itself
    # meanwhile, and is believed then.
    def is_away():
        beta.wants("port tap0", f"member {alpha.overlay4}", f"station {guest.mac} {gamma.overlay4} now")
        beta.ask("keep")
        return local_port(beta, guest.mac) is None and (guest.mac, gamma.overlay4) in beta.fdb()
    wait_for(is_away, 3, "the mesh is believed")

    # It is heard here once more, which is left alone. The kernel's ages are hundredths of a second: in the first, who was
    # heard when cannot be told.
    def is_back():
        guest.run("ping", "-n", "-c1", "10.7.0.2")
        beta.ask("keep")
        return local_port(beta, guest.mac) == "tap0"
    wait_for(is_back, 3, "the bridge is believed")


@pytest.mark.parametrize("silent", ["", "silent"])
def test_an_address_that_two_claim_is_asked_for_everywhere(three, guest, silent):
    alpha, beta, gamma = three
    attach_all(three)
    beta.wants("port tap0", f"member {alpha.overlay4}", f"member {gamma.overlay4}", f"station {alpha.mac} {alpha.overlay4}",
               f"station {gamma.mac} {gamma.overlay4}")
    beta.keep()
    known = [f"member {beta.overlay4}", f"member {gamma.overlay4}", f"station {gamma.mac} {gamma.overlay4}"]
    alpha.wants(*known, f"neighbour 10.7.0.77 {gamma.mac}")
    alpha.keep()
    assert alpha.host.run("ping", "-n", "-c1", "-W0.3", "10.7.0.77", check=False).returncode  # gamma does not have it
    alpha.wants(*known, f"neighbour 10.7.0.77 {gamma.mac}", f"neighbour 10.7.0.77 {guest.mac} {silent}")
    alpha.keep()
    assert "10.7.0.77" not in alpha.neighbours()
    wait_for(lambda: alpha.host.run("ping", "-n", "-c1", "-W1", "10.7.0.77", check=False).returncode == 0, 3, "who has it answers")


def test_who_answers_here_keeps_its_address_and_who_does_not_loses_it(three, guest):
    alpha, beta, gamma = three
    attach_all(three)
    wanted = ["port tap0", f"member {alpha.overlay4}", f"station {gamma.mac} {gamma.overlay4}"]
    beta.wants(*wanted)
    beta.keep()
    guest.run("ping", "-n", "-c1", "10.7.0.2")

    def state():
        entry, = json.loads(beta.host.output("ip", "-json", "neighbour", "show", "10.7.0.77", "dev", SEGMENT))
        return entry.get("lladdr"), entry["state"][0]

    def is_asked():
        beta.ask("keep")
        return state() == (guest.mac, "PROBE") or state() == (guest.mac, "REACHABLE")

    beta.wants(*wanted, f"neighbour 10.7.0.77 {gamma.mac}")
    beta.host.run("ip", "neighbour", "replace", "10.7.0.77", "lladdr", guest.mac, "dev", SEGMENT, "nud", "stale")
    wait_for(is_asked, 5, "the guest is asked")
    wait_for(lambda: state() == (guest.mac, "REACHABLE"), 5, "and has answered")
    guest.run("ip", "address", "delete", "10.7.0.77/24", "dev", "eth0")

    def has_moved():
        beta.ask("keep")
        return beta.neighbours().get("10.7.0.77") == gamma.mac

    wait_for(has_moved, 10, "who gives no answer does not have it")


def test_what_others_remove_comes_back_and_what_they_add_stays(three):
    alpha, beta, gamma = three
    attach_all(three)
    before = alpha.fdb(), alpha.neighbours()
    mine = "02:00:00:00:00:99"
    alpha.host.run("bridge", "fdb", "add", mine, "dev", VXLAN, "dst", gamma.overlay4, "self", "permanent")
    alpha.host.run("ip", "neighbour", "add", "10.7.0.99", "lladdr", mine, "dev", SEGMENT, "nud", "permanent")
    alpha.host.run("bridge", "fdb", "delete", beta.mac, "dev", VXLAN, "self")
    alpha.host.run("bridge", "fdb", "delete", beta.mac, "dev", VXLAN, "master")
    alpha.host.run("bridge", "fdb", "delete", "00:00:00:00:00:00", "dev", VXLAN, "dst", gamma.overlay4, "via", "eth0", "self")
    alpha.host.run("ip", "neighbour", "delete", "10.7.0.2", "dev", SEGMENT)
    alpha.host.run("ip", "link", "set", SEGMENT, "mtu", 1300)
    alpha.host.run("ip", "link", "set", VXLAN, "type", "bridge_slave", "learning", "on")
    done = alpha.keep()
    assert (done["links"], done["ops"]) == (2, 4), done
    assert (alpha.fdb() - {(mine, gamma.overlay4)}, alpha.neighbours()) == before
    assert (mine, gamma.overlay4) in alpha.fdb()
    assert "10.7.0.99" in alpha.host.output("ip", "neighbour", "show", "dev", SEGMENT)
    # Nor is a copy to somebody who is no member: it would be a leak.
    alpha.host.run("bridge", "fdb", "append", "00:00:00:00:00:00", "dev", VXLAN, "dst", "192.0.2.200", "self", "permanent")
    assert alpha.keep()["ops"] == 1
    assert ("00:00:00:00:00:00", "192.0.2.200") not in alpha.fdb()


def test_the_device_outlives_the_overlays_interface(three):
    """wireguard-go's goes with its process; entries follow the new one, and the segment's own side goes on meanwhile."""
    alpha, beta, _ = three
    alpha.host.run("ip", "link", "add", "over0", "type", "veth", "peer", "name", "over1")
    alpha.host.run("ip", "link", "set", "over0", "up")
    known = [f"member {beta.overlay4}", f"station {beta.mac} {beta.overlay4}"]
    alpha.wants(*known, overlay="over0")
    alpha.keep()
    index = alpha.link(VXLAN)["ifindex"]
    alpha.host.run("ip", "link", "delete", "over0")
    alpha.host.run("ip", "link", "add", "over0", "type", "veth", "peer", "name", "over1")
    alpha.wants(*known, overlay="over0")
    alpha.keep()
    assert alpha.link(VXLAN)["ifindex"] == index
    assert alpha.host.output("bridge", "fdb", "show", "dev", VXLAN).count("via over0") == 2
    # and entries that are not wanted any more go, though they cannot be named by an interface that is gone
    alpha.host.run("ip", "link", "delete", "over0")
    alpha.wants(f"member {beta.overlay4}")
    alpha.keep()
    assert alpha.fdb() == {("00:00:00:00:00:00", beta.overlay4)}


def test_names_that_are_taken_are_left_alone(three):
    alpha = three[0]
    alpha.wants()
    for name, words in ((SEGMENT, ("type", "bridge")), (VXLAN, ("type", "vxlan", "id", 7, "dstport", 4790))):
        alpha.host.run("ip", "link", "add", name, *words)
        before = alpha.link(name)
        done = alpha.ask("keep")
        assert (done["error"], done["links"], done["ops"]) == ("state", 0, 0), done
        assert done["bridge_taken"] == (name == SEGMENT) and done["vxlan_taken"] == (name == VXLAN)
        assert alpha.ask("cleanup")["removed"] == 0
        assert alpha.link(name) == before
        alpha.host.run("ip", "link", "delete", name)
    alpha.host.run("ip", "link", "add", "other", "type", "vxlan", "id", VNI, "dstport", 4789)
    done = alpha.ask("keep")
    assert done["error"] == "state" and "VNI" in done["text"], done
    alpha.host.run("ip", "link", "delete", "other")
    alpha.keep()
    assert alpha.ask("cleanup")["removed"] == 2
    assert not alpha.link(SEGMENT) and not alpha.link(VXLAN)


def test_a_segment_that_floods_learns_from_frames(three):
    attach_all(three, "flood", known=False)
    ping_each_other(three)
    alpha, beta, _ = three
    assert (beta.mac, beta.overlay4) in alpha.fdb()
    port = alpha.link(VXLAN)["linkinfo"]["info_slave_data"]
    assert (port["learning"], port["neigh_suppress"]) == (True, False)
    # and when it floods no more, what was learned is not believed for ever, but replaced
    attach_all(three)
    assert "extern_learn" in alpha.host.output("bridge", "fdb", "show", "dev", VXLAN)
    ping_each_other(three)


def test_ports_that_cannot_be_had_are_named_and_the_rest_works(three):
    alpha = three[0]
    alpha.host.run("ip", "link", "add", "br9", "type", "bridge")
    alpha.host.run("ip", "link", "add", "p0", "type", "veth", "peer", "name", "p1")
    alpha.host.run("ip", "link", "set", "p0", "master", "br9")
    alpha.wants("port p0", "port p1", "port p7", "port lo")
    done = alpha.ask("keep")
    assert not done["error"], done
    assert done["ports"][:3] == ["elsewhere", "", "absent"] and done["ports"][3], done
    assert (alpha.link("p0")["master"], alpha.link("p1")["master"]) == ("br9", SEGMENT)
    alpha.host.run("ip", "link", "delete", "br9")
    assert alpha.ask("keep")["ports"][0] == ""
    assert alpha.link("p0")["master"] == SEGMENT
    alpha.host.run("ip", "link", "delete", "p0")
