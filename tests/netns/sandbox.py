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

# What only differs: where files are, and that the test itself ends and starts the daemon.
DROP_IN = """
[Unit]
DefaultDependencies=no
[Service]
ExecStart=
ExecStart=/srv/meshd {arguments}
ReadWritePaths={folder}
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
        self.folder = folder
        self.user = [int(self.output("id", flag, "meshd")) for flag in ("-u", "-g")]

    def start(self, *command, log, env=None):
        if env or command[0] != BUILD / "meshd":
            return super().start(*command, log=log, env=env)
        arguments = [str(word) for word in command[1:]]
        folder = pathlib.Path(arguments[arguments.index("--state-dir") + 1]).parent
        self.hand_over(folder)
        name = f"meshd-{folder.name}.service"
        unit = (BUILD / "packaging/meshd.service").read_text()
        self.run("sh", "-c", f"mkdir -p /run/systemd/system/{name}.d && cat >/run/systemd/system/{name}", input=unit)
        self.run("sh", "-c", f"cat >/run/systemd/system/{name}.d/test.conf",
                 input=DROP_IN.format(arguments=" ".join(arguments), folder=folder, log=log))
        self.run("systemctl", "daemon-reload")
        self.run("systemctl", "reset-failed", name, check=False)
        return Unit(self, name)

    def hand_over(self, folder):
        """To the daemon's user."""
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, *self.user, follow_symlinks=False)
