"""The key-value store: what one member writes, all have, for good; and whoever watches misses nothing."""
import base64
import json
import os
import signal
import subprocess

import pytest

from lan import TIME_SCALE, wait_for
from mesh import BUILD, Refused

NO_DATA_PLANE = {"wireguard.backend": "none"}
VALUE_MAX = 64 * 1024


def mesh(world, *names):
    _, *nodes = world.mesh(*names, settings=NO_DATA_PLANE)
    return nodes


def raw(node, *arguments, input=b""):
    """(status, stdout) of a meshctl, as bytes."""
    done = subprocess.run([*node.host.enter, BUILD / "meshctl", "--socket", node.socket, *arguments], input=input,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=30 * TIME_SCALE)
    return done.returncode, done.stdout


def get(node, key):
    """The value as bytes, or None."""
    status, value = raw(node, "kv", "get", "--", key)
    assert status in (0, 1)
    return value if status == 0 else None


def put(node, key, value):
    status, _ = raw(node, "kv", "put", "--", key, "-", input=value)
    assert status == 0


def refusal(node, *arguments, input=None):
    with pytest.raises(Refused) as caught:
        node.do("kv", *arguments, input=input)
    assert caught.value.status == 1
    return caught.value.text


def have(nodes, key, value, timeout=10):
    for node in nodes:
        wait_for(lambda: get(node, key) == value, timeout, f"{node.name} has {key}")


def agree(nodes):
    wait_for(lambda: len({node.status()["store"]["digest"] for node in nodes}) == 1, 20, "all hold the same records")


def decode(value_base64):
    return None if value_base64 is None else base64.b64decode(value_base64)


class Watch:
    """`meshctl --json kv watch` in the background."""

    def __init__(self, node, *arguments):
        self.log = node.folder / f"watch-{len(list(node.folder.glob('watch-*')))}"
        self.process = node.host.start(BUILD / "meshctl", "--socket", node.socket, "--json", "kv", "watch", *arguments,
                                       log=self.log)

    def lines(self):
        text = self.log.read_text()
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]

    def seen(self):
        """[(key, value or None)], in order."""
        return [(line["key"], decode(line["value_base64"])) for line in self.lines()]

    def wait_for(self, *entries, timeout=10):
        wait_for(lambda: set(entries) <= set(self.seen()), timeout, f"the watch shows {entries}")

    def end(self):
        self.process.signal(signal.SIGKILL)
        self.process.wait()


def test_what_one_member_puts_every_member_gets_byte_by_byte(world):
    nodes = alpha, beta, gamma = mesh(world, "alpha", "beta", "gamma")
    values = {"text": "grüße\n".encode(), "bytes": bytes(range(256)), "empty": b"", "big": os.urandom(VALUE_MAX),
              "-dash": b"-", "ein schlüssel": b"\0"}
    for (key, value), node in zip(values.items(), [alpha, beta, gamma, alpha, beta, gamma]):
        put(node, key, value)
        assert get(node, key) == value, "a member reads its own writes"
    for key, value in values.items():
        have(nodes, key, value)
    for node in nodes:
        document = node.json("kv", "list")
        assert {entry["key"]: base64.b64decode(entry["value_base64"]) for entry in document["keys"]} == values
        assert [entry["key"] for entry in document["keys"]] == sorted(values)
        assert [entry["key"] for entry in node.json("kv", "list", "e")["keys"]] == ["ein schlüssel", "empty"]
    table = beta.do("kv", "list").splitlines()
    assert table[0].split() == ["KEY", "SIZE", "BY", "WRITTEN"] and len(table) == 1 + len(values)
    one = gamma.json("kv", "get", "bytes")
    assert one["author"] == beta.status()["node"]["id"] and int(one["stamp"]) >> 16 > 1_700_000_000_000
    agree(nodes)


def test_a_deleted_key_is_gone_everywhere_and_may_come_again(world):
    nodes = alpha, beta = mesh(world, "alpha", "beta")
    put(alpha, "key", b"first")
    have(nodes, "key", b"first")
    beta.do("kv", "del", "key")
    have(nodes, "key", None)
    assert "no key `key`" in refusal(alpha, "get", "key")
    assert "no key `key`" in refusal(alpha, "del", "key")
    assert alpha.json("kv", "list") == {"keys": []}
    put(alpha, "key", b"second")
    have(nodes, "key", b"second")


def test_what_is_too_long_or_no_text_is_refused_with_the_limit(world):
    alpha, = mesh(world, "alpha")
    assert "65536" in refusal(alpha, "put", "key", "-", input="x" * (VALUE_MAX + 1))
    for key in ("x" * 257, ""):
        assert "256 bytes" in refusal(alpha, "put", key, "value")
    assert alpha.meshctl("kv", "put", "a\nb", "value")[0] == 2
    assert alpha.meshctl("kv", "put", "key")[0] == 2
    assert alpha.meshctl("kv")[0] == 2
    assert alpha.meshctl("kv", "frob")[0] == 2
    put(alpha, "x" * 256, b"value")
    assert get(alpha, "x" * 256) == b"value"


def test_a_node_without_a_mesh_has_no_keys(world):
    node = world.node(world.host("alpha"), NO_DATA_PLANE)
    node.start()
    for arguments in (["put", "key", "value"], ["get", "key"], ["del", "key"], ["list"], ["watch"]):
        assert "mesh" in refusal(node, *arguments)


def test_a_watch_shows_what_is_there_and_then_every_change_on_every_member(world):
    nodes = alpha, beta = mesh(world, "alpha", "beta")
    put(alpha, "site/a", b"1")
    put(alpha, "other", b"1")
    put(alpha, "site/gone", b"1")
    alpha.do("kv", "del", "site/gone")
    have(nodes, "site/a", b"1")
    have(nodes, "site/gone", None)
    watches = [Watch(node, "site/") for node in nodes]
    for watch in watches:
        watch.wait_for(("site/a", b"1"))
    put(beta, "site/b", b"2")
    put(beta, "other", b"2")
    alpha.do("kv", "del", "site/a")
    for watch in watches:
        watch.wait_for(("site/b", b"2"), ("site/a", None))
        cursors = [int(line["cursor"]) for line in watch.lines()]
        assert cursors == sorted(set(cursors))
        assert len(watch.seen()) == 3, "what is not under the prefix, and what was deleted before, is not shown"
    assert watches[0].process.running()


def test_a_watch_goes_on_from_its_cursor_over_restart_and_kill_9(world):
    nodes = alpha, beta = mesh(world, "alpha", "beta")
    for number in range(5):
        put(alpha, f"old/{number}", b"old")
    have(nodes, "old/4", b"old")
    watch = Watch(beta)
    watch.wait_for(*((f"old/{number}", b"old") for number in range(5)))
    cursor = watch.lines()[-1]["cursor"]
    beta.restart()
    put(alpha, "new/1", b"1")
    watch = Watch(beta, "--since", cursor)
    watch.wait_for(("new/1", b"1"))
    assert watch.seen() == [("new/1", b"1")]
    cursor = watch.lines()[-1]["cursor"]
    put(beta, "new/2", b"2")  # acknowledged: on disk
    beta.kill()
    put(alpha, "new/3", b"3")
    alpha.do("kv", "del", "old/0")
    beta.start()
    watch = Watch(beta, "--since", cursor)
    watch.wait_for(("new/2", b"2"), ("new/3", b"3"), ("old/0", None))
    assert not {("old/1", b"old"), ("old/2", b"old"), ("old/3", b"old")} & set(watch.seen())
    have(nodes, "new/2", b"2")


def test_a_cursor_that_is_none_of_this_node_is_refused_with_what_to_do(world):
    alpha, = mesh(world, "alpha")
    put(alpha, "key", b"value")
    cursor = int(json.loads(present_lines(alpha)[0])["cursor"])
    assert "without --since" in refusal(alpha, "watch", "--since", str(cursor + (1 << 40)))
    assert "without --since" in refusal(alpha, "watch", "--since", "12345")
    assert alpha.meshctl("kv", "watch", "--since", "yesterday")[0] == 2


def test_a_slow_watch_is_told_of_a_deletion_of_which_nothing_is_left(world):
    alpha, beta = mesh(world, "alpha", "beta")
    put(beta, "gone", b"1")
    have([alpha], "gone", b"1")
    watch = Watch(alpha)
    watch.wait_for(("gone", b"1"))
    watch.process.signal(signal.SIGSTOP)
    for number in range(12):
        put(alpha, f"big/{number}", os.urandom(VALUE_MAX))  # more than its socket takes
    beta.do("kv", "del", "gone")
    have([alpha], "gone", None)
    alpha.do("revoke", "beta")  # and with it goes what says that the key is deleted
    watch.process.signal(signal.SIGCONT)
    watch.wait_for(("gone", None))


def present_lines(node):
    """The lines of the present state."""
    watch = Watch(node)
    wait_for(lambda: watch.lines(), 5, "the present state")
    watch.end()
    return watch.log.read_text().splitlines()


def test_a_watcher_that_does_not_read_has_no_queue_and_gets_the_newest(world):
    alpha, = mesh(world, "alpha")
    watch = Watch(alpha)
    put(alpha, "ready", b"")
    watch.wait_for(("ready", b""))
    watch.process.signal(signal.SIGSTOP)
    try:
        for number in range(150):
            put(alpha, f"key{number % 3}", bytes([number]) * VALUE_MAX)
    finally:
        os.killpg(watch.process.popen.pid, signal.SIGCONT)  # nsenter stops with its child
    watch.wait_for(*((f"key{number % 3}", bytes([number]) * VALUE_MAX) for number in (147, 148, 149)))
    assert len(watch.seen()) < 100, "150 values do not wait in a queue: those that were overtaken are passed over"
    watch.end()


def test_of_concurrent_writes_the_same_one_wins_everywhere(world):
    nodes = mesh(world, "alpha", "beta", "gamma")
    writers = [subprocess.Popen([*node.host.enter, "bash", "-c",
                                 f'for i in $(seq 20); do for key in a b c; do "$0" --socket "$1" kv put "$key" '
                                 f'{node.name}$i >/dev/null || exit 1; done; done',
                                 BUILD / "meshctl", node.socket]) for node in nodes]
    assert [writer.wait(60 * TIME_SCALE) for writer in writers] == [0, 0, 0]
    agree(nodes)
    for key in "abc":
        assert len({get(node, key) for node in nodes}) == 1
        winner = nodes[0].json("kv", "get", key)
        assert all(node.json("kv", "get", key) == winner for node in nodes)
        assert base64.b64decode(winner["value_base64"]).endswith(b"20")


def test_keys_of_the_mesh_are_written_by_admins_alone(world):
    nodes = alpha, beta = mesh(world, "alpha", "beta")
    assert "only an admin" in refusal(beta, "put", "mesh/setting", "beta's")
    put(alpha, "mesh/setting", b"alpha's")
    have(nodes, "mesh/setting", b"alpha's")
    assert "only an admin" in refusal(beta, "del", "mesh/setting")


def test_a_member_over_its_quota_is_told_and_can_make_room(world):
    nodes = alpha, beta = mesh(world, "alpha", "beta")
    for number in range(15):
        put(beta, f"big/{number}", bytes([number]) * VALUE_MAX)
    text = refusal(beta, "put", "big/15", "x" * VALUE_MAX)
    assert "1024 KiB" in text and "grant" in text
    put(alpha, "big/15", b"x" * VALUE_MAX)
    beta.do("kv", "del", "big/0")
    put(beta, "big/16", b"y" * VALUE_MAX)
    have(nodes, "big/16", b"y" * VALUE_MAX, timeout=20)
    have(nodes, "big/0", None, timeout=20)


def test_with_two_of_three_killed_the_last_one_takes_writes_and_the_others_get_them(world):
    nodes = alpha, beta, gamma = mesh(world, "alpha", "beta", "gamma")
    put(beta, "before", b"1")
    have(nodes, "before", b"1")
    beta.kill()
    alpha.kill()
    put(gamma, "alone", b"2")
    gamma.do("kv", "del", "before")
    gamma.kill()  # what it acknowledged is on its disk
    alpha.start()
    beta.start()
    gamma.start()
    have(nodes, "alone", b"2", timeout=30)
    have(nodes, "before", None, timeout=30)
    agree(nodes)


def test_a_put_is_refused_while_the_disk_is_full_and_works_again(world):
    node = world.node(world.host("alpha"), NO_DATA_PLANE)
    node.state.mkdir(mode=0o700)
    node.host.run("mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", node.state)
    node.start()
    node.init()
    put(node, "kept", b"1")
    node.host.run("sh", "-c", f"head -c 2m /dev/zero > {node.state}/ballast || :")

    def refused():
        status, _, text = node.meshctl("kv", "put", "key", "x" * 30000)
        return status == 1 and "disk" in text and "full" in text

    wait_for(refused, 10, "a put is refused with the reason")
    assert get(node, "kept") == b"1"
    assert any("full" in warning for warning in node.status()["warnings"])
    node.host.run("rm", f"{node.state}/ballast")
    wait_for(lambda: node.meshctl("kv", "put", "later", "2")[0] == 0, 10, "puts work again")
    wait_for(lambda: node.status()["warnings"] == [] or not any("full" in w for w in node.status()["warnings"]), 10,
             "the warning is gone")
    node.kill()
    node.start()
    assert get(node, "kept") == b"1" and get(node, "later") == b"2"
