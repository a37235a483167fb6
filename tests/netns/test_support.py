"""The support itself: LANs carry pings, splits stop them, and nothing outlives the process that made it."""
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from lan import Traffic, die_with_parent, wait_for


def test_hosts_on_a_lan_ping_each_other_over_both_families(world):
    lan = world.lan()
    alpha, beta = world.host("alpha"), world.host("beta")
    lan.attach(alpha)
    for address in lan.attach(beta):
        wait_for(lambda address=address: alpha.can_ping(address), 5, f"{address} answers")
    assert beta.output("hostname").strip() == "beta"
    assert beta.addresses() == ["192.0.2.12", "2001:db8::12"]


def test_a_split_lan_drops_everything_between_groups_and_heals(world):
    lan = world.lan()
    alpha, beta, gamma = (world.host(name) for name in ("alpha", "beta", "gamma"))
    _, to_beta, to_gamma = (lan.attach(host)[0] for host in (alpha, beta, gamma))
    lan.split([gamma])
    wait_for(lambda: alpha.can_ping(to_beta), 5, "who is on the same side answers")
    assert not alpha.can_ping(to_gamma)
    assert "state UP" in gamma.output("ip", "link", "show", "eth0")
    lan.heal(gamma)
    wait_for(lambda: alpha.can_ping(to_gamma), 5, "gamma is back")


def test_traffic_counts_what_was_lost(world, tmp_path):
    lan = world.lan()
    alpha, beta = world.host("alpha"), world.host("beta")
    lan.attach(alpha)
    address = lan.attach(beta)[0]
    traffic = Traffic(alpha, address, tmp_path / "ping.log")
    traffic.wait_replies(5)
    lan.split([beta])
    wait_for(lambda: "no answer" in traffic.log.read_text(), 5, "a ping is lost")
    lan.heal(beta)
    traffic.wait_replies(5)
    sent, lost = traffic.stop()
    assert 1 <= len(lost) <= sent - 10


def test_a_process_inside_is_killed_by_its_own_pid(world, tmp_path):
    host = world.host("alpha")
    process = host.start("sleep", "1000", log=tmp_path / "log")
    wait_for(lambda: process.pid in host.pids("sleep"), 5, "sleep runs")
    process.signal(signal.SIGKILL)
    assert process.wait() != 0
    assert process.pid not in host.pids("sleep")


def test_every_host_has_a_run_directory_of_its_own(world):
    alpha, beta = world.host("alpha"), world.host("beta")
    alpha.run("touch", "/run/mark")
    assert beta.run("test", "-e", "/run/mark", check=False).returncode == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_outlives_a_killed_test_run(number):
    # whoever started us may have left SIGINT ignored, as a shell does for what it runs in the background
    code = ("import signal, sys, time; signal.signal(signal.SIGINT, signal.default_int_handler); "
            "sys.path.insert(0, sys.argv[1]); from lan import Lan, Host; lan = Lan(); "
            "host = Host('alpha'); lan.attach(host); host.start('sleep', 1000, log='/dev/null'); "
            "print(host.pid, lan.host.pid, flush=True); time.sleep(1000)")
    folder = pathlib.Path(__file__).parent
    run = subprocess.Popen([sys.executable, "-B", "-c", code, folder], stdout=subprocess.PIPE, text=True,
                           preexec_fn=die_with_parent)
    pids = [int(pid) for pid in run.stdout.readline().split()]
    assert all(os.path.exists(f"/proc/{pid}") for pid in pids)
    run.send_signal(number)
    run.wait(timeout=30)
    run.stdout.close()
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), 5, "the hosts are gone")
