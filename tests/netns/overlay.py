"""What the kernel and WireGuard say of a node's overlay, asked without meshd."""
import time

from lan import TIME_SCALE, wait_for
from mesh import INTERFACE

PING_TIMEOUT_S = min(0.3 * TIME_SCALE, 1)


def ping_until(node, address, timeout):
    """Seconds until the first answer; AssertionError after timeout seconds."""
    start = time.monotonic()
    wait_for(lambda: node.host.can_ping(address, PING_TIMEOUT_S), timeout, f"{node.name} pings {address}")
    return time.monotonic() - start


def wg_show(node, field):
    """{peer's public key: sorted words} of `wg show IF FIELD`; empty where there is no such interface."""
    text = node.host.run("wg", "show", INTERFACE, field, check=False).stdout
    return {line.split("\t")[0]: sorted(line.split("\t")[1].split()) for line in text.splitlines() if "\t" in line}


def peers(node):
    return set(node.host.run("wg", "show", INTERFACE, "peers", check=False).stdout.split())


def link(node):
    """`ip link` of the overlay's interface on one line; empty where there is none."""
    return node.host.run("ip", "-oneline", "link", "show", "dev", INTERFACE, check=False).stdout


def routes(node):
    """Destinations of the routes over the overlay."""
    return {line.split()[0] for family in ("-4", "-6") for line in
            node.host.run("ip", family, "route", "show", "dev", INTERFACE, check=False).stdout.splitlines()}


def kernel_traces(node):
    """Everything on the host that a meshd may have put there."""
    found = [link(node), *node.host.pids("wireguard-go")]
    for family in ("-4", "-6"):
        found.append(node.host.run("ip", family, "route", "show", "table", "all", "proto", "173", check=False).stdout)
    found.append(node.host.run("ls", "/run/wireguard", check=False).stdout)
    return [trace for trace in found if trace]
