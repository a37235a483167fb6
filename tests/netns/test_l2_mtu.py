"""What fits on a segment: hosts on the overlay, and hosts behind ports that know nothing of it.

    left (1500) --- eth1 alpha ===== overlay (1420) ===== beta eth1 --- right (1500)
"""
import socket
import threading

import pytest

from frames import socket_inside
from lan import TIME_SCALE, wait_for
from mesh import World

SEGMENT = "lan0"
LEFT4, RIGHT4, LEFT6, RIGHT6 = "192.168.7.11", "192.168.7.12", "fd12:3456::11", "fd12:3456::12"
BYTES = 1_000_000


class Scene:
    def __init__(self, folder):
        self.world = World(folder)
        _, self.alpha, self.beta = self.world.mesh("alpha", "beta")
        self.alpha.do("l2", "create", SEGMENT)
        self.left, self.right = self.world.host("left"), self.world.host("right")
        for number, (node, host) in enumerate(((self.alpha, self.left), (self.beta, self.right)), 1):
            site = self.world.lan(f"site{number}")
            site.attach(node.host, "eth1", prefix4=None, prefix6=None)
            site.attach(host, prefix4=None, prefix6=None)
            host.add_address(f"192.168.7.1{number}/24")
            host.add_address(f"fd12:3456::1{number}/64")
            node.do("l2", "attach", SEGMENT, "--address", f"192.168.7.{number}/24", "--address", f"fd12:3456::{number}/64",
                    "--port", "eth1")
        wait_for(lambda: self.left.can_ping(RIGHT4), 5, "left reaches right")

    def forget(self):
        for host in (self.left, self.right, self.alpha.host, self.beta.host):
            host.run("ip", "route", "flush", "cache")
            host.run("ip", "-6", "route", "flush", "cache")


@pytest.fixture(scope="module", name="scene")
def one_mesh(tmp_path_factory, request):
    scene = Scene(tmp_path_factory.mktemp("mtu"))
    request.node.world = scene.world
    yield scene
    assert scene.world.close() == []


def ping(host, address, size, *options):
    """Whether a packet of so many bytes, IP header and all, is answered."""
    size -= 48 if ":" in address else 28
    return host.run("ping", "-n", "-c1", "-W1", "-s", size, *options, address, check=False).returncode == 0


def answered(host, address, size, *options):
    wait_for(lambda: ping(host, address, size, *options), 5, f"{host.name} has an answer to {size} bytes from {address}")


def transfer(source, target, address):
    """Sends BYTES over one TCP connection, all of which arrive; the bytes in each of its last segments."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    received = []
    with socket_inside(target, family, socket.SOCK_STREAM) as listener, \
            socket_inside(source, family, socket.SOCK_STREAM) as sender:
        listener.bind((address, 0))
        listener.listen(1)

        def receive():
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(30 * TIME_SCALE)
                while data := connection.recv(1 << 16):
                    received.append(len(data))

        thread = threading.Thread(target=receive, daemon=True)
        thread.start()
        sender.settimeout(30 * TIME_SCALE)
        sender.connect((address, listener.getsockname()[1]))
        sender.sendall(bytes(BYTES))
        sender.shutdown(socket.SHUT_WR)
        thread.join(30 * TIME_SCALE)
        # struct tcp_info: tcpi_snd_mss is the 32-bit word at byte 16
        segment = int.from_bytes(sender.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[16:20], "little")
    assert sum(received) == BYTES
    return segment


@pytest.mark.anywhere
def test_the_segments_mtu_is_what_the_overlay_leaves(scene):
    for node in (scene.alpha, scene.beta):
        assert f"mtu {1420 - 50}" in node.host.output("ip", "link", "show", "dev", SEGMENT)


@pytest.mark.anywhere
@pytest.mark.parametrize("address", ["192.168.7.2", "fd12:3456::2"])
def test_hosts_on_the_overlay_alone_use_all_of_it_without_fragments(scene, address):
    scene.forget()
    wait_for(lambda: scene.alpha.host.can_ping(address), 5, f"{address} answers")
    answered(scene.alpha.host, address, 1350, "-M", "do")
    answered(scene.alpha.host, address, 1370, "-M", "do")
    assert not ping(scene.alpha.host, address, 1371, "-M", "do")
    assert transfer(scene.alpha.host, scene.beta.host, address) <= 1370 - 40


@pytest.mark.parametrize("address", [RIGHT4, RIGHT6])
def test_hosts_behind_a_port_are_told_what_fits(scene, address):
    scene.forget()
    wait_for(lambda: scene.left.can_ping(address), 5, f"{address} answers")
    answered(scene.left, address, 1350, "-M", "do")
    assert not ping(scene.left, address, 1500, "-M", "do")
    route = scene.left.output("ip", "route", "get", address)
    assert "mtu 1370" in route, route
    answered(scene.left, address, 1370, "-M", "do")
    # Whoever answers has to be told as well.
    answered(scene.left, address, 1500, "-M", "dont" if "." in address else "want")  # in fragments


@pytest.mark.parametrize("address", [RIGHT4, RIGHT6])
def test_tcp_between_hosts_behind_ports_does_not_hang(scene, address):
    scene.forget()
    assert transfer(scene.left, scene.right, address) <= 1370 - 40


@pytest.mark.anywhere
def test_hosts_behind_a_port_and_members_reach_each_other(scene):
    scene.forget()
    for source, target, address in ((scene.left, scene.beta.host, "192.168.7.2"), (scene.alpha.host, scene.right, RIGHT4),
                                    (scene.left, scene.alpha.host, "192.168.7.1"), (scene.beta.host, scene.left, LEFT4)):
        assert transfer(source, target, address) <= 1500 - 40


@pytest.mark.anywhere
def test_a_segment_too_narrow_for_ipv6_is_told_with_whose_underlay_it_is(scene):
    def warned(node):
        return any("IPv6 needs 1280" in warning and "overlay of beta carries 1300" in warning and "`mtu` = 1330" in warning for warning in node.status()["warnings"])

    scene.beta.host.run("ip", "link", "set", "eth0", "mtu", 1380)
    for node in (scene.alpha, scene.beta):
        wait_for(lambda node=node: warned(node), 10, f"{node.name} warns")
    answered(scene.left, "192.168.7.2", 1250, "-M", "do")
    scene.beta.host.run("ip", "link", "set", "eth0", "mtu", 1500)
    for node in (scene.alpha, scene.beta):
        wait_for(lambda node=node: not warned(node), 10, f"the warning of {node.name} goes")
    wait_for(lambda: scene.alpha.host.can_ping("fd12:3456::2"), 5, "IPv6 is back")
