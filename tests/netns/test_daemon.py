"""The daemon and whoever started it: signals, the service manager, the log, the configuration."""
import os
import re
import signal
import socket

import pytest

from lan import wait_for
from mesh import BACKEND

NO_DATA_PLANE = {"wireguard.backend": "none"}


class Manager:
    """What systemd would be told: a datagram socket and what has come over it so far."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.told = []

    def count(self, what):
        try:
            while True:
                self.told += self.socket.recv(4096).decode().splitlines()
        except BlockingIOError:
            pass
        return sum(line.startswith(what) for line in self.told)


def start(node, **environment):
    """The daemon, without waiting for more than that it answers."""
    node.process = node.host.start(*node.command(), log=node.log, env=environment)
    wait_for(node.answers, 10, f"meshd of {node.name} answers")


def test_the_service_manager_is_told_of_start_reload_life_and_end(world, tmp_path):
    node = world.node(world.host("alpha"), NO_DATA_PLANE)
    manager = Manager(tmp_path / "notify")
    start(node, NOTIFY_SOCKET=str(manager.path), WATCHDOG_USEC="400000")
    wait_for(lambda: manager.count("READY=1") == 1, 5, "ready")
    assert manager.count("STATUS=unjoined")
    wait_for(lambda: manager.count("WATCHDOG=1") >= 4, 5, "the watchdog is fed")
    node.signal(signal.SIGHUP)
    wait_for(lambda: manager.count("READY=1") == 2, 5, "ready again")
    assert manager.count("RELOADING=1") == 1
    assert manager.count("MONOTONIC_USEC=") == 1
    node.init()
    wait_for(lambda: manager.count("STATUS=running") == 1, 5, "the state is told")
    node.stop()
    assert manager.count("STOPPING=1") == 1


def test_under_systemd_lines_bear_priorities_else_the_time(world):
    node = world.node(world.host("alpha"), NO_DATA_PLANE)
    at = node.log.parent / "journal.log"
    node.log = at
    at.touch()
    stat = at.stat()
    start(node, JOURNAL_STREAM=f"{stat.st_dev}:{stat.st_ino}")
    node.stop()
    lines = at.read_text().splitlines()
    assert lines and all(re.match(r"<[3-7]>", line) for line in lines)
    size = len(lines)
    node.start()
    node.stop()
    lines = at.read_text().splitlines()[size:]
    assert lines and all(re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z (error|warn |info |debug) ", line) for line in lines)


def test_a_reload_takes_what_it_can_and_says_what_needs_a_restart(world):
    node = world.node(world.host("alpha"), {**NO_DATA_PLANE, "log.level": "info"})
    node.start()
    node.init()
    node.configure({**NO_DATA_PLANE, "log.level": "debug", "gossip.listen": "[::]:9999",
                    "gossip.advertise": "192.0.2.77:8946"})
    node.signal(signal.SIGHUP)
    wait_for(lambda: any("a restart is needed for [gossip] listen" in warning for warning in node.status()["warnings"]),
             5, "the warning")
    wait_for(lambda: "192.0.2.77:8946" in node.status()["members"][0]["endpoints"], 5, "the advertised address")
    node.config.write_text("[gossip]\nlisten = nowhere\n")
    node.signal(signal.SIGHUP)
    wait_for(lambda: any("stays as it was" in warning and ":2: " in warning for warning in node.status()["warnings"]),
             5, "the refusal")
    node.configure({**NO_DATA_PLANE, "log.level": "info"})
    node.signal(signal.SIGHUP)
    wait_for(lambda: not any("restart" in warning or "stays" in warning for warning in node.status()["warnings"]),
             5, "no warning any more")


def test_an_advertised_name_that_does_not_resolve_is_warned_of_while_it_is_configured(world):
    node = world.node(world.host("alpha"), {**NO_DATA_PLANE, "gossip.advertise": "no.such.invalid:8946 localhost:8947"})
    node.start()
    node.init()
    wait_for(lambda: any("no.such.invalid" in warning for warning in node.status()["warnings"]), 30, "the warning")
    node.configure({**NO_DATA_PLANE, "gossip.advertise": "localhost:8947"})
    node.signal(signal.SIGHUP)
    wait_for(lambda: not any("no.such" in warning for warning in node.status()["warnings"]), 5, "no warning any more")


def test_the_end_does_not_wait_long_for_a_name_server_that_is_down(world):
    node = world.node(world.host("alpha"), {**NO_DATA_PLANE, "gossip.advertise": "black.hole.example:8946"})
    node.host.run("sh", "-c", """
        ip link add dns0 type veth peer name dns1 && ip link set dns0 up && ip link set dns1 up
        ip address add 192.0.2.1/24 dev dns0 && ip neigh add 192.0.2.53 lladdr 02:00:00:00:00:01 dev dns0
        printf 'nameserver 192.0.2.53\noptions timeout:30\n' > /run/resolv.conf
        mount --bind /run/resolv.conf /etc/resolv.conf""")
    node.start()
    node.signal(signal.SIGTERM)
    assert node.process.wait(5) == 0


def test_a_pipe_is_nothing_for_the_wireguard_process_to_write_to(world):
    if BACKEND != "userspace":
        pytest.skip("is about the userspace process")
    node = world.node(world.host("alpha"))
    start(node, JOURNAL_STREAM="1:2")  # inherited: systemd's own stderr was another one
    node.init()
    wait_for(lambda: node.host.pids("wireguard-go"), 5, "the process")
    pid = node.host.pids("wireguard-go")[0]
    wait_for(lambda: os.readlink(f"/proc/{pid}/fd/2") == "/dev/null", 2, "its output goes nowhere")


def test_a_daemon_without_standard_descriptors_writes_its_log_to_nobody(world):
    node = world.node(world.host("alpha"), NO_DATA_PLANE)
    node.process = node.host.start("sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh", *node.command(), log=node.log)
    wait_for(node.answers, 10, "meshd answers")
    pid = node.host.pids("meshd")[0]
    assert [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)] == ["/dev/null"] * 3
    node.stop()


def test_the_configuration_is_checked_without_starting(world):
    node = world.node(world.host("alpha"))
    done = node.host.run(*node.command("--check-config"))
    assert str(node.config) in done.stdout
    node.config.write_text("[log]\nlevel = loud\n")
    done = node.host.run(*node.command("--check-config"), check=False)
    assert done.returncode == 1
    assert f"{node.config}:2: [log] level = loud: not allowed; it may be error, warn, info or debug" in done.stderr
    assert not node.state.exists()


def test_a_named_configuration_has_to_be_there(world):
    node = world.node(world.host("alpha"))
    node.config.unlink()
    done = node.host.run(*node.command(), check=False)
    assert done.returncode == 1
    assert str(node.config) in done.stderr


def test_cleanup_leaves_a_running_daemon_alone(world):
    node = world.node(world.host("alpha"), NO_DATA_PLANE)
    node.start()
    done = node.host.run(*node.command("--cleanup"), check=False)
    assert done.returncode == 1
    assert re.search(r"in use by another meshd, pid \d+", done.stderr)
    assert node.running()


def test_what_was_acknowledged_survives_kill_9(world):
    node = world.node(world.host("alpha"), NO_DATA_PLANE)
    node.start()
    node.init()
    for _ in range(5):
        before = {invite["id"] for invite in node.json("invites")["invites"]}
        token = node.json("invite")
        node.kill()
        node.start()
        after = {invite["id"] for invite in node.json("invites")["invites"]}
        assert after == before | {token["id"]}
    assert node.status()["state"] == "running"


def test_only_addresses_that_last_are_told_to_others(world):
    _, alpha = world.nodes_on_lan("alpha", settings={"wireguard.backend": "none"})
    alpha.host.run("ip", "addr", "add", "2001:db8::dead/64", "dev", "eth0", "nodad", "preferred_lft", "0")
    alpha.host.run("ip", "addr", "add", "2001:db8::beef/64", "dev", "eth0", "nodad")
    alpha.start()
    alpha.init()
    wait_for(lambda: alpha.members()["alpha"]["endpoints"], 5, "alpha tells its addresses")
    endpoints = " ".join(alpha.members()["alpha"]["endpoints"])
    assert "beef" in endpoints and "192.0.2." in endpoints
    assert "dead" not in endpoints and "127.0.0.1" not in endpoints
