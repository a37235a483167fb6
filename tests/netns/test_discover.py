"""Members find each other on a LAN by mDNS: with real avahi-daemons."""
import pytest

from avahi import Mdns
from lan import wait_for

MDNS = {"gossip.mdns": "true", "wireguard.backend": "none"}


def seen(node, mesh="own"):
    """What `discover` lists of that kind."""
    return [one for one in node.json("discover")["nodes"] if one["mesh"] == mesh]


@pytest.fixture
def lan(world):
    """lan(name...): (lan, node..., mdns by name), on one LAN, nothing started but mDNS."""
    def make(*names, settings=None):
        lan, *nodes = world.nodes_on_lan(*names, settings={**MDNS, **(settings or {})})
        for node in nodes:
            node.mdns = Mdns(node.host, world.folder / f"mdns-{node.name}").start()
        return (lan, *nodes)
    return make


def test_a_node_without_a_mesh_is_seen_as_one(lan):
    _, alpha, beta = lan("alpha", "beta")
    alpha.start()
    beta.start()
    wait_for(lambda: seen(alpha, "none") and seen(beta, "none"), 10, "both are seen")
    assert alpha.status()["discovery"] == {"mdns": "running", "found": 1}
