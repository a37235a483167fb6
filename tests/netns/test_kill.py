"""kill -9 at any moment, under a write load: what was acknowledged is there afterwards, on this node and on others.

    MESHD_TEST_KILLS=500 MESHD_BUILD=build pytest tests/netns/test_kill.py
"""
import os
import random
import subprocess
import threading
import time

import pytest

from control import Control, Gone
from lan import TIME_SCALE, die_with_parent, wait_for
from mesh import BACKEND, BUILD

KILLS = int(os.environ.get("MESHD_TEST_KILLS", 40))
WRITERS = 4
KEYS = 25  # of each writer, written again and again
LIFE_S = 0.15  # of a daemon, at most

pytestmark = pytest.mark.skipif(BACKEND == "kernel", reason="it has no data plane")


class Daemon:
    """meshd without a data plane, one of several on one host, each with a loopback address of its own."""

    def __init__(self, host, folder, number):
        self.folder = folder / f"node{number}"
        self.folder.mkdir()
        self.socket = self.folder / "meshd.sock"
        self.log = self.folder / "meshd.log"
        config = self.folder / "meshd.conf"
        config.write_text(f"[node]\nname = node{number}\n[gossip]\nlisten = 127.0.0.{number}:8946\nmdns = false\n"
                          "[wireguard]\nbackend = none\n")
        self.command = ["nsenter", "-t", str(host.pid), "-n", "--", BUILD / "meshd", "--config", config,
                        "--state-dir", self.folder / "state", "--socket", self.socket]
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=die_with_parent)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        """A clean one, with nothing from a sanitizer in its log."""
        self.process.terminate()
        assert self.process.wait(20 * TIME_SCALE) == 0, self.log.read_text()[-4000:]
        text = self.log.read_text()
        assert "Sanitizer" not in text and "runtime error" not in text, text[-8000:]

    def connect(self):
        def attempt():
            assert self.process.poll() is None, self.log.read_text()[-4000:]
            try:
                return Control(self.socket)
            except Gone:
                return None
        return wait_for(attempt, 20, f"{self.folder.name} answers")

    def ask(self, verb, **arguments):
        control = self.connect()
        try:
            return control.ask(verb, **arguments)
        finally:
            control.close()

    def values(self):
        control = self.connect()
        try:
            return {item["key"]: item["value"] for item in control.items("kv-list") if item}
        finally:
            control.close()

    def status(self):
        return self.ask("status")


class Writer(threading.Thread):
    """Puts and deletes, one after the other, as long as its daemon runs and it may."""

    def __init__(self, daemon, name, may_write):
        super().__init__(daemon=True)
        self.node, self.prefix, self.may_write = daemon, name, may_write
        self.random = random.Random(name)
        self.sure = {}  # key: what was acknowledged last; None: deleted
        self.maybe = {}  # key: what may have been written since then
        self.acknowledged = 0
        self.idle = threading.Event()
        self.ended = False
        self.failure = None

    def run(self):
        try:
            while not self.ended:
                self.idle.set()
                self.may_write.wait()
                self.idle.clear()
                self.write()
        except Exception as error:  # told by check()
            self.failure = error
        self.idle.set()

    def write(self):
        try:
            control = Control(self.node.socket)
        except Gone:
            return
        try:
            while self.may_write.is_set():
                self.write_one(control)
        except Gone:
            pass
        control.close()

    def write_one(self, control):
        key = f"{self.prefix}/{self.random.randrange(KEYS)}"
        if self.sure.get(key) is not None and key not in self.maybe and self.random.randrange(5) == 0:
            value = None
        else:
            size = self.random.choice((10, 100, 1000, 20000))
            value = f"{key} {self.acknowledged} ".encode() + self.random.randbytes(size)
        self.maybe.setdefault(key, []).append(value)
        if value is None:
            control.ask("kv-del", key=key)
        else:
            control.ask("kv-put", key=key, value=value)
        self.sure[key] = value
        self.maybe.pop(key)
        self.acknowledged += 1

    def check(self, values):
        """While it is idle: each key shows what was acknowledged, or what was on its way, whole."""
        assert not self.failure, self.failure
        for key in set(self.sure) | set(self.maybe):
            value = values.get(key)
            possible = [self.sure.get(key), *self.maybe.get(key, [])]
            assert value in possible, f"{key} shows {value and value[:40]}, of {[v and v[:40] for v in possible]}"
            self.sure[key] = value
        self.maybe.clear()


def attempt(daemon, verb, arguments):
    try:
        daemon.ask(verb, **arguments)
    except (Gone, AssertionError):
        pass  # it was killed meanwhile, or while somebody waited for it to answer


def test_init_join_and_leave_may_be_killed_at_any_moment(world, tmp_path):
    host = world.host("alpha")
    one, two = [Daemon(host, tmp_path, number) for number in (1, 2)]
    chance = random.Random(2)
    one.start()
    two.start()
    one.ask("init", name="one")
    for turn in range(KILLS // 2):
        ways = [("init", {"name": "two"}), ("join", {"token": one.ask("invite")["token"], "name": f"two-{turn}"})]
        verb, arguments = chance.choice(ways)
        if chance.randrange(3) == 0:
            two.ask(verb, **arguments)
            verb, arguments = "leave", {"force": True}
        asking = threading.Thread(target=attempt, args=(two, verb, arguments))
        asking.start()
        time.sleep(chance.uniform(0, 0.1))
        two.kill()
        two.start()
        asking.join()
        # whatever of it has happened: the node goes on from there
        state = two.status()["state"]
        assert state in ("unjoined", "running", "revoked"), two.status()
        keys = (two.folder / "state/keys").read_text()
        assert ("mesh =" in keys) == (state != "unjoined"), (verb, state)
        if state == "unjoined":
            # a new identity sets the old one's database aside, if nothing more was done
            assert all("another node's" in text for text in two.status()["warnings"]), two.status()["warnings"]
            two.ask("init", name="two")
        two.ask("leave", force=True)
        assert two.status()["state"] == "unjoined"
    one.end()
    two.end()


@pytest.fixture
def pair(world, tmp_path):
    """Two members of one mesh."""
    host = world.host("alpha")
    one, two = [Daemon(host, tmp_path, number) for number in (1, 2)]
    one.start()
    two.start()
    one.ask("init", name="one")
    two.ask("join", token=one.ask("invite")["token"], name="two")
    yield one, two
    one.end()
    two.end()


def agree(one, two):
    wait_for(lambda: one.status()["store"]["digest"] == two.status()["store"]["digest"], 30, "both hold the same records")


def test_what_was_acknowledged_survives_kill_9_at_any_moment(pair):
    one, two = pair
    chance = random.Random(1)
    may_write = threading.Event()
    writers = [Writer(one, f"writer{number}", may_write) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    for _ in range(KILLS):
        may_write.set()
        time.sleep(chance.uniform(0, LIFE_S))
        one.kill()
        may_write.clear()
        for writer in writers:
            assert writer.idle.wait(20 * TIME_SCALE)
        one.start()
        if chance.randrange(4) == 0:  # it is killed while it starts, too
            time.sleep(chance.uniform(0, 0.1))
            one.kill()
            one.start()
        if chance.randrange(8) == 0:
            two.kill()
            two.start()
        values = one.values()
        for writer in writers:
            writer.check(values)
    assert sum(writer.acknowledged for writer in writers) > KILLS
    agree(one, two)
    assert two.values() == one.values() == values
    one.kill()  # all at once
    two.kill()
    one.start()
    two.start()
    assert one.values() == values
    agree(one, two)
    assert two.values() == values
    for writer in writers:
        writer.ended = True
    may_write.set()
