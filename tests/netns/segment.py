"""What stands behind the members of a segment, and what the kernel has of a segment, asked without meshd."""
import json
import pathlib
import subprocess
import sys

from lan import wait_for


def plug(host, dev, other, other_dev, mtu=1500):
    """A cable: a pair of veths, both up."""
    subprocess.run(["nsenter", "-t", str(host.pid), "-n", "--", "ip", "link", "add", dev, "mtu", str(mtu), "type", "veth",
                    "peer", "name", other_dev, "mtu", str(mtu), "netns", str(other.pid)], check=True)
    host.run("ip", "link", "set", dev, "up")
    other.run("ip", "link", "set", other_dev, "up")


def mac_of(host, dev):
    return host.output("cat", f"/sys/class/net/{dev}/address").strip()


def has_link(host, dev):
    return host.run("ip", "link", "show", "dev", dev, check=False).returncode == 0


def master_of(host, dev):
    """The bridge that an interface is a port of; None."""
    return json.loads(host.output("ip", "-json", "link", "show", "dev", dev))[0].get("master")


def entries(host, vni):
    """(MAC, where it sends what is for that) of the VXLAN device; none where there is no such device."""
    text = host.run("bridge", "-json", "fdb", "show", "dev", f"vx{vni}", check=False).stdout or "[]"
    return [(entry["mac"], entry["dst"]) for entry in json.loads(text) if "dst" in entry]


def floods(host, vni):
    """Where the VXLAN device sends what it knows no better for."""
    return sorted(place for mac, place in entries(host, vni) if mac == "00:00:00:00:00:00")


def tunnels(host, vni):
    """{MAC: where the VXLAN device sends what is for it}"""
    return {mac: place for mac, place in entries(host, vni) if mac != "00:00:00:00:00:00"}


class Guest:
    """A host on a veth's other end, in a namespace inside the host's own; tap0 is the host's end."""

    def __init__(self, host, name, address):
        self.host, self.name = host, name
        host.run("ip", "netns", "add", name)
        host.run("ip", "link", "add", "tap0", "type", "veth", "peer", "name", "eth0", "netns", name)
        self.run("ip", "link", "set", "eth0", "up")
        self.run("ip", "address", "add", address, "dev", "eth0")
        self.mac = json.loads(self.run("ip", "-json", "link", "show", "dev", "eth0").stdout)[0]["address"]

    def run(self, *command, **options):
        return self.host.run("ip", "netns", "exec", self.name, *command, **options)

    def close(self):
        self.host.run("ip", "link", "delete", "tap0")
        self.host.run("ip", "netns", "delete", self.name)


LISTEN = """
import socket, struct, sys
group, port, dev = sys.argv[1], int(sys.argv[2]), sys.argv[3]
six = ":" in group
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("::" if six else "", port))
index = socket.if_nametoindex(dev)
if six:
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, group) + struct.pack("i", index))
elif not group.endswith(".255"):
    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                 socket.inet_aton(group) + b"\\0" * 4 + struct.pack("i", index))
print("listening", flush=True)
while True:
    print(s.recv(100).decode(), flush=True)
"""

SEND = """
import socket, struct, sys
group, port, dev, text = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
six = ":" in group
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, dev.encode())
s.sendto(text.encode(), (group, port, 0, socket.if_nametoindex(dev)) if six else (group, port))
"""


class Listener:
    """Takes datagrams to a group or broadcast address on an interface."""

    def __init__(self, host, group, port, dev, folder):
        self.log = pathlib.Path(folder) / f"listen-{host.name}-{dev}-{port}-{group.replace(':', '_')}.log"
        self.log.unlink(missing_ok=True)
        self.process = host.start(sys.executable, "-c", LISTEN, group, port, dev, log=self.log)
        wait_for(lambda: "listening" in self.log.read_text(), 10, f"{host.name} listens to {group}")

    def has(self, text):
        return text in self.log.read_text().splitlines()

    def close(self):
        self.process.signal(9)
        self.process.wait()


def send(host, group, port, dev, text):
    host.run(sys.executable, "-c", SEND, group, port, dev, text)
