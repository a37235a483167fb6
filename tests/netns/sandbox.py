"""Hosts on which every daemon is started by systemd, as meshd.service has it: its user, its one capability, its system call
filter, its view of the file system. So the tests that are there anyway show that a daemon lacks nothing in its sandbox:

    MESHD_TEST_SANDBOX=1 MESHD_BUILD=build-release pytest --basetemp=/var/lib/meshd-sandbox -n2 tests/netns

With a build without sanitizers, which need more than the sandbox gives; the folder has to be outside of /tmp, /home and
/root, which a daemon does not see there, and the build may be anywhere.
"""
import os
import pathlib
import select
import signal

from lan import TIME_SCALE, wait_for
from machine import Machine
from mesh import BUILD, ROOT

# Tests that are about root, a terminal's log, or what is in /run of a host where no service ran before; and those that have
# no daemon of ours on a host of its own.
OUTSIDE = {
    "test_under_systemd_lines_bear_priorities_else_the_time", "test_a_wireguard_interface_with_another_key_is_refused",
    "test_a_second_daemon_on_one_state_is_refused_and_told_the_firsts_pid",
    "test_a_daemon_is_named_by_socket_instance_or_environment",
    "test_nobody_reads_the_memory_and_files_are_the_owners_alone"}
OUTSIDE_FILES = {"test_package", "test_ansible", "test_manual", "test_build", "test_support", "test_from_tinc", "test_wg", "test_l2_net",
                 "test_l2_guard", "test_upgrade"}

# What only differs: where files are, and that the test itself ends and starts the daemon.
DROP_IN = """
[Unit]
DefaultDependencies=no
[Service]
ExecStart=
ExecStart=/srv/meshd {arguments}
ReadWritePaths={folders}
StandardOutput=append:{log}
StandardError=append:{log}
Restart=no
"""


class Unit:
    """A started daemon, as lan.Process is one. `pid` is None when it ended at once."""

    def __init__(self, host, name):
        self.host, self.name, self.popen = host, name, self
        self.host.run("systemctl", "start", "--no-block", name)
        self.pid = self.handle = None
        wait_for(lambda: self.find() or self.ended(), 5, "it starts")

    def find(self):
        """Its process, as seen from here; before it becomes meshd it is systemd's."""
        inner = self.show("MainPID")
        self.pid = next((pid for pid in self.host.pids("meshd") if inner_pid(pid) == inner), None)
        if self.pid:
            self.handle = os.pidfd_open(self.pid)
        return self.pid

    def show(self, name):
        return self.host.output("systemctl", "show", "-P", name, self.name).strip()

    def ended(self):
        return self.show("ActiveState") in ("failed", "inactive")

    def running(self):
        return self.handle is not None and not select.select([self.handle], [], [], 0)[0]

    def signal(self, number):
        if self.running():
            signal.pidfd_send_signal(self.handle, number)

    def poll(self):
        if self.running():
            return None
        wait_for(self.ended, 5, "systemd knows that it has ended")
        status = int(self.show("ExecMainStatus"))
        return status if self.show("ExecMainCode") == "1" else -status

    @property
    def returncode(self):
        return self.poll()

    def wait(self, timeout=10):
        if self.handle is not None and not select.select([self.handle], [], [], timeout * TIME_SCALE)[0]:
            raise TimeoutError(f"{self.name} goes on")
        return self.poll()


def inner_pid(pid):
    """As its own namespace has it."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("NSpid:"):
            return line.split()[-1]
    return None


def let_through(folder):
    """Other users, who have to get there. Machines keep what they have seen of the folders above."""
    for path in [folder, *folder.parents]:
        if not str(path).startswith("/var/lib/"):
            break
        path.chmod(path.stat().st_mode | 0o111)


class SandboxHost(Machine):
    def __init__(self, name, folder):
        let_through(folder)
        super().__init__(name, "/", BUILD, folder, "sandbox.target")
        self.run("systemd-sysusers", ROOT / "packaging/systemd/sysusers.conf")
        self.run("systemd-tmpfiles", "--create", ROOT / "packaging/systemd/tmpfiles.conf")
        self.run("sysctl", "-qw", "net.ipv4.conf.all.promote_secondaries=1", "net.ipv4.conf.default.promote_secondaries=1")

    def start(self, *command, log, env=None):
        if env or command[0] != BUILD / "meshd":
            return super().start(*command, log=log, env=env)
        arguments = [str(word) for word in command[1:]]
        folder = pathlib.Path(log).parent
        # the node's, and where a test has put its state
        folders = {str(folder), str(pathlib.Path(arguments[arguments.index("--state-dir") + 1]).parent)}
        # Inside: what is mounted there only is meant, and nothing of this machine's.
        self.run("chown", "-R", "--no-dereference", "meshd:meshd", *folders)
        name = f"meshd-{folder.name}.service"
        unit = (BUILD / "packaging/meshd.service").read_text()
        self.run("sh", "-c", f"mkdir -p /run/systemd/system/{name}.d && cat >/run/systemd/system/{name}", input=unit)
        self.run("sh", "-c", f"cat >/run/systemd/system/{name}.d/test.conf",
                 input=DROP_IN.format(arguments=" ".join(arguments), folders=" ".join(folders), log=log))
        self.run("systemctl", "daemon-reload")
        self.run("systemctl", "reset-failed", name, check=False)
        return Unit(self, name)
