"""Another WireGuard key under traffic, and whatever may end in the middle of it."""
import json
import time

import pytest

from lan import TIME_SCALE, wait_for
from mesh import all_ping
from overlay import peers, ping_until, wg_show

LOSS_MAX = 0.01


def flows(*pairs):
    """50 pings a second from each to each, in both directions, until they are steady."""
    made = []
    for one, other in pairs:
        for source, target in ((one, other), (other, one)):
            address = target.addresses()[1]
            ping_until(source, address, 10)
            made.append((f"{source.name} to {target.name}", source.traffic(address)))
    for _, traffic in made:
        traffic.wait_replies(25)
    return made


def stop_flows(made):
    """Asserts that none of them lost more than LOSS_MAX of its pings; {flow: (sent, lost)}."""
    results = {name: traffic.stop() for name, traffic in made}
    for name, (sent, lost) in results.items():
        print(f"{name}: {len(lost)} of {sent} lost: {lost}")
    for name, (sent, lost) in results.items():
        assert len(lost) <= LOSS_MAX * sent, f"{name}: {len(lost)} of {sent} pings lost: {lost}"
    return results


def rotated(node, others, key):
    """Waits until everybody has the node's key, and that alone."""
    address = node.addresses()[0]
    for other in others:
        wait_for(lambda: key in peers(other) and len(peers(other)) == len(others), 10,
                 f"{other.name} has the new key alone")
        assert f"{address}/128" in wg_show(other, "allowed-ips")[key]


def test_a_rotation_under_traffic_loses_less_than_a_ping_in_a_hundred(world):
    _, alpha, beta, gamma = world.mesh("alpha", "beta", "gamma")
    made = flows((alpha, beta), (alpha, gamma))
    for _ in range(3):
        before = alpha.wg_key()
        answer = alpha.json("rotate")
        assert answer["rotated"] and answer["waiting"] == []
        key = answer["wireguard_public_key"]
        assert key == alpha.wg_key() != before
        for _, traffic in made:
            traffic.wait_replies(100, 15)
        rotated(alpha, [beta, gamma], key)
    stop_flows(made)
    for node in (alpha, beta, gamma):
        events = [event for event in node.events() if event["event"] == "key_rotated"]
        assert len(events) == 3
        assert (events[-1]["node"]["name"], events[-1]["from"], events[-1]["to"]) == ("alpha", before, key)
