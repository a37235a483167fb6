"""What stands behind the members of a segment: hosts on their ports, listeners, DHCP, mDNS; and what the kernel has of a
segment, asked without meshd."""
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


def floods(host, vni):
    """Where the VXLAN device sends what it knows no better for."""
    text = host.run("bridge", "-json", "fdb", "show", "dev", f"vx{vni}", check=False).stdout or "[]"
    return sorted(entry["dst"] for entry in json.loads(text) if entry["mac"] == "00:00:00:00:00:00")


def tunnels(host, vni):
    """{MAC: where the VXLAN device sends what is for it}"""
    text = host.run("bridge", "-json", "fdb", "show", "dev", f"vx{vni}", check=False).stdout or "[]"
    return {entry["mac"]: entry["dst"] for entry in json.loads(text)
            if "dst" in entry and entry["mac"] != "00:00:00:00:00:00"}


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


class MdnsStack:
    """A D-Bus daemon and an avahi-daemon of a host's own, on one of its interfaces."""

    def __init__(self, host, dev, folder):
        self.host = host
        folder = pathlib.Path(folder) / f"mdns-{host.name}"
        folder.mkdir()
        bus = folder / "bus"
        self.env = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={bus}"}
        (folder / "bus.conf").write_text(BUS_CONF.format(bus=bus))
        (folder / "avahi.conf").write_text(AVAHI_CONF.format(host=host.name, dev=dev))
        self.log = folder / "log"
        self.processes = [host.start("dbus-daemon", f"--config-file={folder / 'bus.conf'}", "--nofork", "--nopidfile",
                                     log=self.log)]
        wait_for(bus.exists, 10, "D-Bus listens")
        host.run("mkdir", "-p", "/run/avahi-daemon")
        self.processes.append(host.start("avahi-daemon", "--no-drop-root", "--no-chroot", "--no-rlimits", "-f",
                                         folder / "avahi.conf", log=self.log, env=self.env))
        wait_for(lambda: "Server startup complete" in self.log.read_text(errors="replace"), 20, "avahi-daemon has started")

    def publish(self, name, service, port):
        self.processes.append(self.host.start("avahi-publish", "-s", name, service, port, log=self.log, env=self.env))

    def browse(self, service):
        """What is known of it now, one service a line."""
        return self.host.output("avahi-browse", "-rptc", service, env=self.env)

    def close(self):
        for process in reversed(self.processes):
            process.signal(9)
            process.wait()


BUS_CONF = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={bus}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_destination="*" eavesdrop="false"/>
  </policy>
</busconfig>
"""

AVAHI_CONF = """[server]
host-name={host}
allow-interfaces={dev}
enable-dbus=warn
disallow-other-stacks=no
ratelimit-interval-usec=1000000
ratelimit-burst=1000
[wide-area]
enable-wide-area=no
[publish]
publish-hinfo=no
publish-workstation=no
"""
