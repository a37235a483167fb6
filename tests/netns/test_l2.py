"""Segments as people use them: real frames between real hosts, over real WireGuard and the kernel's VXLAN.

                 +---------+  eth0: the underlay   +---------+                      +---------+
    printer -----+  alpha  +-----------------------+  beta   +---- laptop           |  gamma  |
            eth1 +---------+                       +---------+ eth1                 +---------+
"""
import json
import signal

import pytest

from avahi import BROWSE_S, Mdns
from lan import wait_for
from mesh import Refused, World
from overlay import PING_TIMEOUT_S, kernel_traces
from segment import Listener, floods, has_link, mac_of, master_of, plug, send, tunnels

FOLLOW_S = 3  # the contract's: what members do is everywhere by then


@pytest.fixture(scope="module")
def site(tmp_path_factory, request):
    """A mesh that many tests share; each makes segments of its own."""
    world = World(tmp_path_factory.mktemp("site"))
    request.node.world = world
    try:
        _, world.alpha, world.beta, world.gamma = world.mesh("alpha", "beta", "gamma")
        world.members = [world.alpha, world.beta, world.gamma]
        world.printer, world.laptop = world.host("printer"), world.host("laptop")
        plug(world.alpha.host, "eth1", world.printer, "eth0")
        plug(world.beta.host, "eth1", world.laptop, "eth0")
        yield world
    finally:
        wrong = world.close()
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def segment(site, request):
    """The name of a segment of this test's own; it is gone after it, everywhere."""
    name = f"s{abs(hash(request.node.name)) % 10 ** 8}"
    yield name
    for host in (site.printer, site.laptop):
        host.run("ip", "address", "flush", "dev", "eth0", "scope", "global")
    if view(site.alpha, name):
        site.alpha.do("l2", "delete", name)
    for node in site.members:
        wait_for(lambda: not has_link(node.host, name), FOLLOW_S, f"{name} is gone on {node.name}")


def view(node, name):
    """A segment as `status` shows it; None."""
    return next((one for one in node.status()["l2"] if one["name"] == name), None)


def listed(node, name):
    return next(one for one in node.json("l2", "list")["segments"] if one["name"] == name)


def macs(node, name):
    """{MAC: name of the member where it is}"""
    return {mac["mac"]: mac["node"]["name"] for mac in listed(node, name)["macs"]}


def addresses(number):
    return [f"192.168.77.{number}", f"fd77::{number}"]


def attach(node, name, number=None, *ports):
    given = [f"--address={address}/{64 if ':' in address else 24}" for address in addresses(number)] if number else []
    node.do("l2", "attach", name, *given, *(f"--port={port}" for port in ports))


def pings(host, address, timeout=FOLLOW_S):
    wait_for(lambda: host.can_ping(address, PING_TIMEOUT_S), timeout, f"{host.name} pings {address}")


def give(host, number):
    for address in addresses(number):
        host.add_address(f"{address}/{64 if ':' in address else 24}")


def test_attached_hosts_ping_each_other_over_both_families(site, segment):
    site.alpha.do("l2", "create", segment)
    for number, node in enumerate(site.members, 1):
        attach(node, segment, number)
    for one in site.members:
        for number, other in enumerate(site.members, 1):
            if other is not one:
                for address in addresses(number):
                    pings(one.host, address)
    shown = view(site.beta, segment)
    assert shown["attached"] and shown["up"] and shown["members"] == 3 and shown["bridge"] == segment
    assert shown["interface"] == f"vx{shown['vni']}" and has_link(site.beta.host, shown["interface"])


@pytest.mark.anywhere
def test_broadcast_and_multicast_reach_all(site, segment):
    site.alpha.do("l2", "create", segment)
    for number, node in enumerate(site.members, 1):
        attach(node, segment, number)
    for group in ("192.168.77.255", "239.7.7.7", "ff02::7777"):
        listeners = [Listener(node.host, group, 7777, segment, site.folder) for node in (site.beta, site.gamma)]
        try:
            def all_have():
                send(site.alpha.host, group, 7777, segment, f"to {group}")
                return all(listener.has(f"to {group}") for listener in listeners)

            wait_for(all_have, FOLLOW_S, f"all hear what is sent to {group}")
        finally:
            for listener in listeners:
                listener.close()


def test_two_lans_are_one_through_their_ports(site, segment):
    site.alpha.do("l2", "create", segment)
    attach(site.alpha, segment, None, "eth1")
    attach(site.beta, segment, None, "eth1")
    give(site.printer, 11)
    give(site.laptop, 12)
    for address in addresses(12):
        pings(site.printer, address)
    assert master_of(site.alpha.host, "eth1") == segment
    assert listed(site.alpha, segment)["ports"] == ["eth1"]
    site.alpha.do("l2", "detach", segment)
    assert master_of(site.alpha.host, "eth1") is None
    assert not site.printer.can_ping(addresses(12)[0], 0.3)


@pytest.mark.anywhere
def test_a_dhcp_server_on_one_site_serves_a_host_on_another(site, segment):
    site.alpha.do("l2", "create", segment)
    attach(site.alpha, segment, 1)
    attach(site.beta, segment, None, "eth1")
    server = site.alpha.host.start("dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0", f"--interface={segment}",
                                   "--bind-interfaces", "--dhcp-range=192.168.77.100,192.168.77.150,1h", "--no-ping",
                                   "--leasefile-ro", log=site.folder / "dnsmasq.log")
    script = site.folder / "udhcpc"
    script.write_text('#!/bin/sh\n[ "$1" != bound ] || ip address add "$ip/24" dev "$interface"\n')
    script.chmod(0o755)
    try:
        site.laptop.run("udhcpc", "-i", "eth0", "-f", "-q", "-n", "-t", 20, "-T", 1, "-s", script)
    finally:
        server.signal(signal.SIGKILL)
        server.wait()
    assert [address for address in site.laptop.addresses() if address.startswith("192.168.77.1")]
    pings(site.laptop, addresses(1)[0])


@pytest.mark.anywhere
def test_a_service_that_avahi_publishes_is_found_on_the_other_site(site, segment):
    site.alpha.do("l2", "create", segment)
    attach(site.alpha, segment, None, "eth1")
    attach(site.beta, segment, None, "eth1")
    give(site.printer, 11)
    give(site.laptop, 12)
    pings(site.laptop, addresses(11)[0])
    stacks = [Mdns(host, site.folder / f"mdns-{host.name}") for host in (site.printer, site.laptop)]
    for stack in stacks:
        stack.start()
    publisher = site.printer.start("avahi-publish", "-s", "inkjet", "_ipp._tcp", 631, log=site.folder / "publish.log")
    try:
        wait_for(lambda: ";192.168.77.11;631;" in site.laptop.run("timeout", BROWSE_S, "avahi-browse", "-rp", "_ipp._tcp",
                                                                  check=False).stdout, 15, "the laptop finds the printer")
    finally:
        publisher.signal(signal.SIGKILL)
        for stack in stacks:
            stack.stop_avahi(signal.SIGKILL)
            stack.stop_bus()


@pytest.mark.anywhere
def test_every_member_attaches_to_an_auto_segment_by_itself(site, segment):
    site.alpha.do("l2", "create", segment, "--auto")
    for node in site.members:
        wait_for(lambda: (view(node, segment) or {}).get("up"), FOLLOW_S, f"{node.name} has attached itself")
    with pytest.raises(Refused, match="attaches every member"):
        site.beta.do("l2", "detach", segment)
    for number, node in enumerate(site.members, 1):
        attach(node, segment, number)
    pings(site.gamma.host, addresses(2)[0])
    attach(site.beta, segment)  # without addresses: it has none any more
    assert site.beta.host.addresses(segment) == []
    site.alpha.do("l2", "delete", segment)
    for node in site.members:
        wait_for(lambda: not has_link(node.host, segment) and view(node, segment) is None, FOLLOW_S,
                 f"{node.name} has detached")


@pytest.mark.anywhere
def test_a_flooding_segment_tells_no_macs_and_works(site, segment):
    site.alpha.do("l2", "create", segment, "--flood")
    for number, node in enumerate(site.members, 1):
        attach(node, segment, number)
    pings(site.gamma.host, addresses(1)[0])
    pings(site.gamma.host, addresses(2)[1])
    assert macs(site.alpha, segment) == {}


@pytest.mark.anywhere
def test_the_mesh_says_where_a_mac_is_and_follows_it(site, segment):
    site.alpha.do("l2", "create", segment)
    attach(site.alpha, segment, 1, "eth1")
    attach(site.beta, segment, 2, "eth1")
    attach(site.gamma, segment, 3)
    give(site.printer, 11)
    pings(site.printer, addresses(3)[0])
    pings(site.printer, addresses(1)[0])  # alpha learns its address by talking to it
    mac = mac_of(site.printer, "eth0")
    vni = view(site.gamma, segment)["vni"]
    for node in site.members:
        wait_for(lambda: macs(node, segment).get(mac) == "alpha", FOLLOW_S, f"{node.name} knows where the printer is")
    wait_for(lambda: mac in tunnels(site.gamma.host, vni), FOLLOW_S, "gamma's kernel knows the printer")
    entry = next(one for one in listed(site.gamma, segment)["macs"] if one["mac"] == mac)
    wait_for(lambda: "192.168.77.11" in next(one for one in listed(site.gamma, segment)["macs"] if one["mac"] == mac)["ips"],
             FOLLOW_S, "its address is known, too")
    assert not entry["frozen"]
    shown = site.gamma.json("show", "alpha")
    assert mac in [one["mac"] for one in shown["macs"]] and segment in shown["segments"]
    # The printer is carried to the other site: another host with its MAC and addresses appears there.
    site.printer.run("ip", "link", "set", "eth0", "down")
    site.laptop.run("ip", "link", "set", "eth0", "down")
    site.laptop.run("ip", "link", "set", "eth0", "address", mac, "up")
    give(site.laptop, 11)
    before = mac_of(site.printer, "eth0")
    pings(site.laptop, addresses(3)[0])
    for node in site.members:
        wait_for(lambda: macs(node, segment).get(before) == "beta", FOLLOW_S, f"{node.name} knows where it is now")
    pings(site.gamma.host, addresses(11)[0])
    site.laptop.run("ip", "link", "set", "eth0", "address", "02:00:00:00:77:12")
    site.printer.run("ip", "link", "set", "eth0", "up")


@pytest.mark.anywhere
def test_two_hosts_with_one_mac_are_both_reached_and_told_of(site, segment):
    site.alpha.do("l2", "create", segment)
    attach(site.alpha, segment, None, "eth1")
    attach(site.beta, segment, None, "eth1")
    attach(site.gamma, segment, 3)
    mac, before = mac_of(site.printer, "eth0"), mac_of(site.laptop, "eth0")
    site.laptop.run("ip", "link", "set", "eth0", "down")
    site.laptop.run("ip", "link", "set", "eth0", "address", mac, "up")
    give(site.printer, 11)
    give(site.laptop, 12)

    def is_frozen():
        for host in (site.printer, site.laptop):
            host.can_ping(addresses(3)[0], 0.3)
        return any(one["mac"] == mac and one["frozen"] for one in listed(site.gamma, segment)["macs"])

    wait_for(is_frozen, 20, "gamma knows that there are two")
    vni = view(site.gamma, segment)["vni"]
    wait_for(lambda: mac not in tunnels(site.gamma.host, vni), FOLLOW_S, "neither is preferred")
    for address in [*addresses(11), *addresses(12)]:
        pings(site.gamma.host, address)
    site.laptop.run("ip", "link", "set", "eth0", "address", before)


@pytest.mark.anywhere
def test_two_hosts_with_one_address_are_both_asked(site, segment):
    site.alpha.do("l2", "create", segment)
    for number, (node, host) in enumerate(((site.alpha, site.printer), (site.beta, site.laptop)), 1):
        attach(node, segment, number, "eth1")
        give(host, 11)
        pings(host, addresses(number)[0])  # its member learns its address by talking to it
    attach(site.gamma, segment, 3)
    with_it = lambda: [one for one in listed(site.gamma, segment)["macs"] if addresses(11)[0] in one["ips"]]
    wait_for(lambda: len(with_it()) == 2, FOLLOW_S, "both are told of")
    known = lambda: json.loads(site.gamma.host.output("ip", "-json", "neighbour", "show", "dev", segment))
    wait_for(lambda: not [entry for entry in known() if entry["dst"] == addresses(11)[0] and "extern_learn" in entry], FOLLOW_S,
             "gamma answers for neither")
    pings(site.gamma.host, addresses(11)[0])


@pytest.mark.anywhere
def test_who_detaches_or_comes_back_is_nobodys_flood_target_within_three_seconds(site, segment):
    site.alpha.do("l2", "create", segment)
    for number, node in enumerate(site.members, 1):
        attach(node, segment, number)
    vni = view(site.alpha, segment)["vni"]
    for node in site.members:
        wait_for(lambda: len(floods(node.host, vni)) == 2, FOLLOW_S, f"{node.name} floods to two")
    site.gamma.do("l2", "detach", segment)
    assert not has_link(site.gamma.host, segment) and not has_link(site.gamma.host, f"vx{vni}")
    for node in (site.alpha, site.beta):
        wait_for(lambda: len(floods(node.host, vni)) == 1 and view(node, segment)["members"] == 2, FOLLOW_S,
                 f"{node.name} floods to one")
    assert "was not on" in site.gamma.do("l2", "detach", segment)  # once more
    attach(site.gamma, segment, 3)
    pings(site.alpha.host, addresses(3)[0])


@pytest.mark.anywhere
def test_attachments_are_there_again_after_restarts_and_crashes(site, segment):
    site.alpha.do("l2", "create", segment)
    attach(site.alpha, segment, 1)
    attach(site.beta, segment, 2, "eth1")
    give(site.laptop, 12)
    pings(site.alpha.host, addresses(12)[0])
    traffic = site.alpha.traffic(addresses(12)[0])
    traffic.wait_replies(10)
    site.beta.restart()
    traffic.wait_replies(30)
    site.beta.kill()
    traffic.wait_replies(30)
    site.beta.start()
    wait_for(lambda: view(site.beta, segment)["up"], 10, "the segment is up again")
    traffic.wait_replies(30)
    sent, lost = traffic.stop()
    assert lost == [], f"{len(lost)} of {sent} pings lost"


@pytest.mark.anywhere
def test_attachments_are_there_again_after_a_boot(site, segment):
    site.alpha.do("l2", "create", segment)
    attach(site.alpha, segment, 1)
    attach(site.beta, segment, 2, "eth1")
    give(site.laptop, 12)
    vni = view(site.beta, segment)["vni"]
    site.beta.stop()
    for dev in (segment, f"vx{vni}", "mesh0"):
        site.beta.host.run("ip", "link", "delete", dev)
    wait_for(lambda: kernel_traces(site.beta) == [], 5, "beta's host is as after a boot")
    site.beta.start()
    wait_for(lambda: view(site.beta, segment)["up"], 10, "the segment is up again")
    assert sorted(site.beta.host.addresses(segment)) == sorted(addresses(2))
    pings(site.alpha.host, addresses(12)[0], 10)


@pytest.mark.anywhere
def test_bad_input_changes_nothing(site, segment):
    alpha = site.alpha
    alpha.do("l2", "create", segment, "--vni", "777")
    overlay = f"{alpha.addresses()[1]}/24"
    alpha.host.run("ip", "link", "add", "br9", "type", "bridge")
    alpha.host.run("ip", "link", "add", "eth9", "type", "veth", "peer", "name", "eth8")
    alpha.host.run("ip", "link", "set", "eth9", "master", "br9")
    before = alpha.host.output("ip", "-oneline", "link"), alpha.json("l2", "list")
    for arguments, told in (
            (("attach", "nothere"), "no segment `nothere`"),
            (("attach", segment, "--port", "nothere"), "nothere"),
            (("attach", segment, "--port", "eth9"), "br9"),
            (("attach", segment, "--port", "eth0"), "eth0"),
            (("attach", segment, "--port", "mesh0"), "mesh0"),
            (("attach", segment, "--port", "lo"), "lo"),
            (("attach", segment, "--port", "eth1", "--port", "eth1"), "twice"),
            (("attach", segment, "--address", overlay), "overlay"),
            (("attach", segment, "--address", "192.0.2.77/24"), "eth0"),
            (("attach", segment, "--address", "224.0.0.1/24"), "224.0.0.1"),
            (("attach", "eth0/1"), "name"),
            (("attach", segment, "--address", "192.168.7.0/24"), "192.168.7.0"),
            (("create", segment), segment),
            (("create", "other", "--vni", "777"), segment),
            (("create", "eth0/1"), "name"),
            (("delete", "nothere"), "nothere"),
            (("detach", "nothere"), "nothere")):
        status, out, err = alpha.meshctl("l2", *arguments)
        assert status in (1, 2) and told in err and err.count("\n") == 1, (arguments, status, err)
    assert (alpha.host.output("ip", "-oneline", "link"), alpha.json("l2", "list")) == before
    alpha.host.run("ip", "link", "delete", "br9")
    alpha.host.run("ip", "link", "delete", "eth9")
    # What bears the bridge's name already is somebody else's.
    alpha.host.run("ip", "link", "add", segment, "type", "bridge")
    with pytest.raises(Refused, match=f"{segment}.*not meshd's"):
        alpha.do("l2", "attach", segment)
    alpha.host.run("ip", "link", "delete", segment)
    assert not view(alpha, segment)["attached"]
    # Two segments do not share a network.
    attach(alpha, segment, 1)
    alpha.do("l2", "create", "other1")
    with pytest.raises(Refused, match=segment):
        alpha.do("l2", "attach", "other1", "--address", "192.168.77.9/16")
    alpha.do("l2", "delete", "other1")


@pytest.mark.anywhere
def test_addresses_and_ports_are_those_that_were_given_last(site, segment):
    alpha = site.alpha
    alpha.do("l2", "create", segment)
    attach(alpha, segment, 1, "eth1")
    assert sorted(alpha.host.addresses(segment)) == sorted(addresses(1)) and master_of(alpha.host, "eth1") == segment
    attach(alpha, segment, 2)
    assert sorted(alpha.host.addresses(segment)) == sorted(addresses(2)) and master_of(alpha.host, "eth1") is None
    # What the kernel refuses, nothing before that knew of: all is as it was.
    alpha.host.run("ip", "tuntap", "add", "dev", "tun9", "mode", "tun")
    with pytest.raises(Refused, match="tun9"):
        alpha.do("l2", "attach", segment, "--port", "tun9")
    alpha.host.run("ip", "link", "delete", "tun9")
    assert listed(alpha, segment)["ports"] == [] and listed(alpha, segment)["addresses"] != []
    wait_for(lambda: sorted(alpha.host.addresses(segment)) == sorted(addresses(2)) and view(alpha, segment)["up"], FOLLOW_S,
             "the bridge is as it was")
    checks = [check for check in alpha.json("doctor")["checks"] if check["check"] == "segments"]
    assert [check["state"] for check in checks] == ["ok"]


@pytest.mark.anywhere
def test_only_admins_make_and_delete_segments(site, segment):
    with pytest.raises(Refused, match="admin"):
        site.beta.do("l2", "create", segment)
    site.alpha.do("l2", "create", segment)
    with pytest.raises(Refused, match="admin"):
        site.beta.do("l2", "delete", segment)


@pytest.mark.anywhere
def test_what_happens_to_segments_is_told(site, segment):
    site.alpha.do("l2", "create", segment)
    attach(site.beta, segment)
    site.alpha.do("l2", "delete", segment)

    def told():
        lines = [event for event in site.gamma.events() if event["event"] == "segment" and segment in json.dumps(event)]
        return len(lines) >= 3 and lines

    wait_for(told, FOLLOW_S, "gamma tells of it")
    assert "segment" in site.gamma.do("events")


@pytest.mark.anywhere
def test_a_host_without_a_data_plane_attaches_to_nothing(world):
    _, alpha = world.nodes_on_lan("alpha", settings={"wireguard.backend": "none"})
    alpha.start()
    with pytest.raises(Refused, match="no mesh"):
        alpha.do("l2", "attach", "lan0")
    alpha.init()
    alpha.do("l2", "create", "lan0")
    with pytest.raises(Refused, match="backend"):
        alpha.do("l2", "attach", "lan0")
    assert not view(alpha, "lan0")["attached"]


@pytest.mark.anywhere
def test_who_leaves_or_is_revoked_is_off_its_segments(world):
    _, alpha, beta, gamma = world.mesh("alpha", "beta", "gamma")
    alpha.do("l2", "create", "lan0", "--auto")
    for node in (alpha, beta, gamma):
        wait_for(lambda: (view(node, "lan0") or {}).get("up"), FOLLOW_S, f"{node.name} is attached")
    vni = view(alpha, "lan0")["vni"]
    wait_for(lambda: len(floods(alpha.host, vni)) == 2, FOLLOW_S, "alpha floods to both")
    gamma.do("leave")
    wait_for(lambda: len(floods(alpha.host, vni)) == 1, FOLLOW_S, "alpha floods to beta alone")
    assert not has_link(gamma.host, "lan0") and not has_link(gamma.host, f"vx{vni}")
    alpha.do("revoke", "beta")
    wait_for(lambda: floods(alpha.host, vni) == [], FOLLOW_S, "alpha floods to nobody")
    wait_for(lambda: not has_link(beta.host, "lan0"), 10, "beta has been told, and its bridge is gone")
    assert view(alpha, "lan0")["members"] == 1


@pytest.mark.anywhere
def test_segments_work_over_an_overlay_of_ipv4_alone(world):
    _, alpha, beta = world.nodes_on_lan("alpha", "beta")
    for node in (alpha, beta):
        node.host.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
        node.start()
    alpha.init()
    beta.join(alpha.invite())
    alpha.do("l2", "create", "lan0")
    for number, node in enumerate((alpha, beta), 1):
        node.do("l2", "attach", "lan0", "--address", f"192.168.77.{number}/24")
    pings(alpha.host, "192.168.77.2")


@pytest.mark.slow
def test_a_node_that_is_restored_is_on_its_segments_again(world, tmp_path):
    lan, alpha, beta = world.mesh("alpha", "beta")
    alpha.do("l2", "create", "lan0")
    for number, node in enumerate((alpha, beta), 1):
        attach(node, "lan0", number)
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse battery staple\n")
    beta.do("backup", tmp_path / "beta.backup", "--passphrase-file", secret)
    beta.host.close()
    host = world.host("spare")
    lan.attach(host)
    spare = world.node(host)
    spare.start()
    spare.do("restore", tmp_path / "beta.backup", "--passphrase-file", secret)
    wait_for(lambda: view(spare, "lan0")["up"], 10, "it is on the segment again")
    assert sorted(spare.host.addresses("lan0")) == sorted(addresses(2))
    pings(alpha.host, addresses(2)[0], 15)
    spare.restart()
    wait_for(lambda: view(spare, "lan0")["up"], 10, "and after a restart")
    assert listed(spare, "lan0")["addresses"] == ["192.168.77.2/24", "fd77::2/64"]
