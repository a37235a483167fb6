"""Members find each other on a LAN by mDNS: with real avahi-daemons."""
import concurrent.futures
import pathlib
import signal
import sys
import time

import pytest

from avahi import Mdns
from lan import wait_for
from mesh import all_ping

MDNS = {"gossip.mdns": "true"}
SAY = [sys.executable, pathlib.Path(__file__).parent / "mdns_say.py"]
WAIT_S = 30  # a probe and an announcement take a second where nobody else wants to run
HANGS_S = 20  # less than the 25 s for which D-Bus waits for an answer
NOBODY = "192.0.2.200"  # an address of the LAN that no host has


def seen(node, mesh="own"):
    """What `discover` lists of that kind."""
    return [one for one in node.json("discover")["nodes"] if one["mesh"] == mesh]


def names_seen(node):
    return {one["node"]["name"] for one in seen(node) if one["node"]}


def mdns_state(node):
    return node.status()["discovery"]["mdns"]


def wait_running(*nodes):
    for node in nodes:
        wait_for(lambda: mdns_state(node) == "running", WAIT_S, f"mDNS of {node.name} runs")


@pytest.fixture
def make(world):
    """make(name..., settings, mdns): (lan, node...) on one LAN; mDNS runs on all hosts, no meshd yet."""
    def make(*names, settings=None, mdns=True):
        lan, *nodes = world.nodes_on_lan(*names, settings={**MDNS, **(settings or {})})
        for node in nodes:
            node.mdns = Mdns(node.host, world.folder / f"mdns-{node.name}")
            if mdns:
                node.mdns.start()
        return (lan, *nodes)
    return make


GOSSIP_ONLY = {"wireguard.backend": "none"}


def found_mesh(founder, *others):
    """A running mesh of these."""
    for node in (founder, *others):
        node.start()
    founder.init()
    for node in others:
        node.join(founder.invite())
    wait_for(lambda: founder.sees(*others), WAIT_S, "the mesh is up")


# ---- finding each other ----


def test_members_that_all_moved_find_each_other(make):
    _, alpha, beta = make("alpha", "beta")
    found_mesh(alpha, beta)
    alpha.stop()
    beta.stop()
    for node, number in ((alpha, 101), (beta, 102)):
        for address in node.host.underlay:
            node.host.delete_address(f"{address}/{64 if ':' in address else 24}")
        node.host.add_address(f"198.51.100.{number}/24")
        node.host.add_address(f"2001:db8:1::{number}/64")
    alpha.start()
    beta.start()
    wait_for(lambda: beta.sees(alpha) and alpha.sees(beta), WAIT_S, "both see each other")
    wait_for(lambda: names_seen(alpha) == {"beta"} and names_seen(beta) == {"alpha"}, WAIT_S, "each knows whom it sees")
    all_ping(alpha, beta)
    assert alpha.status()["discovery"] == {"mdns": "running", "found": 1}


def test_a_token_without_an_endpoint_joins_over_link_local_addresses_alone(world):
    lan, nodes = world.lan(), []
    for name in ("alpha", "beta", "gamma"):
        host = world.host(name)
        lan.attach(host, prefix4=None, prefix6=None)
        node = world.node(host, MDNS if name != "gamma" else None)
        node.mdns = Mdns(host, world.folder / f"mdns-{name}")
        nodes.append(node)
    alpha, beta, gamma = nodes
    beta.mdns.start()
    for node in nodes:
        node.start()
    alpha.init()
    token = alpha.invite()
    status, _, error = gamma.meshctl("join", "-", input=token)
    assert status == 1 and "names no address" in error and "LAN" in error
    wait_running(beta)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        joining = pool.submit(beta.join, token, "--timeout", "50s")
        wait_for(lambda: beta.status()["state"] == "joining", WAIT_S, "beta is joining")
        alpha.mdns.start()  # found while the join is running
        joining.result()
    wait_for(lambda: alpha.sees(beta) and beta.sees(alpha), WAIT_S, "both see each other")
    all_ping(alpha, beta)
    assert "%" in beta.members()["alpha"]["endpoints"][0]


def test_with_nobody_on_the_lan_a_join_says_so(make):
    _, alpha, beta = make("alpha", "beta", settings=GOSSIP_ONLY)
    alpha.start()
    alpha.init()
    for address in alpha.host.underlay:
        alpha.host.delete_address(f"{address}/{64 if ':' in address else 24}")
    # `invite` takes the endpoints that the descriptor has
    wait_for(lambda: not alpha.members()["alpha"]["endpoints"], WAIT_S, "alpha has no endpoint")
    token = alpha.invite()
    alpha.stop()
    beta.start()
    wait_running(beta)
    status, _, error = beta.meshctl("join", "-", "--timeout", "2s", input=token)
    assert status == 1 and "no member was found on the LAN" in error


def test_two_meshes_on_one_lan_leave_each_other_alone_and_strangers_learn_no_name(make):
    _, alpha, beta, gamma, delta = make("alpha", "beta", "gamma", "delta", settings=GOSSIP_ONLY)
    found_mesh(alpha, beta)
    found_mesh(gamma)
    delta.start()
    wait_for(lambda: len(seen(delta, "other")) == 3, WAIT_S, "delta sees three of some meshes")
    wait_for(lambda: (len(seen(gamma, "other")), len(seen(gamma, "none"))) == (2, 1), WAIT_S, "gamma sees the rest")
    wait_for(lambda: names_seen(alpha) == {"beta"} and names_seen(beta) == {"alpha"}, WAIT_S, "members see each other")
    wait_for(lambda: (len(seen(alpha, "other")), len(seen(alpha, "none"))) == (1, 1), WAIT_S, "alpha sees the strangers")
    assert seen(gamma) == [] and seen(delta) == []
    # tags are good for one node only
    assert len({one["tag"] for one in seen(delta, "other")}) == 3
    listed = delta.do("discover")
    assert listed.count("other ") == 3 and "alpha" not in listed

    def keys(service):
        return tuple(sorted(part.split("=")[0] for part in service[9].replace('"', "").split()))

    def announced():
        services = delta.mdns.browse()
        return len({service[3] for service in services}) == 4 and services

    services = wait_for(announced, WAIT_S, "all four are announced")
    assert {keys(service) for service in services} == {("m", "s", "v"), ("s", "v")}
    status = alpha.status()
    secrets = [status["mesh"]["id"], status["mesh"]["name"], status["node"]["id"], "alpha", "beta", "gamma"]
    said = " ".join(service[3] + " " + service[9] for service in services)
    assert all(secret not in said for secret in secrets)

    told = [event for event in alpha.events() if event["event"] == "discovery" and ":8946" in event.get("to", "")]
    assert told and all(event["cause"] == "seen on eth0" for event in told)


# ---- what befalls avahi ----


def test_avahi_may_come_late_go_and_come_again(make):
    _, alpha, beta = make("alpha", "beta", settings=GOSSIP_ONLY, mdns=False)
    beta.mdns.start()
    found_mesh(alpha, beta)
    assert mdns_state(alpha) == "unavailable"
    assert any("LAN" in warning for warning in alpha.status()["warnings"])
    alpha.mdns.start_bus()
    wait_for(lambda: "avahi-daemon is not running" in " ".join(alpha.status()["warnings"]), WAIT_S, "it is said why")
    alpha.mdns.start_avahi()
    wait_running(alpha)
    assert alpha.status()["warnings"] == [text for text in alpha.status()["warnings"] if "LAN" not in text]
    wait_for(lambda: names_seen(alpha) == {"beta"} and names_seen(beta) == {"alpha"}, WAIT_S, "they see each other")

    alpha.mdns.stop_avahi()
    wait_for(lambda: mdns_state(alpha) == "unavailable" and not seen(alpha), WAIT_S, "alpha notices")
    alpha.mdns.start_avahi()
    wait_for(lambda: names_seen(alpha) == {"beta"} and names_seen(beta) == {"alpha"}, WAIT_S, "they see each other anew")

    alpha.mdns.stop_avahi(signal.SIGKILL)
    alpha.mdns.stop_bus()
    wait_for(lambda: mdns_state(alpha) == "unavailable", WAIT_S, "alpha notices that the bus is gone")
    alpha.mdns.start()
    wait_for(lambda: names_seen(alpha) == {"beta"} and names_seen(beta) == {"alpha"}, WAIT_S, "and once more")
    wait_for(lambda: alpha.sees(beta), WAIT_S, "gossip never minded")
    warned = [line for line in alpha.log.read_text().splitlines() if "not looked for on the LAN" in line]
    assert len(warned) < 20


def test_a_bus_that_hangs_holds_up_nothing(make):
    _, alpha, beta = make("alpha", "beta", settings=GOSSIP_ONLY)
    found_mesh(alpha, beta)
    wait_running(alpha)
    alpha.mdns.bus.signal(signal.SIGSTOP)
    alpha.configure({**MDNS, **GOSSIP_ONLY, "gossip.mdns-interfaces": "nothing0"})
    alpha.signal(signal.SIGHUP)  # the thread has something to ask of it now
    wait_for(lambda: alpha.json("discover")["interfaces"] == [], WAIT_S, "the configuration is read")
    start = time.monotonic()
    for _ in range(5):
        assert "beta" in alpha.members()
    alpha.stop()
    assert time.monotonic() - start < HANGS_S
    alpha.mdns.bus.signal(signal.SIGCONT)


# ---- where it speaks ----


def announced_on(node):
    """The interfaces on which its avahi-daemon announces it. Others may believe longer that it does: a goodbye is one
    packet, and avahi sends none for what it has said in the last half second."""
    own = [*node.host.addresses("eth0"), *node.host.addresses("eth1")]
    return {service[1] for service in node.mdns.browse() if service[7] in own}


def test_mdns_can_be_switched_off_and_on_and_kept_to_some_interfaces(make, world):
    lan, alpha, beta = make("alpha", "beta", settings=GOSSIP_ONLY)
    second = world.lan("second")
    for node in (alpha, beta):
        second.attach(node.host, "eth1", prefix4="203.0.113.", prefix6="2001:db8:2::")
        node.start()
    places = lambda: {place["interface"] for one in seen(beta, "none") for place in one["places"]}
    wait_for(lambda: places() == {"eth0", "eth1"}, WAIT_S, "beta sees alpha on both interfaces")
    assert beta.json("discover")["interfaces"] == ["eth0", "eth1"]

    def reload(**settings):
        named = {f"gossip.{key.replace('_', '-')}": value for key, value in settings.items()}
        alpha.configure({**MDNS, **GOSSIP_ONLY, **named})
        alpha.signal(signal.SIGHUP)

    reload(mdns_interfaces="eth1")
    wait_for(lambda: announced_on(alpha) == {"eth1"}, WAIT_S, "alpha is announced on one only")
    assert alpha.json("discover")["interfaces"] == ["eth1"]
    reload(mdns="false")
    wait_for(lambda: not announced_on(alpha), WAIT_S, "alpha is announced nowhere")
    assert alpha.status()["discovery"] == {"mdns": "off", "found": 0}
    assert not any("LAN" in warning for warning in alpha.status()["warnings"])
    reload()
    wait_for(lambda: announced_on(alpha) == {"eth0", "eth1"}, WAIT_S, "alpha is announced everywhere again")
    wait_for(lambda: places() == {"eth0", "eth1"}, WAIT_S, "beta sees alpha everywhere again")
    beta.host.run("ip", "link", "set", "eth1", "down")
    wait_for(lambda: places() == {"eth0"}, WAIT_S, "beta sees alpha where there is a link")
    beta.host.run("ip", "link", "set", "eth1", "up")
    wait_for(lambda: places() == {"eth0", "eth1"}, WAIT_S, "beta sees alpha where there is one again")


def test_nobody_is_looked_for_on_overlays_and_segments(make):
    _, alpha, beta = make("alpha", "beta")
    found_mesh(alpha, beta)
    alpha.pings(beta, timeout=WAIT_S)
    alpha.do("l2", "create", "segment0")
    for number, node in enumerate((alpha, beta), 1):
        wait_for(lambda: node.json("l2", "list")["segments"], WAIT_S, "the segment is known")
        node.do("l2", "attach", "segment0", "--address", f"10.99.0.{number}/24")
    wait_for(lambda: alpha.host.can_ping("10.99.0.2"), WAIT_S, "the segment is up")
    for name, alias in (("other0", None), ("instance0", "meshd 0123456789abcdef")):
        alpha.host.run("ip", "link", "add", name, "type", "bridge")
        if alias:
            alpha.host.run("ip", "link", "set", name, "alias", alias)
        alpha.host.run("ip", "link", "set", name, "up")
    wait_for(lambda: "other0" in alpha.json("discover")["interfaces"], WAIT_S, "another bridge is a LAN")
    assert alpha.json("discover")["interfaces"] == ["eth0", "other0"]
    wait_for(lambda: names_seen(beta) == {"alpha"}, WAIT_S, "beta sees alpha")
    assert {place["interface"] for one in seen(beta) for place in one["places"]} == {"eth0"}
    # nobody hears it on the segment, where avahi-daemon itself does speak
    services = wait_for(beta.mdns.browse, WAIT_S, "beta hears somebody")
    assert {service[1] for service in services} == {"eth0"}


# ---- who means no good ----


def test_a_name_that_somebody_else_claims_is_changed(make, world):
    lan, alpha, beta = make("alpha", "beta", settings=GOSSIP_ONLY)
    found_mesh(alpha, beta)
    wait_for(lambda: names_seen(beta) == {"alpha"}, WAIT_S, "beta sees alpha")
    alphas = lambda: [service[3] for service in beta.mdns.browse() if service[7] in alpha.host.underlay]
    before = wait_for(alphas, WAIT_S, "alpha is announced")[0]
    mallory = world.host("mallory")
    lan.attach(mallory)
    claim = mallory.start(*SAY, "--claim", "eth0", before, log=world.folder / "claim.log")
    # its old name is not taken back: whoever claims it has it now
    wait_for(lambda: set(alphas()) - {before}, WAIT_S, "alpha has another name")
    wait_for(lambda: names_seen(beta) == {"alpha"}, WAIT_S, "beta sees alpha by its new name")
    claim.signal(signal.SIGKILL)


def count_syns(host):
    text = host.output("cat", "/proc/net/snmp")
    heads, values = [line.split() for line in text.splitlines() if line.startswith("Tcp:")]
    return int(dict(zip(heads, values))["ActiveOpens"])


@pytest.mark.slow
def test_ten_thousand_announcements_are_bounded_and_members_are_found_all_the_same(make, world):
    lan, alpha, beta, gamma = make("alpha", "beta", "gamma", settings=GOSSIP_ONLY)
    found_mesh(alpha, beta, gamma)
    wait_for(lambda: names_seen(alpha) == {"beta", "gamma"}, WAIT_S, "alpha sees both")
    # anybody can repeat what a member says, and so pretend to be one
    service = wait_for(lambda: [line for line in beta.mdns.browse() if "m=" in line[9]], WAIT_S, "a member is announced")[0]
    txt = dict(part.split("=") for part in service[9].replace('"', "").split())
    mallory = world.host("mallory")
    lan.attach(mallory)
    start, before = time.monotonic(), count_syns(alpha.host)
    mallory.run(*SAY, "eth0", NOBODY, 8946, "-", "00" * 16, "stranger*10000")
    mallory.run(*SAY, "eth0", NOBODY, 8946, txt["s"], txt["m"], "forged*300")
    wait_for(lambda: alpha.status()["discovery"]["found"] > 100, WAIT_S, "the flood is seen")
    assert len(alpha.json("discover")["nodes"]) <= 512
    wait_for(lambda: alpha.sees(beta, gamma), WAIT_S, "the members are there all the same")
    gamma.stop()
    gamma.start()
    wait_for(lambda: alpha.sees(gamma), WAIT_S, "gamma is there again")
    elapsed = time.monotonic() - start
    # 8 at once and two a second to places that are hearsay, and what the mesh itself needs: not 10,300
    assert count_syns(alpha.host) - before < 8 + 3 * elapsed + 20
