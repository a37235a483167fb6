"""Members of this version and of the next one in one mesh; and what each version leaves on disk.

The next version is tests/next/next.c: this one, that says more than this one knows wherever more may be said, and
whose database is of a later version.
"""
import hashlib
import json
import socket
import sqlite3
import struct

import msgpack
import pytest

from lan import wait_for
from mesh import BUILD, all_ping

pytestmark = pytest.mark.anywhere

NEXT = BUILD / "tests" / "meshd-next"
DATABASE = "state.db"


def make_next(node, **env):
    """From its next start on it is of the next version."""
    node.program, node.env = NEXT, env


def make_this(node):
    node.program, node.env = None, {}


def settle(*nodes):
    for node in nodes:
        wait_for(lambda: node.sees(*nodes), 20, f"{node.name} sees everybody alive")
    wait_for(lambda: len({node.status()["store"]["digest"] for node in nodes}) == 1, 20, "all hold the same records")


def unknown_records(node):
    """Authors of the records of a type that this version does not know."""
    return {record["author"] for record in node.json("debug", "dump")["store"]["records"] if record["type"] == "unknown"}


def refused(node):
    counters = node.json("debug", "dump")["gossip"]
    return {name: counters[name] for name in ("refused_malformed", "records_refused", "statements_refused") if counters[name]}


def warnings(node):
    return [warning for warning in node.status()["warnings"] if "root key" not in warning]


def test_a_node_of_the_next_version_and_nodes_of_this_one_are_one_mesh(world):
    _, alpha, beta, gamma, delta = world.nodes_on_lan("alpha", "beta", "gamma", "delta")
    make_next(beta)
    for node in (alpha, beta, gamma, delta):
        node.start()
    alpha.init()
    beta.join(alpha.invite())
    settle(alpha, beta)
    alpha.do("grant", "beta", "admin")
    author = beta.status()["node"]["id"]
    # What this version has no name for it keeps, on disk as well, and tells others, while nobody else could.
    assert unknown_records(alpha) == {author}
    beta.stop()
    alpha.restart()
    gamma.join(alpha.invite())
    wait_for(lambda: unknown_records(gamma) == {author}, 10, "gamma has beta's record from alpha")
    # One of the next version lets one of this version in, with nobody else up.
    beta.start()
    settle(alpha, beta, gamma)
    token = beta.invite()
    alpha.stop()
    gamma.stop()
    delta.join(token)
    alpha.start()
    gamma.start()
    nodes = (alpha, beta, gamma, delta)
    settle(*nodes)
    all_ping(*nodes)
    # Keys and values both ways, and another WireGuard key on either side.
    alpha.do("kv", "put", "from/alpha", "1")
    beta.do("kv", "put", "from/beta", "2")
    for node in nodes:
        wait_for(lambda: node.do("kv", "list", "from/").count("from/") == 2, 5, f"{node.name} has both values")
    for node in (alpha, beta):
        assert node.json("rotate")["rotated"]
    settle(*nodes)
    all_ping(*nodes)
    # Who is of which version can be seen, and nothing of it was refused by anybody.
    assert alpha.json("show", "beta")["protocol"] == [1, 2] and "0.2.0, protocol 1 to 2" in alpha.do("show", "beta")
    assert alpha.json("show", "gamma")["protocol"] == [1, 1]
    assert [check["state"] for check in alpha.json("doctor")["checks"]
            if check["check"] == "versions" and "beta (0.2.0)" in check["finding"]] == ["ok"]
    assert "version" in [step["step"] for step in alpha.json("why", "beta")["steps"] if step["state"] == "ok"]
    for node in (alpha, gamma, delta):
        assert node.json("debug", "dump")["gossip"]["of_later_version"] > 0
    for node in nodes:
        assert not refused(node), f"{node.name}: {refused(node)}"
        assert not warnings(node)


def snapshot(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "lock" and not path.name.endswith("-shm")}


def test_members_become_of_the_next_version_one_by_one_and_lose_nothing(world):
    _, alpha, beta = world.mesh("alpha", "beta")
    alpha.do("kv", "put", "colour", "blue")
    settle(alpha, beta)
    identity = beta.status()["node"]
    traffic = alpha.traffic(beta.addresses()[0])
    traffic.wait_replies(10)
    for node in (beta, alpha):
        node.stop()
        make_next(node)
        node.start()
        settle(alpha, beta)
        assert node.do("kv", "get", "colour") == "blue"
    now = beta.status()["node"]
    assert all(now[key] == identity[key] for key in ("id", "name", "addresses", "wireguard_public_key"))
    # The way back is refused, whether it was stopped or killed, and nothing of its state is touched.
    for end in (beta.stop, beta.kill):
        end()
        before = snapshot(beta.state)
        make_this(beta)
        beta.start(wait=False)
        assert beta.process.wait() == 1
        assert "was written by a newer meshd" in beta.log_tail()
        assert snapshot(beta.state) == before
        make_next(beta)
        beta.start()
        settle(alpha, beta)
        assert beta.do("kv", "get", "colour") == "blue"
    traffic.wait_replies(10)
    sent, lost = traffic.stop()
    assert lost == [], f"{len(lost)} of {sent} pings lost"


# As the versions before this one made them.
VERSION_1 = """
    CREATE TABLE meta(key TEXT PRIMARY KEY, value NOT NULL);
    CREATE TABLE records(hash BLOB PRIMARY KEY, bytes BLOB NOT NULL);
    CREATE TABLE endpoints(id BLOB PRIMARY KEY, endpoint TEXT NOT NULL);
    PRAGMA user_version = 1;
"""
VERSION_2 = """
    CREATE TABLE meta(key TEXT PRIMARY KEY, value NOT NULL);
    CREATE TABLE records(hash BLOB PRIMARY KEY, bytes BLOB NOT NULL, number INTEGER NOT NULL DEFAULT 0,
                         sum INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE endpoints(id BLOB PRIMARY KEY, endpoint TEXT NOT NULL);
    PRAGMA user_version = 2;
"""


def row_sum(blob, body, number):
    digest = hashlib.blake2b(blob + body + struct.pack("<q", number), digest_size=16).digest()
    return struct.unpack("<q", digest[:8])[0]


def make_older(path, version):
    """The same content as an older version would have it."""
    now = sqlite3.connect(path)
    meta = now.execute("SELECT key, value FROM meta").fetchall()
    records = now.execute("SELECT hash, bytes, number, sum FROM records").fetchall()
    endpoints = now.execute("SELECT id, endpoint FROM endpoints").fetchall()
    now.close()
    assert all(row_sum(*row[:3]) == row[3] for row in records)
    path.unlink()
    older = sqlite3.connect(path)
    older.execute("PRAGMA journal_mode = WAL")
    older.executescript(VERSION_1 if version == 1 else VERSION_2)
    older.executemany("INSERT INTO meta VALUES(?, ?)", meta)
    older.executemany("INSERT INTO endpoints VALUES(?, ?)", endpoints)
    columns = 2 if version == 1 else 4
    older.executemany(f"INSERT INTO records VALUES({', '.join('?' * columns)})", [row[:columns] for row in records])
    older.commit()
    older.close()


def test_a_database_of_an_older_version_is_taken_over_by_a_start(world):
    _, alpha, beta = world.mesh("alpha", "beta")
    beta.do("kv", "put", "colour", "blue")
    settle(alpha, beta)
    identity = beta.status()["node"]
    for version in (1, 2):
        alpha.stop()
        beta.stop()
        make_older(beta.state / DATABASE, version)
        beta.start()
        # all by itself: nobody is there to bring anything back
        assert beta.do("kv", "get", "colour") == "blue"
        assert beta.status()["node"] == identity and "alpha" in beta.members()
        assert not warnings(beta)
        assert [path.name for path in beta.state.glob("*.damaged-*")] == []
        beta.do("kv", "put", "version", str(version))
        alpha.start()
        settle(alpha, beta)
        beta.pings(alpha)
        beta.kill()
        now = sqlite3.connect(beta.state / DATABASE)
        assert now.execute("PRAGMA user_version").fetchone() == (3,)
        assert now.execute("SELECT count(*) FROM attachments").fetchone() == (0,)
        now.close()
        beta.start()
        assert beta.do("kv", "get", "version") == str(version)


def say(node, verb, version=1, **arguments):
    """The daemon's answer to a request, of whatever version."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(node.socket))
        body = msgpack.packb({"v": version, "verb": verb, "args": arguments})
        connection.sendall(struct.pack(">I", len(body)) + body)
        stream = connection.makefile("rb")
        return msgpack.unpackb(stream.read(*struct.unpack(">I", stream.read(4))))


def test_a_meshctl_of_another_version_works_or_is_told_what_to_do(world):
    (_, alpha) = world.nodes_on_lan("alpha")
    alpha.start()
    for answer, name, words in (
            (say(alpha, "status", version=2), "version", ["another version of the control protocol", "restart meshd"]),
            (say(alpha, "a-verb-of-the-future"), "unknown", ["does not know that verb", "restart meshd"]),
            (say(alpha, "leave", later=True), "unknown", ["does not know that argument", "restart meshd"])):
        assert not answer["ok"] and answer["name"] == name and answer["exit"] == 1
        assert all(word in answer["error"] for word in words), answer
    # This meshctl, and a meshd of the next version.
    alpha.stop()
    make_next(alpha)
    alpha.start()
    alpha.init()
    assert alpha.status()["state"] == "running" and alpha.do("doctor") and alpha.do("show", "alpha")


@pytest.mark.slow
def test_a_member_that_cannot_be_understood_is_told_of_and_keeps_its_tunnels(world):
    _, alpha, beta = world.mesh("alpha", "beta")
    traffic = alpha.traffic(beta.addresses()[0])
    traffic.wait_replies(10)
    # It says that it will not speak this version any more, as those hear of it through others that it can still talk to.
    beta.stop()
    make_next(beta, MESHD_NEXT_LEAST="2")
    beta.start()
    settle(alpha, beta)
    wait_for(lambda: "beta (2 to 2)" in str(warnings(alpha)), 5, "alpha warns of beta's version")
    assert "other_version" in [event["event"] for event in alpha.events()]
    assert "speaks versions 2 to 2 of the protocol" in alpha.log.read_text()
    # And now it speaks another one only: neither can read the other, and both say so.
    beta.stop()
    make_next(beta, MESHD_NEXT_APART="1")
    beta.start()
    for node, other in ((alpha, beta), (beta, alpha)):
        wait_for(lambda: f"cannot be read, {other.name} among them" in str(warnings(node)), 40, f"{node.name} says why")
        assert "cannot be read: it may speak another version" in node.log.read_text()
        assert [check for check in node.json("doctor")["checks"]
                if "cannot be read" in check["finding"] and "update the older one" in check["advice"]]
        status, trace, _ = node.meshctl("--json", "why", other.name)
        assert status == 1
        steps = {step["step"]: step for step in json.loads(trace)["steps"]}
        assert steps["version"]["state"] == "failed" and "update the older one" in steps["version"]["advice"]
    beta.stop()
    make_next(beta)
    beta.start()
    settle(alpha, beta)
    assert not warnings(alpha) and not warnings(beta)
    sent, lost = traffic.stop()
    assert lost == [], f"{len(lost)} of {sent} pings lost"
