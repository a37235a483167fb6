"""What goes wrong on a host: a clear error or a degraded mode that status tells of, never a crash or a lost record."""
import contextlib
import json
import pathlib
import signal
import subprocess
import textwrap

import pytest

from lan import wait_for
from mesh import BACKEND, Refused, all_ping
from overlay import kernel_traces, link, ping_until

# The kernel's WireGuard runs in an emulated machine: what no data plane has a part in is not told there again.
daemon_only = pytest.mark.skipif(BACKEND != "userspace", reason="has nothing to do with the data plane")
userspace_only = pytest.mark.skipif(BACKEND != "userspace", reason="is about the userspace process")


def end_of(node, *arguments, **options):
    """Runs meshd to its end: (status, stderr)."""
    done = node.host.run(*node.command(*arguments), check=False, **options)
    return done.returncode, done.stderr


def warned(node, text):
    return any(text in warning for warning in node.status()["warnings"])


@contextlib.contextmanager
def as_nobody(host, script):
    """Meanwhile a process of an unprivileged user's has done this, and is there."""
    script = f"import os, socket, sys\nos.setuid(65534)\n{textwrap.dedent(script)}\nprint('ready', flush=True)\nsys.stdin.read()"
    with subprocess.Popen([*host.enter, "/usr/bin/python3", "-c", script], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == "ready\n"
        yield


def test_cleanup_leaves_nothing_of_ours(world):
    _, alpha, beta = world.mesh("alpha", "beta")
    alpha.stop()
    assert link(alpha)
    alpha.cleanup()
    assert kernel_traces(alpha) == []
    alpha.cleanup()  # again: there is nothing to do
    alpha.start()
    ping_until(alpha, beta.addresses()[0], 5)


def test_cleanup_leaves_alone_what_is_not_ours(world):
    _, alpha = world.nodes_on_lan("alpha")
    alpha.host.run("ip", "link", "add", "mesh0", "type", "bridge")
    alpha.host.run("ip", "link", "set", "mesh0", "up")
    alpha.cleanup()
    assert link(alpha)


def test_cleanup_spares_the_interface_of_a_daemon_that_runs(world):
    _, alpha = world.mesh("alpha")
    wait_for(lambda: link(alpha), 5, "the overlay is up")
    other = world.node(alpha.host)
    before = alpha.host.output("ip", "-o", "link", "show", "mesh0")
    status, text = end_of(other, "--cleanup")
    assert status == 1 and f"pid {int(alpha.host.output('pgrep', '-x', 'meshd'))}" in text and "mesh0" in text
    assert alpha.host.output("ip", "-o", "link", "show", "mesh0") == before
    alpha.stop()
    other.cleanup()
    assert kernel_traces(alpha) == []


HOLD_THE_NAME = """
holder = socket.socket(socket.AF_UNIX)
holder.bind("\\0meshd/mesh0")
holder.listen(0)
"""
ASK_FOR_THE_NAME = """
askers = [socket.socket(socket.AF_UNIX) for _ in range(200)]
for asker in askers:
    asker.setblocking(False)
    asker.connect_ex("\\0meshd/mesh0")
"""


@pytest.mark.anywhere
@daemon_only
def test_cleanup_is_blocked_by_no_other_user_that_holds_the_name(world):
    _, alpha = world.nodes_on_lan("alpha")
    with as_nobody(alpha.host, HOLD_THE_NAME):
        status, text = end_of(alpha, "--cleanup")
        assert status == 0 and "user 65534" in text and "passed over" in text, text
        alpha.start()
        assert "@meshd/mesh0 cannot be taken" in alpha.log.read_text()
        alpha.stop()
    with as_nobody(alpha.host, HOLD_THE_NAME + ASK_FOR_THE_NAME):
        status, text = end_of(alpha, "--cleanup")
        assert status == 0 and "held by no meshd that answers" in text, text


@pytest.mark.anywhere
@daemon_only
def test_cleanup_sees_a_daemon_that_another_user_besets(world):
    _, alpha = world.mesh("alpha")
    wait_for(lambda: link(alpha), 5, "the overlay is up")
    with as_nobody(alpha.host, ASK_FOR_THE_NAME):
        status, text = end_of(world.node(alpha.host), "--cleanup")
    pid = int(alpha.host.output("pgrep", "-x", "meshd"))
    assert status == 1 and f"mesh0 is kept by a meshd that runs, pid {pid}," in text


@pytest.mark.slow
def test_an_interface_of_another_kind_is_refused_and_named(world):
    _, alpha = world.nodes_on_lan("alpha")
    alpha.host.run("ip", "link", "add", "mesh0", "type", "bridge")
    alpha.start()
    alpha.init()
    wait_for(lambda: warned(alpha, "mesh0"), 5, "status tells of the interface that is in the way")
    assert not alpha.host.addresses("mesh0")
    alpha.host.run("ip", "link", "delete", "mesh0")
    wait_for(lambda: set(alpha.addresses()) <= set(alpha.host.addresses("mesh0")), 35, "it is made once the name is free")


def test_a_wireguard_interface_with_another_key_is_refused(world):
    _, alpha = world.nodes_on_lan("alpha")
    key = alpha.host.output("wg", "genkey")
    if BACKEND == "kernel":
        alpha.host.run("ip", "link", "add", "mesh0", "type", "wireguard")
    else:
        alpha.host.start("wireguard-go", "-f", "mesh0", log=alpha.log)
        wait_for(lambda: alpha.host.run("wg", "show", "mesh0", check=False).returncode == 0, 5, "wireguard-go answers")
    alpha.host.run("tee", "/run/key", input=key)
    alpha.host.run("wg", "set", "mesh0", "private-key", "/run/key")
    alpha.host.run("wg", "set", "mesh0", "peer", alpha.host.output("wg", "genkey").strip(), "allowed-ips", "10.9.8.7/32")
    before = alpha.host.output("wg", "showconf", "mesh0")
    alpha.start()
    alpha.init()
    wait_for(lambda: warned(alpha, "another key"), 5, "status tells of it")
    assert alpha.status()["wireguard"]["peers"] == 0 and "mesh0 (" + BACKEND + "), not up" in alpha.do("status")
    assert alpha.host.output("wg", "showconf", "mesh0") == before
    assert not alpha.host.addresses("mesh0")
    alpha.stop()
    assert link(alpha)


@daemon_only
def test_a_second_daemon_on_one_state_is_refused_and_told_the_firsts_pid(world):
    _, alpha = world.nodes_on_lan("alpha")
    alpha.start()
    inside = int(alpha.host.output("pgrep", "-x", "meshd"))
    status, text = end_of(alpha)
    assert status == 1
    assert str(inside) in text
    alpha.init()


@daemon_only
def test_a_gossip_port_in_use_is_a_clear_error(world):
    _, alpha = world.nodes_on_lan("alpha")
    alpha.host.start("python3", "-c", "import socket, time; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); "
                     "s.bind(('::', 8946)); time.sleep(1000)", log=alpha.log)
    wait_for(lambda: ":8946" in alpha.host.output("ss", "-ulnH"), 5, "the port is in use")
    status, text = end_of(alpha)
    assert status == 1
    assert "8946" in text and "in use" in text


@pytest.mark.slow
def test_a_wireguard_port_in_use_is_told_and_waited_for(world):
    _, alpha = world.nodes_on_lan("alpha")
    other = alpha.host.start("python3", "-c", "import socket, time; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); "
                             "s.bind(('::', 51820)); time.sleep(1000)", log=alpha.log)
    wait_for(lambda: ":51820" in alpha.host.output("ss", "-ulnH"), 5, "the port is in use")
    alpha.start()
    alpha.do("init")
    wait_for(lambda: warned(alpha, "in use"), 5, "status tells of the port")
    other.signal(signal.SIGKILL)
    other.wait()
    wait_for(lambda: not alpha.status()["warnings"] or not warned(alpha, "in use"), 40, "the warning goes with its cause")


def test_cleanup_takes_an_interface_down_that_never_came_up(world):
    _, alpha = world.nodes_on_lan("alpha")
    alpha.host.start("python3", "-c", "import socket, time; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); "
                     "s.bind(('::', 51820)); time.sleep(1000)", log=alpha.log)
    wait_for(lambda: ":51820" in alpha.host.output("ss", "-ulnH"), 5, "the port is in use")
    alpha.start()
    alpha.do("init")
    wait_for(lambda: warned(alpha, "in use"), 5, "status tells of the port")
    status, text, _ = alpha.meshctl("--json", "doctor")
    assert status == 1
    assert any(check["state"] == "fail" and "UDP port 51820" in check["finding"] for check in json.loads(text)["checks"])
    alpha.stop()
    assert link(alpha)
    alpha.cleanup()
    assert kernel_traces(alpha) == []


@userspace_only
@pytest.mark.slow
def test_without_a_wireguard_program_gossip_works_and_status_says_why(world):
    settings = {"wireguard.userspace-command": "no-such-wireguard -f %i"}
    _, alpha, beta = world.nodes_on_lan("alpha", "beta", settings=settings)
    alpha.start()
    beta.start()
    alpha.init()
    wait_for(lambda: warned(alpha, "no-such-wireguard"), 5, "status names the missing program")
    token = alpha.invite()
    status, _, text = beta.meshctl("join", "-", "--timeout", "5s", input=token)
    assert status == 0 or "no-such-wireguard" in text
    wait_for(lambda: alpha.sees(beta) and beta.sees(alpha), 10, "they see each other all the same")


@pytest.mark.slow
def test_a_host_without_ipv6_has_an_ipv4_overlay(world):
    lan = world.lan()
    nodes = []
    for name in ("alpha", "beta"):
        host = world.host(name)
        host.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
        lan.attach(host, prefix6=None)
        nodes.append(world.node(host))
    alpha, beta = nodes
    alpha.start()
    beta.start()
    alpha.init()
    beta.join(alpha.invite())
    address4 = next(address for address in alpha.addresses() if "." in address)
    ping_until(beta, address4, 5)


@daemon_only
def test_an_unwritable_state_directory_is_a_clear_error(world):
    _, alpha = world.nodes_on_lan("alpha")
    alpha.host.run("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", "/mnt")
    alpha.state = pathlib.Path("/mnt/state")
    status, text = end_of(alpha)
    assert status == 1
    assert "/mnt/state" in text and "Read-only" in text


@daemon_only
def test_a_full_disk_loses_no_record_and_acknowledges_none(world):
    _, alpha, beta = world.nodes_on_lan("alpha", "beta")
    alpha.host.run("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", "/mnt")
    alpha.state = pathlib.Path("/mnt/state")
    alpha.start()
    alpha.init()
    records = alpha.status()["store"]["records"]
    alpha.host.run("dd", "if=/dev/zero", "of=/mnt/fill", "bs=4096", check=False)
    refused = None
    for _ in range(200):
        try:
            alpha.invite()
        except Refused as error:
            refused = error
            break
    assert refused and refused.status == 1
    assert warned(alpha, "full")
    alpha.host.run("rm", "/mnt/fill")
    wait_for(lambda: not warned(alpha, "full"), 40, "it is written after all")
    token = alpha.invite()
    alpha.kill()
    alpha.start()
    assert alpha.status()["state"] == "running"
    assert alpha.status()["store"]["records"] > records
    beta.start()
    beta.join(token)


@daemon_only
def test_a_damaged_database_is_set_aside_and_the_mesh_gives_it_back(world):
    _, alpha, beta = world.mesh("alpha", "beta")
    addresses = sorted(beta.addresses())
    beta.stop()
    database = beta.state / "state.db"
    size = database.stat().st_size
    with open(database, "r+b") as file:
        file.seek(0)
        file.write(b"\xff" * min(size, 65536))
    for extra in beta.state.glob("state.db-*"):
        extra.unlink()
    beta.start()
    wait_for(lambda: beta.status()["state"] == "running" and beta.sees(alpha), 15, "beta is back")
    assert sorted(beta.addresses()) == addresses
    assert list(beta.state.glob("state.db.damaged-*"))
    assert warned(beta, "damaged")
    all_ping(alpha, beta)


@daemon_only
def test_a_node_that_cannot_replace_its_identity_says_so_and_ends(world):
    node = world.node(world.host("alpha"), {"wireguard.backend": "none"})
    node.start()
    node.init()
    (node.state / "keys.new").mkdir()
    status, _, text = node.meshctl("leave", "--force")
    assert status == 1 and "could not be replaced" in text
    wait_for(lambda: not node.running(), 5, "meshd ends")
    assert node.process.wait(5) == 1 and not node.sanitizer_report()
    (node.state / "keys.new").rmdir()
    node.start()
