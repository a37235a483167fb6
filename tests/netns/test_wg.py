"""wg/ on its own, with real WireGuard: the same promises for both backends. netns-wg_drive plays the daemon."""
import base64
import json
import os
import signal
import subprocess

import pytest

from lan import TIME_SCALE, Traffic, wait_for
from mesh import BACKEND, BUILD, World

IFACE = "mesh0"
PSK = base64.b64encode(bytes(range(32))).decode()
userspace_only = pytest.mark.skipif(BACKEND != "userspace", reason="the userspace process")


class Drive:
    """One netns-wg_drive on a host, and what it is to want."""

    def __init__(self, host, folder, backend=BACKEND, command=None):
        self.host, self.folder, self.backend, self.program = host, folder, backend, command
        self.file = folder / f"{host.name}.want"
        self.log = folder / f"{host.name}.log"
        self.key = subprocess.run(["wg", "genkey"], capture_output=True, text=True, check=True).stdout.strip()
        self.public = subprocess.run(["wg", "pubkey"], input=self.key, capture_output=True, text=True,
                                     check=True).stdout.strip()
        self.device_lines = [f"key {self.key}", "port 51820", "mtu 1420"]
        self.lines, self.peers = list(self.device_lines), {}
        self.popen = None
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(
                [*self.host.enter, BUILD / "tests/netns-wg_drive", self.backend, IFACE, *([self.program] if self.program else [])],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)

    def ask(self, line):
        self.popen.stdin.write(line + "\n")
        self.popen.stdin.flush()
        answer = self.popen.stdout.readline()
        assert answer, f"wg_drive of {self.host.name} ended: {self.log.read_text()}"
        return json.loads(answer)

    def want(self):
        peers = [f"peer {key} {' '.join(values)}" for key, values in self.peers.items()]
        self.file.write_text("\n".join([*self.lines, *peers]) + "\n")
        self.ask(f"want {self.file}")

    def show(self):
        return self.ask("show")

    def settled(self):
        """Running, known, and nothing left to do; waits for it."""
        def nothing_to_do():
            first = self.show()
            if first["state"] != "running" or not first["known"] or first["error"]:
                return None
            return first
        return wait_for(nothing_to_do, 10, f"{self.host.name} is in step")

    def peer(self, other, endpoint="-", how="learned", keepalive=0, psk="-", allowed=()):
        self.peers[other.public] = [psk, endpoint, how, str(keepalive), *allowed]

    def leave_running(self):
        """The daemon's end, with everything left up."""
        self.popen.stdin.close()
        status = self.popen.wait(10 * TIME_SCALE)
        assert status == 0, self.log.read_text()

    def kill(self):
        os.kill(self._inner(), signal.SIGKILL)
        self.popen.wait()

    def _inner(self):
        return int(open(f"/proc/{self.popen.pid}/task/{self.popen.pid}/children").read().split()[0])

    def wg(self, *words):
        return self.host.output("wg", *words)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Two hosts for all tests: making hosts is what takes time, most of all in an emulated machine."""
    folder = tmp_path_factory.mktemp("wg")
    world = World(folder)
    try:
        lan, drives = world.lan(), []
        for name in ("alpha", "beta"):
            host = world.host(name)
            host.underlay = lan.attach(host)
            drives.append(Drive(host, folder))
        yield drives
    finally:
        wrong = world.close()
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def pair(network):
    """alpha and beta with 10.9.0.1 and .2, fd00::1 and ::2 over WireGuard; alpha knows where beta is, not the reverse."""
    alpha, beta = network
    for number, drive, other in ((1, alpha, beta), (2, beta, alpha)):
        if drive.popen.poll() is not None:
            drive.start()
        drive.lines = [*drive.device_lines, f"address 10.9.0.{number}/32", f"address fd00::{number}/128",
                       f"route 10.9.0.0/24 10.9.0.{number}", f"route fd00::/64 fd00::{number}"]
        drive.peers = {}
        endpoint = f"{beta.host.underlay[0]}:51820" if drive is alpha else "-"
        for how in ("force", "learned"):  # whatever the last test made WireGuard believe
            drive.peer(other, endpoint, how, psk=PSK, allowed=(f"10.9.0.{3 - number}/32", f"fd00::{3 - number}/128"))
            drive.want()
            drive.settled()
    yield alpha, beta
    for drive in (alpha, beta):
        if drive.popen.poll() is None:
            drive.leave_running()


def connected(alpha):
    return alpha.host.can_ping("10.9.0.2") and alpha.host.can_ping("fd00::2")


def test_two_hosts_talk_over_both_families(pair):
    alpha, beta = pair
    wait_for(lambda: connected(alpha), 5, "alpha reaches beta")
    wait_for(lambda: beta.show()["peers"][0]["handshake_ms"] > 1600000000000, 5, "the handshake is seen")
    seen = beta.show()
    assert seen["backend"] == BACKEND
    assert seen["public_key"] == beta.public
    assert seen["peers"][0]["endpoint"] == f"{alpha.host.underlay[0]}:51820"  # learned from traffic
    assert seen["peers"][0]["rx"] > 0 and seen["peers"][0]["tx"] > 0
    assert seen["underlay_mtu"] == 1500
    assert "mtu 1420" in beta.host.output("ip", "link", "show", IFACE)
    assert "fe80" not in beta.host.output("ip", "-6", "address", "show", "dev", IFACE)


def test_in_step_means_that_nothing_is_sent(pair):
    alpha, _ = pair
    wait_for(lambda: connected(alpha), 5, "alpha reaches beta")
    before = alpha.settled()["ops"]
    alpha.want()
    alpha.host.run("ip", "link", "add", "other", "type", "veth")  # an event that is none of ours
    alpha.host.run("ip", "link", "set", "other", "up")
    looks = alpha.show()["peers"][0]["tx"]
    alpha.host.can_ping("10.9.0.2")
    wait_for(lambda: alpha.show()["peers"][0]["tx"] > looks, 5, "another look")
    assert alpha.show()["ops"] == before


def test_what_others_change_of_ours_is_put_back_and_the_rest_is_left_alone(pair):
    alpha, beta = pair
    run = alpha.host.run
    run("ip", "address", "add", "10.77.0.1/24", "dev", IFACE)
    run("ip", "route", "add", "10.78.0.0/24", "dev", IFACE)
    run("ip", "address", "del", "10.9.0.1/32", "dev", IFACE)
    run("ip", "route", "flush", "10.9.0.0/24")
    run("ip", "link", "set", IFACE, "mtu", "1300")
    run("wg", "set", IFACE, "peer", beta.public, "remove")
    run("wg", "set", IFACE, "listen-port", "4444")
    wait_for(lambda: connected(alpha), 5, "alpha reaches beta again")
    wait_for(lambda: alpha.settled()["port"] == 51820, 5, "the port is back")
    wait_for(lambda: "mtu 1420" in run("ip", "link", "show", IFACE).stdout, 5, "the MTU is back")
    assert "10.77.0.1/24" in run("ip", "address", "show", "dev", IFACE).stdout
    assert "10.78.0.0/24" in run("ip", "route").stdout


def test_a_foreign_peer_is_removed(pair):
    alpha, _ = pair
    stranger = subprocess.run("wg genkey | wg pubkey", shell=True, capture_output=True, text=True).stdout.strip()
    alpha.host.run("wg", "set", IFACE, "peer", stranger, "allowed-ips", "10.66.0.0/24")
    wait_for(lambda: stranger not in alpha.wg("show", IFACE, "peers"), 2, "the stranger is gone")


def test_a_learned_endpoint_is_kept_unless_the_plan_insists(pair):
    alpha, beta = pair
    wait_for(lambda: connected(alpha), 5, "alpha reaches beta")
    learned = f"{alpha.host.underlay[0]}:51820"
    wait_for(lambda: beta.show()["peers"][0]["endpoint"] == learned, 5, "beta has learned")
    beta.peers[alpha.public][1] = "192.0.2.99:9"
    beta.want()
    beta.settled()
    assert learned in beta.wg("show", IFACE, "endpoints")
    beta.peers[alpha.public][2] = "force"
    beta.want()
    wait_for(lambda: "192.0.2.99:9" in beta.wg("show", IFACE, "endpoints"), 2, "the endpoint is set")


def test_an_endpoint_on_ipv6_works(pair):
    alpha, beta = pair
    alpha.peers[beta.public][1:3] = [f"[{beta.host.underlay[1]}]:51820", "force"]
    alpha.want()
    wait_for(lambda: connected(alpha), 5, "alpha reaches beta")
    wait_for(lambda: f"[{beta.host.underlay[1]}]:51820" in alpha.wg("show", IFACE, "endpoints"), 5, "over IPv6")


def test_prefixes_move_and_go(pair):
    alpha, beta = pair
    other = subprocess.run("wg genkey | wg pubkey", shell=True, capture_output=True, text=True).stdout.strip()
    alpha.peers[beta.public] += ["10.9.1.0/24", "10.9.2.0/24"]
    alpha.want()
    wait_for(lambda: "10.9.2.0/24" in alpha.wg("show", IFACE, "allowed-ips"), 2, "added")
    alpha.peers[beta.public].remove("10.9.1.0/24")
    alpha.peers[beta.public].remove("10.9.2.0/24")
    alpha.peers[other] = ["-", "-", "learned", "0", "10.9.1.0/24"]
    alpha.want()
    wait_for(lambda: f"{other}\t10.9.1.0/24" in alpha.wg("show", IFACE, "allowed-ips"), 2, "moved")
    assert "10.9.2.0/24" not in alpha.wg("show", IFACE, "allowed-ips")
    wait_for(lambda: connected(alpha), 5, "alpha reaches beta")


def test_stopping_and_killing_the_daemon_interrupts_no_tunnel(pair, tmp_path, world):
    alpha, beta = pair
    wait_for(lambda: connected(alpha), 5, "alpha reaches beta")
    traffic = Traffic(alpha.host, "10.9.0.2", tmp_path / "ping.log")
    traffic.wait_replies(5)
    alpha.leave_running()
    traffic.wait_replies(10)
    beta.kill()
    traffic.wait_replies(10)
    for drive in (alpha, beta):
        drive.start()
        drive.want()
    assert alpha.settled()["generation"] == 1
    beta.settled()
    traffic.wait_replies(25)
    sent, lost = traffic.stop()
    assert lost == [], f"{lost} of {sent}"
    assert alpha.show()["ops"] == 0  # found as it should be


def test_an_interface_that_is_deleted_is_made_again_within_2_s(pair):
    alpha, _ = pair
    wait_for(lambda: connected(alpha), 5, "alpha reaches beta")
    alpha.host.run("ip", "link", "delete", IFACE)
    wait_for(lambda: connected(alpha), 2, "alpha reaches beta again")


@userspace_only
def test_a_killed_process_is_back_within_2_s_also_when_it_was_adopted(pair):
    alpha, _ = pair
    for round in ("our own child", "our own child, at once again", "adopted"):
        if round == "adopted":
            alpha.leave_running()
            alpha.start()
            alpha.want()
            alpha.settled()
        wait_for(lambda: connected(alpha), 5, "alpha reaches beta")
        pid, = alpha.host.pids("wireguard-go")
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: alpha.host.pids("wireguard-go") not in ([], [pid]) and connected(alpha), 2, f"{round}: it is back")


@userspace_only
def test_a_missing_program_is_said_and_tried_again(world, tmp_path):
    host = world.host("alpha")
    drive = Drive(host, tmp_path, command=str(tmp_path / "nothing-here -f %i"))
    drive.want()
    wait_for(lambda: "No such file" in drive.show()["error"], 5, "it is said")
    assert drive.show()["state"] == "waiting"
    (tmp_path / "nothing-here").symlink_to("/usr/bin/wireguard-go")
    drive.settled()
    drive.leave_running()


@userspace_only
def test_a_process_of_another_namespace_is_left_alone(world, tmp_path):
    host = world.host("alpha")
    drive = Drive(host, tmp_path)
    drive.want()
    drive.settled()
    drive.leave_running()
    drive.log = tmp_path / "other.log"
    host.enter = [*host.enter, "unshare", "--net"]  # the same /run
    drive.start()
    drive.want()
    wait_for(lambda: "not in this network namespace" in drive.show()["error"], 5, "it is said")
    assert drive.ask("stop") == {"error": ""}
    assert len(host.pids("wireguard-go")) == 1


@userspace_only
def test_a_process_that_hangs_does_not_stop_the_loop_for_good(pair):
    alpha, _ = pair
    pid, = alpha.host.pids("wireguard-go")
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: alpha.show()["state"] == "waiting", 10, "it is noticed")
    os.kill(pid, signal.SIGCONT)
    alpha.settled()
    wait_for(lambda: connected(alpha), 5, "alpha reaches beta again")


@userspace_only
def test_auto_takes_what_this_kernel_can(world, tmp_path):
    drive = Drive(world.host("alpha"), tmp_path, backend="auto")
    drive.want()
    made = drive.settled()["backend"]
    drive.leave_running()
    drive.start()
    drive.want()
    assert drive.settled()["backend"] == made
    drive.leave_running()


def test_a_host_without_ipv6_has_its_ipv4(world, tmp_path):
    host = world.host("alpha")
    host.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
    drive = Drive(host, tmp_path)
    drive.lines += ["address fd00::1/128", "address 10.9.0.1/32"]
    drive.want()
    drive.settled()
    assert host.addresses(IFACE) == ["10.9.0.1"]
    drive.leave_running()


def test_somebody_elses_route_is_not_replaced(world, tmp_path):
    host = world.host("alpha")
    host.run("ip", "link", "add", "other", "type", "veth")
    host.run("ip", "link", "set", "other", "up")
    host.run("ip", "route", "add", "10.9.0.0/24", "dev", "other")
    drive = Drive(host, tmp_path)
    drive.lines += ["address 10.9.0.1/32", "route 10.9.0.0/24 10.9.0.1"]
    drive.want()
    wait_for(lambda: "File exists" in drive.show()["error"], 5, "it is said")
    assert "10.9.0.0/24 dev other" in host.output("ip", "route")
    host.run("ip", "route", "delete", "10.9.0.0/24", "dev", "other")
    drive.settled()
    assert "10.9.0.0/24 dev mesh0 proto 173 scope link src 10.9.0.1" in host.output("ip", "route")
    drive.leave_running()


def test_something_else_of_that_name_is_left_alone(world, tmp_path):
    host = world.host("alpha")
    host.run("ip", "link", "add", IFACE, "type", "bridge")
    drive = Drive(host, tmp_path)
    drive.want()
    wait_for(lambda: f"{IFACE} exists" in drive.show()["error"], 5, "it is said")
    assert drive.ask("stop") == {"error": ""}
    assert "bridge" in host.output("ip", "-d", "link", "show", IFACE)


def test_stop_leaves_nothing_behind(pair):
    alpha, _ = pair
    assert alpha.ask("stop") == {"error": ""}
    assert alpha.popen.wait(10 * TIME_SCALE) == 0
    assert alpha.host.run("ip", "link", "show", IFACE, check=False).returncode != 0
    assert alpha.host.pids("wireguard-go") == []
    assert alpha.host.run("ls", f"/var/run/wireguard/{IFACE}.sock", check=False).returncode != 0


def test_a_thousand_peers_are_one_list_for_us_and_many_messages_for_the_kernel(pair):
    alpha, beta = pair
    for number in range(1000):
        key = base64.b64encode(number.to_bytes(2, "big") + bytes(29) + b"\x40").decode()
        alpha.peers[key] = ["-", "-", "learned", "25", f"10.{number >> 8}.{number & 255}.0/24", f"fd01:{number:x}::/64"]
    alpha.want()
    wait_for(lambda: len(alpha.show()["peers"]) == 1001, 10, "all are there")
    before = alpha.settled()["ops"]
    alpha.peers[key][3] = "15"
    alpha.want()
    wait_for(lambda: "15" in alpha.wg("show", IFACE, "persistent-keepalive").split(), 5, "changed")
    assert alpha.show()["ops"] == before + 1
    assert alpha.show()["error"] == ""


def test_the_kernels_own_words_are_shown(world, tmp_path):
    host = world.host("alpha")
    drive = Drive(host, tmp_path)
    drive.lines.append("route 10.9.0.0/24 10.9.0.1")  # a source that the host does not have
    drive.want()
    wait_for(lambda: "prefsrc" in drive.show()["error"].lower(), 5, "the kernel's text")
    drive.leave_running()
