"""l2/ on its own, with real bridges and VXLAN devices: netns-l2_drive plays the daemon, a LAN plays the overlay."""
import json
import re
import subprocess

import pytest

from lan import wait_for
from mesh import BUILD, World

SEGMENT, VNI = "lan0", 100
VXLAN = f"vx{VNI}"
MARK = "meshd l2 test"
MANY, FEW = 30, 15  # pings, and what hosts that come up tell each other meanwhile


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
        self.wants(up=True)

    def ask(self, line):
        self.popen.stdin.write(line + "\n")
        self.popen.stdin.flush()
        answer = self.popen.stdout.readline()
        assert answer, f"l2_drive of {self.host.name} ended: {self.log.read_text()}"
        return json.loads(answer)

    def wants(self, *lines, up=True, family=4, mtu=1370, segment=SEGMENT, vni=VNI):
        self.file.write_text("\n".join([
            f"segment {segment} {vni}", f"mac {self.mac}", f"local {self.overlay4 if family == 4 else self.overlay6}", "overlay eth0",
            f"mtu {mtu}", *(["up"] if up else []), *lines]) + "\n")
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
        drive.host.run("ip", "address", "add", f"10.7.0.{drive.number}/24", "dev", SEGMENT)
        drive.host.run("ip", "address", "add", f"fd07::{drive.number}/64", "dev", SEGMENT, "nodad")


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


def test_a_host_behind_a_port_is_seen_and_answered_for_elsewhere(three):
    """beta's guest is on a port; alpha's ARP for it is answered by alpha's own bridge, and one copy goes to beta."""
    alpha, beta, gamma = three
    guest = add_guest(beta, "10.7.0.77/24")
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
    told = guest.run("ping", "-n", "-c1", "-W1", "-M", "do", "-s", 1472, "10.7.0.1", check=False).stdout
    assert "Frag needed" in told or "too long" in told, told

    beta.wants("release tap0", f"member {alpha.overlay4}")
    beta.keep()
    assert "master" not in beta.link("tap0")
    assert beta.link(VXLAN)["mtu"] == 1370


class Guest:
    """A host on a veth's other end, in a namespace inside the host's own."""

    def __init__(self, drive, name, address):
        self.drive, self.name = drive, name
        drive.host.run("ip", "netns", "add", name)
        drive.host.run("ip", "link", "add", "tap0", "type", "veth", "peer", "name", "eth0", "netns", name)
        self.run("ip", "link", "set", "eth0", "up")
        self.run("ip", "address", "add", address, "dev", "eth0")
        self.mac = json.loads(self.run("ip", "-json", "link", "show", "dev", "eth0").stdout)[0]["address"]

    def run(self, *command, **options):
        return self.drive.host.run("ip", "netns", "exec", self.name, *command, **options)


def add_guest(drive, address):
    return Guest(drive, "guest", address)
