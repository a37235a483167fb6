"""What scripts hold on to, verb by verb: with --json one document on standard output and nothing else."""
import json

import pytest

from lan import wait_for
from mesh import BACKEND, BUILD

pytestmark = pytest.mark.skipif(BACKEND != "userspace", reason="has nothing to do with the data plane")
MEMBER = {"id", "name", "state", "self", "admin", "tags", "addresses", "endpoints", "rtt_ms", "since", "wireguard"}
LONG_ENDPOINTS = [word for number in range(3) for word in ("--endpoint", f"[2001:db8:1234:5678:9abc:def0:1234:{number}]:18946")]


class Scripted:
    """A node as a script uses it; `done` are the verbs that it has."""

    def __init__(self, node, done):
        self.node, self.done = node, done

    def __call__(self, verb, *arguments, status=0, input=None):
        self.done.add(verb)
        found, out, err = self.node.meshctl("--json", *verb.split(), *arguments, input=input)
        assert found == status, (verb, arguments, found, out, err)
        assert status or err == "", (verb, err)
        return json.loads(out)


@pytest.fixture
def pair(world):
    _, *nodes = world.nodes_on_lan("alpha", "beta")
    for node in nodes:
        node.start()
    done = set()
    return [Scripted(node, done) for node in nodes]


def first_line(scripted, *arguments, tmp_path):
    """Of a stream without end, which is ended then."""
    log = tmp_path / "stream"
    node = scripted.node
    stream = node.host.start(BUILD / "meshctl", "--socket", node.socket, "--json", *arguments, log=log)
    wait_for(lambda: "\n" in log.read_text(), 10, "a first line")
    assert stream.running()
    node.host.run("pkill", "-x", "meshctl")
    scripted.done.add(" ".join(arguments[:2]))
    return json.loads(log.read_text().splitlines()[0])


def found_and_join(alpha, beta):
    assert set(alpha("init", "--name", "one", "--mesh", "home", "--prefix4", "10.99.0.0/16")) >= {"node", "mesh", "warnings"}
    invite = alpha("invite", *LONG_ENDPOINTS, "--node-name", "two")
    assert set(invite) == {"token", "id", "expires", "uses"} and invite["uses"] == 1
    assert invite["token"].startswith("mesh1_") and len(invite["token"]) < 600
    assert alpha("uninvite", invite["id"][:12]) == {"id": invite["id"]}
    joined = beta("join", "-", "--name", "two", "--timeout", "20s", input=alpha("invite")["token"])
    assert joined["node"]["name"] == "two" and joined["mesh"]["name"] == "home"
    assert len(alpha("invites")["invites"]) >= 2


def look(alpha):
    assert {member["name"] for member in alpha("status")["members"]} == {"one", "two"}
    shown = alpha("show", "two")
    assert set(shown) >= MEMBER and alpha("show", shown["id"][:6])["id"] == shown["id"]
    assert alpha("discover")["mdns"] == "off"
    wait_for(lambda: alpha.node.meshctl("why", "two")[0] == 0, 10, "all is well between them")
    assert alpha("ping", "--count", "1", "two")["layers"]["gossip"]["received"] == 1
    assert alpha("why", "two")["reachable"] is True
    assert set(alpha("debug dump")) >= {"status", "store", "plan", "observed", "last_operations", "last_errors"}
    assert alpha("doctor")["checks"]
    node = alpha.node
    lines = [json.loads(line) for line in node.do("--json", "events").splitlines()]
    assert lines and all(set(line) >= {"time", "event"} for line in lines)
    alpha.done.add("events")


def keys_and_values(alpha, beta, tmp_path):
    put = alpha("kv put", "site/x", "-", input="value")
    assert set(put) == {"key", "author", "stamp"} and isinstance(put["stamp"], str)
    got = alpha("kv get", "site/x")
    assert set(got) == {"key", "value_base64", "author", "stamp"} and got["value_base64"] == "dmFsdWU="
    assert [entry["key"] for entry in alpha("kv list", "site/")["keys"]] == ["site/x"]
    item = first_line(alpha, "kv", "watch", "site/", tmp_path=tmp_path)
    assert set(item) == {"key", "value_base64", "author", "stamp", "cursor"} and isinstance(item["cursor"], str)
    assert alpha("kv del", "site/x")["key"] == "site/x"
    status, out, err = alpha.node.meshctl("--json", "kv", "get", "site/x")
    assert (status, out) == (1, "") and "site/x" in err


def segments(alpha):
    assert alpha("l2 create", "lan0", "--vni", "100", "--flood")["vni"] == 100
    assert alpha("l2 attach", "lan0", "--address", "192.168.7.1/24", "--address", "fd77::1/64")["attached"] is True
    segment, = alpha("l2 list")["segments"]
    assert segment["vni"] == 100 and segment["macs"] == []
    told, = alpha("status")["l2"]
    assert {**told, "members": 1} == {**told, "name": "lan0", "vni": 100, "interface": "vx100", "bridge": "lan0", "attached": True}
    assert alpha("l2 detach", "lan0")["name"] == alpha("l2 delete", "lan0")["name"] == "lan0"


def authority(alpha, beta):
    two = alpha("show", "two")["id"]
    for verb, office in (("grant", "writer"), ("ungrant", "writer")):
        assert alpha(verb, "two", office) == {"id": two, "name": "two"}
    assert alpha("keep", "two")["id"] == two
    assert beta("rotate")["rotated"] is True


def files(alpha, tmp_path):
    """The passphrase's file, and a backup."""
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse battery\n")
    options = ("--passphrase-file", passphrase)
    mesh = alpha("status")["mesh"]["id"]
    assert alpha("root export", tmp_path / "root", *options)["mesh"] == mesh
    assert alpha("root forget")["mesh"] == alpha("root import", tmp_path / "root", *options)["mesh"] == mesh
    assert set(alpha("backup", tmp_path / "backup", *options)) >= {"records", "bytes", "file"}
    return options


def test_every_verb_has_one_document_for_scripts(pair, tmp_path):
    alpha, beta = pair
    found_and_join(alpha, beta)
    look(alpha)
    keys_and_values(alpha, beta, tmp_path)
    segments(alpha)
    authority(alpha, beta)
    options = files(alpha, tmp_path)
    identity = alpha("status")["node"]["id"]
    assert alpha("revoke", "two", "--reason", "test")["name"] == "two"
    assert alpha("leave", "--force") == {"state": "unjoined"}
    assert alpha("restore", tmp_path / "backup", *options)["node"]["id"] == identity
    listed = alpha.node.do("--help").split("\nVerbs:\n")[1].split("\n\n")[0]
    assert {line[2:].split("  ")[0] for line in listed.splitlines()} == alpha.done
