"""packaging/FROM-TINC.md, done: tinc in switch mode with BIRD over it, a mesh beside it, sessions moved, and back."""
import re
import shutil

import pytest

from lan import Traffic, wait_for
from mesh import BACKEND, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.skipif(BACKEND != "userspace", reason="is about what stands beside the mesh")]
SITES = ("alpha", "beta", "gamma")
PAGE = (ROOT / "packaging/FROM-TINC.md").read_text()
APART = """
table inet apart {
	chain input {
		type filter hook input priority filter;
		iifname "vpn" udp dport { 8946, 51820 } drop
		iifname "vpn" tcp dport 8946 drop
	}
}
"""
BIRD = """
log stderr all;
router id 10.20.NUMBER.1;
protocol device { }
protocol kernel { ipv4 { export all; }; }
protocol static site { ipv4; route 10.20.NUMBER.0/24 via "lo"; }
template bgp over_tinc {
	local as 6500NUMBER;
	connect delay time 1;
	connect retry time 2;
	error wait time 1, 2;
	ipv4 { import all; export where source = RTS_STATIC; };
}
template bgp over_mesh {
	local as 6500NUMBER;
	connect delay time 1;
	connect retry time 2;
	error wait time 1, 2;
	ipv4 { preference PREFERENCE; import all; export where source = RTS_STATIC; };
}
"""


class Site:
    """A host with a LAN 10.20.N.0/24 behind it (an address on lo), tinc at 10.10.0.N and the segment at 10.11.0.N."""

    def __init__(self, node, number):
        self.node, self.host, self.number = node, node.host, number
        self.folder = node.folder
        self.bird_conf = self.folder / "bird.conf"
        self.host.run("ip", "address", "add", f"10.20.{number}.1/32", "dev", "lo")

    def make_tinc(self):
        folder = self.folder / "tinc"
        (folder / "hosts").mkdir(parents=True)
        (folder / "tinc.conf").write_text(f"Name = {self.host.name}\nMode = switch\nInterface = vpn\n" + "".join(
            f"ConnectTo = {name}\n" for name in SITES if name != self.host.name))
        (folder / "hosts" / self.host.name).write_text(f"Address = {self.host.underlay[0]}\n")
        up = folder / "tinc-up"
        up.write_text(f"#!/bin/sh\nip link set $INTERFACE up\nip address add 10.10.0.{self.number}/24 dev $INTERFACE\n")
        up.chmod(0o755)
        self.host.run("tincd", "-c", folder, "-K2048", input="\n\n")
        return folder

    def start_tinc(self, folder):
        self.tinc = self.host.start("tincd", "-c", folder, "-D", f"--pidfile={folder}/pid", log=self.folder / "tinc.log")

    def configure_bird(self, preference, tinc=True, mesh=True):
        text = BIRD.replace("NUMBER", str(self.number)).replace("PREFERENCE", str(preference))
        for number, name in enumerate(SITES, 1):
            if number != self.number and tinc:
                text += f"protocol bgp tinc_{name} from over_tinc {{ neighbor 10.10.0.{number} as 6500{number}; }}\n"
            if number != self.number and mesh:
                text += f"protocol bgp mesh_{name} from over_mesh {{ neighbor 10.11.0.{number} as 6500{number}; }}\n"
        self.bird_conf.write_text(text)

    def start_bird(self):
        self.bird = self.host.start("bird", "-f", "-c", self.bird_conf, "-s", "/run/bird.ctl", log=self.folder / "bird.log")
        wait_for(lambda: self.host.run("birdc", "-s", "/run/bird.ctl", "show", "status", check=False).returncode == 0, 5, "bird")

    def birdc(self, *command):
        return self.host.output("birdc", "-s", "/run/bird.ctl", *command)

    def established(self, prefix):
        return len(re.findall(rf"^{prefix}_\w+ .*Established", self.birdc("show", "protocols"), re.M))

    def next_hop(self, number):
        """None while there is no route."""
        route = re.search(r" via (\S+)", self.host.run("ip", "route", "get", f"10.20.{number}.1", check=False).stdout)
        return route and route[1]

    def wait_next_hops(self, net):
        for number in range(1, len(SITES) + 1):
            if number != self.number:
                wait_for(lambda: self.next_hop(number) == f"{net}.{number}", 10, f"{self.host.name}'s route to {number}")


def test_a_site_moves_from_tinc_to_the_mesh_and_back(world):
    _, *nodes = world.nodes_on_lan(*SITES)
    sites = [Site(node, number) for number, node in enumerate(nodes, 1)]
    alpha, beta, gamma = sites

    # What there is: tinc, and BIRD's sessions over it.
    folders = [site.make_tinc() for site in sites]
    for folder in folders:
        for other in folders:
            if other is not folder:
                for key in (other / "hosts").iterdir():
                    if key.name == other.parent.name.split("-")[0]:
                        shutil.copy(key, folder / "hosts")
    for site, folder in zip(sites, folders):
        site.start_tinc(folder)
        site.configure_bird(90, mesh=False)
        site.start_bird()
    for site in sites:
        wait_for(lambda: site.established("tinc") == 2, 30, f"{site.host.name}'s sessions over tinc are up")
    for site in sites:
        site.wait_next_hops("10.10.0")
    traffic = Traffic(alpha.host, "10.20.2.1", world.folder / "ping.log")
    traffic.wait_replies(10)

    # The mesh beside it, which never goes through it.
    assert " ".join(APART.split()) in " ".join(PAGE.split()), "the page has another table"
    for site in sites:
        site.host.run("nft", "-f", "-", input=APART)
        site.node.start()
    nodes[0].init("--mesh", "sites")
    token = nodes[0].invite("--uses", "2")
    for node in nodes[1:]:
        node.join(token)
    nodes[0].do("l2", "create", "lan0")
    for site in sites:
        site.node.do("l2", "attach", "lan0", "--address", f"10.11.0.{site.number}/24")
    for site in sites:
        for other in sites:
            wait_for(lambda: site.host.can_ping(f"10.11.0.{other.number}"), 10, "the segment is up")
        for member in site.node.status()["members"]:
            assert member["self"] or not member["wireguard"]["endpoint"].startswith("10."), "a tunnel in a tunnel"

    # A second session to each, which nothing goes over yet.
    for site in sites:
        site.configure_bird(90)
        site.birdc("configure")
    for site in sites:
        wait_for(lambda: site.established("mesh") == 2, 30, f"{site.host.name}'s sessions over the mesh are up")
        assert site.established("tinc") == 2
    assert alpha.next_hop(2) == "10.10.0.2"

    # One site after the other moves, and back, and again.
    for preference, net in ((110, "10.11.0"), (90, "10.10.0"), (110, "10.11.0")):
        for site in sites:
            site.configure_bird(preference)
            site.birdc("configure")
            traffic.wait_replies(10)
        for site in sites:
            site.wait_next_hops(net)
        traffic.wait_replies(25)

    # Without tinc.
    for site in sites:
        site.configure_bird(110, tinc=False)
        site.birdc("configure")
        site.tinc.signal(15)
        site.tinc.wait()
    traffic.wait_replies(25)
    sent, lost = traffic.stop()
    assert lost == [], f"{len(lost)} of {sent} pings lost"
    for site in sites:
        site.host.run("nft", "delete", "table", "inet", "apart")
        site.bird.signal(15)
        site.bird.wait()
