"""`ping`, `why`, `debug dump` and `doctor`: what is wrong is found, named, and told what to do about."""
import json
import signal

import pytest

from lan import wait_for
from mesh import BACKEND, BUILD, INTERFACE, Refused
from overlay import wg_show

NO_DATA_PLANE = pytest.mark.skipif(BACKEND != "userspace", reason="no data plane has a part in it")
# Each asks a dozen times: that takes long on the emulated machine, and the backend has little to do with it.
SLOW_THERE = pytest.mark.skipif(BACKEND != "userspace", reason="little of it is the backend's")


def why(node, *names):
    """(exit status, the document)"""
    status, out, err = node.meshctl("--json", "why", *names)
    assert status in (0, 1) and out, err
    return status, json.loads(out)


def cause(node, *names):
    """(step, finding and advice) of the first cause, and the document."""
    status, document = why(node, *names)
    assert status == 1, document
    return document["cause"]["step"], f'{document["cause"]["finding"]} -> {document["cause"]["advice"]}', document


def states(document):
    """step: its states"""
    found = {}
    for step in document["steps"]:
        found.setdefault(step["step"], []).append(step["state"])
    return found


def drop(node, *rules):
    """Firewall rules on the node's host; undone by accept()."""
    text = "".join(f"add chain inet test {chain} {{ type filter hook {chain} priority 0; }}\n" for chain in ("input", "output"))
    text += "".join(f"add rule inet test {chain} {rule}\n" for chain, rule in rules)
    node.host.run("nft", "-f", "-", input="add table inet test\n" + text)


def accept(node):
    node.host.run("nft", "delete", "table", "inet", "test")


@pytest.mark.anywhere
def test_ping_reaches_a_node_on_every_layer_and_says_which_is_silent(world):
    _, alpha, beta = world.mesh("alpha", "beta")
    alpha.pings(beta, 20)
    document = alpha.json("ping", "--count", 2, "beta")
    assert document["node"]["name"] == "beta" and len(document["rounds"]) == 2
    assert set(document["layers"]) == {"gossip", "ipv6", "ipv4"}
    for layer in document["layers"].values():
        assert layer["sent"] == layer["received"] == 2 and 0 < layer["min_ms"] <= layer["mean_ms"] <= layer["max_ms"] < 1000
    text = alpha.do("ping", "--count", 1, "beta")
    assert "gossip" in text and "1 of 1 answered" in text and "handshake" in text

    # by a socket for echoes alone, where whoever runs it may have one; without any right it says so
    alone = ["setpriv", "--inh-caps=-all", "--bounding-set=-net_raw", BUILD / "meshctl", "--socket", alpha.socket, "ping", "--count", 1, "beta"]
    done = alpha.host.run(*alone, check=False)
    assert done.returncode == 1 and "you may send no echoes: run it as root" in done.stdout, done
    assert "gossip  1 of 1 answered" in done.stdout
    alpha.host.run("sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647")
    assert alpha.host.run(*alone).stdout.count("1 of 1 answered") == 3

    # an IPv4 echo that is held back over there, and nothing else
    drop(beta, ("input", f'iifname "{INTERFACE}" icmp type echo-request drop'))
    status, out, err = alpha.meshctl("--json", "ping", "--count", 1, "beta")
    layers = json.loads(out)["layers"]
    assert status == 1 and "does not answer over IPv4" in err and "meshctl why beta" in err
    assert (layers["gossip"]["received"], layers["ipv6"]["received"], layers["ipv4"]["received"]) == (1, 1, 0)
    accept(beta)

    # no daemon there: the overlay goes on
    beta.stop()
    status, out, err = alpha.meshctl("--json", "ping", "--count", 1, "beta")
    layers = json.loads(out)["layers"]
    assert status == 1 and "does not answer over gossip" in err
    assert (layers["gossip"]["received"], layers["ipv6"]["received"], layers["ipv4"]["received"]) == (0, 1, 1)

    for wrong in ("alpha", "nobody"):
        with pytest.raises(Refused) as refused:
            alpha.do("ping", wrong)
        assert refused.value.status == 1
    assert alpha.meshctl("ping", "--count", "0", "beta")[0] == 2


@SLOW_THERE
def test_why_finds_the_one_thing_that_is_wrong(world):
    _, alpha, beta, gamma = world.mesh("alpha", "beta", "gamma")
    alpha.pings(beta, 20)
    wait_for(lambda: states(why(alpha, "beta")[1])["records"] == ["ok"], 10, "beta says which records it holds")
    status, document = wait_for(lambda: (found := why(alpha, "beta"))[0] == 0 and found, 10, "all is well")
    assert document["reachable"] is True and document["cause"] is None, document
    steps = states(document)
    on = document["steps"][-1]["finding"]
    alpha.host.run("sysctl", "-qw", f"net.ipv4.ip_forward={0 if 'IPv4 is on' in on else 1}")
    assert why(alpha, "beta")[1]["steps"][-1]["finding"].split(", ")[0] != on.split(", ")[0], "forwarding is as it is"
    assert set(steps) == {"daemon", "membership", "liveness", "gossip", "records", "endpoints", "interface", "peer",
                          "handshake", "route", "mtu", "echo", "path-mtu", "firewall", "forwarding"}
    assert all(state == "ok" for step in steps.values() for state in step), document
    assert "alpha and beta can talk." in alpha.do("why", "beta")
    # the other way round it is the same, also with this node named
    assert why(alpha, "beta", "alpha")[1]["from"]["self"] is True

    # somebody else's route takes the traffic
    address = beta.addresses()[1]
    alpha.host.run("ip", "route", "add", f"{address}/32", "via", "192.0.2.12")
    step, text, _ = cause(alpha, "beta")
    assert step == "route" and f"ip route get {address}" in text
    alpha.host.run("ip", "route", "delete", f"{address}/32")

    # a firewall on the overlay, over there
    drop(beta, ("input", f'iifname "{INTERFACE}" drop'))
    step, text, document = cause(alpha, "beta")
    assert step == "echo", text
    assert states(document)["handshake"] == ["ok"] and states(document)["firewall"] == ["failed"]
    assert document["reachable"] is False
    accept(beta)

    # a network in between that drops what is large
    drop(beta, ("input", "meta length > 1300 udp dport 51820 drop"), ("output", "meta length > 1300 udp dport 51820 drop"))
    step, text, _ = cause(alpha, "beta")
    assert step == "path-mtu" and "mtu" in text
    accept(beta)

    # one of two others: what a third knows, and what it cannot
    status, document = why(alpha, "beta", "gamma")
    assert status == 0 and document["reachable"] is None
    assert states(document)["tunnel"] == ["unknown"] and "on beta: `meshctl why gamma`" in json.dumps(document)

    # no daemon there: they talk, and that is said, too
    beta.stop()
    status, text, _ = alpha.meshctl("why", "beta")
    assert status == 1 and "can talk; but something is wrong" in text and "does not answer now" in text
    beta.start()

    # expelled, with the reason
    alpha.do("revoke", "gamma", "--reason", "stolen")
    step, text, _ = cause(alpha, "gamma")
    assert step == "membership" and "stolen" in text and "can `meshctl keep`" in text


@SLOW_THERE
def test_why_tells_a_closed_wireguard_port_from_a_host_that_is_down(world):
    _, alpha, beta = world.nodes_on_lan("alpha", "beta")
    # from the beginning, so that there never is a session
    drop(beta, ("input", "udp dport 51820 drop"), ("output", "udp dport 51820 drop"))
    for node in (alpha, beta):
        node.start()
    alpha.init()
    beta.join(alpha.invite())
    wait_for(lambda: alpha.sees(beta) and beta.sees(alpha), 15, "they know each other")
    wait_for(lambda: wg_show(alpha, "peers") is not None and beta.wg_key() in alpha.wg_peers(), 15, "alpha has the peer")
    step, text, document = cause(alpha, "beta")
    assert step == "handshake" and "let UDP port 51820 in on beta" in text and "gossip gets through" in text
    steps = states(document)
    assert steps["liveness"] == steps["gossip"] == steps["endpoints"] == steps["route"][:1] == ["ok"]
    assert steps["firewall"] == ["unknown"]
    accept(beta)
    wait_for(lambda: why(alpha, "beta")[0] == 0, 30, "they talk")


@SLOW_THERE
def test_why_says_that_two_have_no_kind_of_address_in_common(world):
    lan = world.lan()
    alpha, beta, gamma = [world.node(world.host(name)) for name in ("alpha", "beta", "gamma")]
    lan.attach(alpha.host)
    lan.attach(beta.host, prefix6=None)
    lan.attach(gamma.host, prefix4=None)
    for node in (alpha, beta, gamma):
        node.start()
    alpha.init()
    for node in (beta, gamma):
        node.join(alpha.invite())
    wait_for(lambda: beta.sees(gamma) and gamma.sees(beta), 30, "they know each other through alpha")
    wait_for(lambda: states(why(alpha, "beta", "gamma")[1]).get("path") == ["failed"], 15, "alpha knows where both are")
    assert "no kind of address in common" in cause(alpha, "beta", "gamma")[1]
    wait_for(lambda: states(why(beta, "gamma")[1]).get("endpoints") == ["failed"], 15, "beta knows where gamma is")
    step, text, _ = cause(beta, "gamma")
    assert step in ("gossip", "endpoints"), text
    assert "this host has no route to any of that -> `ip route` here" in "\n".join(
        f'{step["finding"]} -> {step["advice"]}' for step in why(beta, "gamma")[1]["steps"])


@NO_DATA_PLANE
def test_why_asks_for_nothing_that_is_not_there(world):
    nodes = world.nodes_on_lan("alpha", "beta", settings={"wireguard.backend": "none"})[1:]
    alpha, beta = nodes
    for node in nodes:
        node.start()
    status, _, err = alpha.meshctl("why", "beta")
    assert status == 1 and "in no mesh" in err
    alpha.init()
    beta.join(alpha.invite())
    wait_for(lambda: alpha.sees(beta), 15, "they know each other")
    step, text, _ = cause(alpha, "beta")
    assert step == "interface" and "gossip only" in text
    assert alpha.json("ping", "--count", 1, "beta")["layers"]["gossip"]["received"] == 1
    for arguments in (("nobody",), ("beta", "nobody"), ("alpha",), ("beta", "beta")):
        status, _, err = alpha.meshctl("why", *arguments)
        assert status == 1 and err.startswith("meshctl: "), arguments


@SLOW_THERE
def test_a_dump_has_what_a_bug_report_needs(world):
    _, alpha, beta = world.mesh("alpha", "beta")
    alpha.pings(beta, 20)
    alpha.do("kv", "put", "site/x", "the value is nobody's business")

    def dumped():
        """It is the same in both forms, but for what changes meanwhile: records do, too, when two have just met."""
        text = alpha.do("debug", "dump")
        assert "nobody's business" not in text
        dump = json.loads(text)
        return dump == {**json.loads(alpha.do("--json", "debug", "dump")), **{
            name: dump[name] for name in ("time", "gossip", "detection", "status", "observed", "disk", "plan")}} and dump

    dump = wait_for(dumped, 10, "both forms are the same")
    kinds = [record["type"] for record in dump["store"]["records"]]
    assert len(kinds) == dump["store"]["count"] == dump["status"]["store"]["records"]
    assert {"charter", "admission", "descriptor", "value"} <= set(kinds)
    assert [record["key"] for record in dump["store"]["records"] if record["type"] == "value"] == ["site/x"]
    for side in (dump["plan"], dump["observed"]["wireguard"]):
        assert [peer["public_key"] for peer in side["peers"]] == [beta.wg_key()]
        assert sorted(side["peers"][0]["allowed"]) == sorted(beta.status()["node"]["addresses"])
    assert dump["plan"]["mtu"] == dump["status"]["wireguard"]["mtu"]
    done = "\n".join(operation["text"] for operation in dump["last_operations"])
    assert "adding route" in done and "1 peers added" in done
    assert dump["last_errors"] == [] and dump["failing"] == []

    # a segment that both are on
    alpha.do("l2", "create", "lan0")
    for node in (alpha, beta):
        wait_for(lambda: "lan0" in node.do("l2", "list"), 10, f"{node.name} knows the segment")
        node.do("l2", "attach", "lan0")
    segments = {segment["name"]: segment for segment in alpha.json("debug", "dump")["segments"]}
    assert set(segments) == {None, "lan0"} and any("devices" in done["text"] for done in segments["lan0"]["last_operations"])
    wait_for(lambda: states(why(alpha, "beta")[1]).get("segments") == ["ok"], 20, "why tells of the segment")

    # what the kernel refuses stands there, in its own words, until it does not any more
    prefix = next(route for route in dump["plan"]["routes"] if "." in route)
    alpha.host.run("ip", "route", "replace", prefix, "dev", "eth0")  # at once: what is deleted meshd puts back
    failing = wait_for(lambda: alpha.json("debug", "dump")["failing"], 10, "it is refused")
    assert failing[0]["object"] == "route4" and "File exists" in failing[0]["text"]
    assert "File exists" in alpha.json("debug", "dump")["last_errors"][-1]["text"]
    alpha.host.run("ip", "route", "delete", prefix, "dev", "eth0")
    wait_for(lambda: alpha.json("debug", "dump")["failing"] == [], 40, "it is as planned again")


@SLOW_THERE
def test_doctor_says_what_to_do_about_each_finding(world):
    _, alpha, beta = world.mesh("alpha", "beta", settings={"metrics.listen": "127.0.0.1:9586"})

    def doctor():
        return {check["check"]: check for check in alpha.json("doctor")["checks"]}

    wait_for(lambda: "of 1 other members all answer" in doctor()["members"]["finding"], 10, "beta answers")
    checks = doctor()
    assert {"wireguard", "clock", "ipv6", "forwarding", "avahi", "daemon", "socket", "files", "ports", "interface", "mtu",
            "disk", "members", "metrics"} <= set(checks)
    assert "http://127.0.0.1:9586/metrics" in checks["metrics"]["finding"]

    # somebody who takes routes away, until he is told not to
    alpha.host.run("sh", "-c", "mkdir -p /run/systemd/netif && touch /run/systemd/netif/state && mount -t tmpfs tmpfs /etc/systemd")
    networkd = next(check for check in alpha.json("doctor")["checks"] if check["check"] == "networkd")
    assert networkd["state"] == "warn" and "networkd.conf.d/meshd.conf" in networkd["advice"]
    alpha.host.run("sh", "-c", "mkdir /etc/systemd/networkd.conf.d && "
                   "printf '[Network]\nManageForeignRoutes=no\n' >/etc/systemd/networkd.conf.d/any.conf")
    networkd = next(check for check in alpha.json("doctor")["checks"] if check["check"] == "networkd")
    assert networkd["state"] == "ok"

    # everything at once that can be wrong without taking the daemon down
    beta.kill()
    alpha.host.run("chmod", "o+rw", alpha.socket)
    alpha.host.run("chmod", "g+r", alpha.state / "keys")
    alpha.configure({"metrics.listen": "192.0.2.200:9586", "gossip.listen": "[::]:9999", "gossip.mdns": "true"})
    alpha.signal(signal.SIGHUP)
    wait_for(lambda: not alpha.sees(beta) and alpha.sees(beta, state="dead"), 40, "beta is dead")
    status, out, _ = alpha.meshctl("--json", "doctor")
    checks = json.loads(out)["checks"]
    found = {check["check"] for check in checks if check["state"] != "ok"}
    assert status == 1 and {"socket", "files", "members", "warning"} <= found
    assert [check for check in checks if check["state"] != "ok" and not check["advice"]] == []
    text = "\n".join(check["finding"] for check in checks if check["check"] == "warning")
    assert "members are not looked for on the LAN" in text
    # its host is gone, too
    for pid in beta.host.pids("wireguard-go"):
        world.kill(pid)
    step, text_of_it, document = cause(alpha, "beta")
    assert step == "liveness" and "systemctl status meshd" in text_of_it
    assert states(document)["gossip"] == ["failed"] and document["reachable"] is False
    assert "metrics are not served on 192.0.2.200:9586" in text and "a restart is needed for [gossip] listen" in text
    alpha.host.run("chmod", "0600", alpha.state / "keys")
