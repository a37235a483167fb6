"""What packaging/PORTS.md tells an operator to put into a firewall: it lets the mesh through, and nothing else."""
import re
import textwrap

import pytest

from lan import wait_for
from mesh import BACKEND, ROOT

pytestmark = pytest.mark.skipif(BACKEND != "userspace", reason="is about what stands around the mesh")
PAGE = (ROOT / "packaging/PORTS.md").read_text()
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 1)"


def firewall():
    return textwrap.dedent(re.search(r"^## nftables\n\n((?:    .*\n)+)", PAGE, re.M).group(1))


def connects(host, address, port):
    return host.run("python3", "-c", CONNECT, address, port, check=False).returncode == 0


def test_a_mesh_comes_up_behind_the_firewall_of_the_page(world):
    lan, alpha, beta = world.nodes_on_lan("alpha", "beta", settings={"metrics.listen": "0.0.0.0:9586"})
    for node in (alpha, beta):
        node.host.run("nft", "-f", "-", input=firewall())
        node.start()
    alpha.init()
    beta.join(alpha.invite())
    for node, other in ((alpha, beta), (beta, alpha)):
        node.pings(other)
        wait_for(lambda: node.sees(other), 15, f"{node.name} sees {other.name}")
    alpha.do("l2", "create", "lan0")
    for number, node in enumerate((alpha, beta), 1):
        wait_for(lambda: "lan0" in node.do("l2", "list"), 10, f"{node.name} knows the segment")
        node.do("l2", "attach", "lan0", "--address", f"192.168.7.{number}/24")
    wait_for(lambda: beta.host.can_ping("192.168.7.1"), 10, "the segment carries")
    # what stands in the table is what is open: metrics to members, and not to the LAN
    for port in (8946, 9586):
        assert f"| {port} " in PAGE
    assert connects(beta.host, "192.0.2.11", 8946)
    address = alpha.addresses()[1]
    assert connects(beta.host, address, 9586) and not connects(beta.host, "192.0.2.11", 9586)
    # nor to who sends over the LAN what is for the overlay's address
    stranger = world.host("stranger")
    lan.attach(stranger)
    stranger.run("ip", "route", "add", f"{address}/32", "via", "192.0.2.11")
    assert connects(stranger, address, 8946) and not connects(stranger, address, 9586)
    wait_for(lambda: alpha.meshctl("why", "beta")[0] == 0, 10, "nothing is wrong")
    assert "whoever reaches that address can read them" in alpha.do("doctor")
