"""meshctl ends as other programs do at Ctrl-C, at SIGTERM and when nobody reads it any more."""
import contextlib
import os
import pty
import signal
import subprocess
import termios

import pytest

from lan import TIME_SCALE, wait_for
from mesh import BACKEND, BUILD

pytestmark = pytest.mark.skipif(BACKEND != "userspace", reason="no data plane has a part in it")

GOSSIP_ONLY = {"wireguard.backend": "none"}
END_S = 5  # far less than the daemon may take for an answer


@pytest.fixture
def pair(world):
    _, *nodes = world.mesh("alpha", "beta", settings=GOSSIP_ONLY)
    return nodes


@contextlib.contextmanager
def running(node, *arguments, **options):
    """meshctl, its output in pipes; ended with the block at the latest."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    command = [*node.host.enter, BUILD / "meshctl", "--socket", node.socket, *arguments]
    with subprocess.Popen(command, text=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def interrupt(node, process, number=signal.SIGINT):
    """What is written from then on, once it has ended: (status, stdout, stderr)."""
    os.kill(node.host.pids("meshctl")[0], number)
    out, err = process.communicate(timeout=END_S * TIME_SCALE)
    return process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_ping_that_is_interrupted_ends_with_what_it_has(pair, number):
    alpha, _ = pair
    with running(alpha, "ping", "--count", "1000", "beta") as process:
        assert "beta" in process.stdout.readline() and "gossip" in process.stdout.readline()
        alpha.signal(signal.SIGSTOP)  # it waits for an answer from now on
        status, out, err = interrupt(alpha, process, number)
    alpha.signal(signal.SIGCONT)
    assert (status, err) == (0, "") and "answered; least" in out


def test_a_ping_that_is_interrupted_before_any_answer_says_so(pair):
    alpha, _ = pair
    alpha.signal(signal.SIGSTOP)
    with running(alpha, "ping", "beta") as process:
        pid = wait_for(lambda: alpha.host.pids("meshctl"), 5, "it runs")[0]
        taken = 1 << signal.SIGINT - 1
        wait_for(lambda: signals_caught(pid) & taken, 5, "it ends no more by itself")
        status, out, err = interrupt(alpha, process)
    alpha.signal(signal.SIGCONT)
    assert (status, out, err) == (1, "", "meshctl: interrupted\n")


def signals_caught(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(next(line.split()[1] for line in file if line.startswith("SigCgt")), 16)


def test_an_interrupted_echo_is_no_error(world):
    _, alpha, beta = world.mesh("alpha", "beta")
    wait_for(lambda: all(alpha.host.can_ping(address) for address in beta.addresses()), 20, "the overlay works")
    with running(alpha, "ping", "--count", "1000", "beta") as process:
        assert "beta" in process.stdout.readline() and "IPv6" in process.stdout.readline()
        beta.host.run("ip", "link", "set", "eth0", "down")
        # it waits for echoes nearly all of the time from now on
        assert any("nothing" in line for line in process.stdout), "no echo is missed"
        status, out, err = interrupt(alpha, process)
    assert (status, err) == (0, "") and out.count("answered; least") == 3 and "nterrupt" not in out


@pytest.mark.parametrize("verb", [("events", "--follow"), ("kv", "watch"), ("status", "--watch")])
def test_who_follows_ends_when_nobody_reads_any_more(pair, verb):
    alpha, _ = pair
    alpha.do("kv", "put", "a", "1")
    with running(alpha, "--json", *verb) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(END_S * TIME_SCALE) == -signal.SIGPIPE
        assert process.stderr.read() == ""


@pytest.mark.parametrize("verb", [("events", "--follow"), ("kv", "watch"), ("status", "--watch")])
def test_who_follows_ends_quietly_at_an_interruption(pair, verb):
    alpha, _ = pair
    alpha.do("kv", "put", "a", "1")
    with running(alpha, "--json", *verb) as process:
        process.stdout.readline()
        status, _, err = interrupt(alpha, process)
        assert (status, err) == (-signal.SIGINT, "")


def test_a_backup_that_is_interrupted_leaves_no_file(pair, tmp_path):
    alpha, _ = pair
    passphrase, file = tmp_path / "passphrase", tmp_path / "backup"
    os.mkfifo(passphrase)
    with running(alpha, "backup", file, "--passphrase-file", passphrase) as process:
        with open(passphrase, "w", encoding="ascii") as writer:  # once it has asked the daemon whether it may
            alpha.signal(signal.SIGSTOP)
            writer.write("correct horse battery staple\n")
        wait_for(file.exists, 30, "the file is begun")
        status, out, err = interrupt(alpha, process)
    alpha.signal(signal.SIGCONT)
    assert (status, out, err) == (1, "", "meshctl: interrupted\n") and not file.exists()


def test_a_passphrase_that_is_not_given_leaves_the_terminal_as_it_was(pair, tmp_path):
    alpha, _ = pair
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)

    def take_terminal():
        os.setsid()
        os.close(os.open(os.ttyname(theirs), os.O_RDWR))  # becomes the controlling one

    # Not by way of nsenter, which Ctrl-C would reach, too.
    with subprocess.Popen([BUILD / "meshctl", "--socket", alpha.socket, "backup", tmp_path / "backup"],
                          stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=take_terminal) as process:
        shown = b""
        while b"passphrase: " not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, b"\x03")  # Ctrl-C
        try:
            assert process.wait(END_S * TIME_SCALE) == -signal.SIGINT
        finally:
            process.kill()
    assert termios.tcgetattr(theirs) == before
    assert b"meshctl:" not in shown + os.read(ours, 4096)
    os.close(theirs)
    os.close(ours)
