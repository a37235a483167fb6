"""Hosts and LANs out of kernel namespaces.

    +--------+      +-----------------------+      +--------+
    |  alpha |      | lan (bridge br0)      |      |  beta  |
    |   eth0 +------+ alpha            beta +------+ eth0   |
    +--------+ veth +-----------------------+ veth +--------+
     192.0.2.11/24, 2001:db8::11/64            192.0.2.12/24, 2001:db8::12/64

A host is a process that holds a network, mount, UTS, IPC and PID namespace of its own, with a /run of its own, and is
init there. When it dies the kernel takes along everything inside: daemons, interfaces, what a daemon left running on
purpose. It dies with us, whatever kills us, so nothing is ever left behind and nothing has a name that another run could
collide with. Processes inside are seen from outside by their outer pids, which is what this module deals in.
"""
import ctypes
import itertools
import os
import pathlib
import re
import signal
import subprocess
import time

# An emulated machine needs longer for everything, and so does one that runs other tests at the same time; a wait that
# succeeds is not slowed by a longer limit.
TIME_SCALE = float(os.environ.get("MESHD_TEST_TIME_SCALE", "1"))
POLL_S, POLL_MAX_S = 0.02, 0.2
COMMAND_TIMEOUT_S = 60

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)

INIT = """
set -e
mount -t tmpfs -o mode=755 tmpfs /run
mount -t sysfs sysfs /sys
hostname "$0"
ip link set lo up
# The second: taking away a subnet's first address does not take the others along.
sysctl -qw net.ipv{6.conf.{all,default}.accept_dad=0,4.conf.{all,default}.promote_secondaries=1}
echo ready
while sleep 3600; do :; done
"""


def wait_for(condition, timeout, what):
    """The first true value of condition(); AssertionError naming `what` when there is none in timeout seconds."""
    began = time.monotonic()
    while True:
        asked = time.monotonic()
        value = condition()
        if value:
            return value
        now = time.monotonic()
        if now - began > timeout * TIME_SCALE:
            raise AssertionError(f"not within {timeout * TIME_SCALE:g} s: {what} (last: {value!r})")
        # Asking takes no more than half of the time, and a long wait is asked about less often.
        time.sleep(min(max(POLL_S, now - asked, (now - began) / 20), POLL_MAX_S))


def die_with_parent():
    """For preexec_fn."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def children(pid):
    try:
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


class Process:
    """A process inside a host. `pid` is its own, not that of the nsenter before it; None when it ended at once."""

    def __init__(self, popen):
        self.popen = popen
        found = wait_for(lambda: children(popen.pid) or popen.poll() is not None and [None], 5, "the process starts")
        self.pid = found[0]

    def running(self):
        return self.popen.poll() is None

    def signal(self, number):
        if self.running():
            os.kill(self.pid, number)
            if number == signal.SIGCONT:
                os.kill(self.popen.pid, number)  # nsenter stops when its child does

    def wait(self, timeout=10):
        return self.popen.wait(timeout * TIME_SCALE)


class Host:
    def __init__(self, name):
        self.name = name
        self.links = {}  # interface: (lan, port on its bridge)
        self.started = []
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc",
             "--propagation", "private", "bash", "-c", INIT, name],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True,
            preexec_fn=die_with_parent)
        if self.holder.stdout.readline() != b"ready\n":
            self.close()
            raise RuntimeError(f"cannot make the namespaces of {name}: is this root?")
        self.pid = children(self.holder.pid)[0]
        self.enter = ["nsenter", "-t", str(self.pid), "-n", "-m", "-u", "-i", "-p", "--"]

    def close(self):
        """Pulls the plug: everything inside ends at once. Once more does nothing."""
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()
        for popen in self.started:
            popen.kill()  # nsenter, should it be stopped, does not hear of its child's end

    def run(self, *command, check=True, input=None, timeout=COMMAND_TIMEOUT_S, env=None):
        """Runs a command inside to its end; AssertionError with its stderr when it fails and check is left on."""
        done = subprocess.run([*self.enter, *map(str, command)], capture_output=True, text=True, input=input,
                              timeout=timeout * TIME_SCALE, env={**os.environ, **(env or {})},
                              **({} if input is not None else {"stdin": subprocess.DEVNULL}))
        if check and done.returncode:
            raise AssertionError(f"{self.name}: {' '.join(map(str, command))}: status {done.returncode}: {done.stderr.strip()}")
        return done

    def output(self, *command, **options):
        return self.run(*command, **options).stdout

    def start(self, *command, log, env=None):
        """Starts a command inside, its output appended to the file `log`."""
        with open(log, "ab") as file:
            popen = subprocess.Popen([*self.enter, *map(str, command)], stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                     start_new_session=True, env={**os.environ, **(env or {})})
        self.started.append(popen)
        return Process(popen)

    def pids(self, name):
        """Of the processes inside with this command name."""
        namespace = os.readlink(f"/proc/{self.pid}/ns/pid")
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if (path / "comm").read_text().strip() == name[:15] and os.readlink(path / "ns/pid") == namespace:
                    found.append(int(path.name))
            except OSError:
                pass  # gone meanwhile
        return found

    def add_address(self, address, dev="eth0"):
        nodad = ["nodad"] if ":" in address else []
        self.run("ip", "address", "add", address, "dev", dev, *nodad)

    def delete_address(self, address, dev="eth0"):
        self.run("ip", "address", "delete", address, "dev", dev)

    def addresses(self, dev="eth0"):
        """The addresses on an interface without their lengths; link-local ones left out."""
        text = self.run("ip", "-oneline", "address", "show", "dev", dev, "scope", "global", check=False).stdout
        return re.findall(r"inet6? ([^/\s]+)", text)

    def can_ping(self, address, timeout=1):
        return self.run("ping", "-n", "-c1", "-W", timeout, address, check=False).returncode == 0


class Lan:
    """A switch: bridge br0. Hosts in different groups (split) do not see each other, and their links stay up."""

    def __init__(self, name="lan"):
        self.name = name
        self.host = Host(name)
        self.numbers = itertools.count(11)
        self._add_bridge(0)

    def _add_bridge(self, number):
        self.host.run("ip", "link", "add", f"br{number}", "type", "bridge", "stp_state", 0, "mcast_snooping", 0)
        self.host.run("ip", "link", "set", f"br{number}", "up")

    def close(self):
        self.host.close()

    def attach(self, host, dev="eth0", prefix4="192.0.2.", prefix6="2001:db8::", mtu=1500):
        """Plugs a host in, gives it the LAN's next addresses, and returns them (either prefix may be None)."""
        port = f"{host.name}-{dev}"[-15:]
        # Only the LAN's network namespace is entered: in its PID namespace the host's pid would mean nothing.
        subprocess.run(["nsenter", "-t", str(self.host.pid), "-n", "--", "ip", "link", "add", port, "mtu", str(mtu),
                        "type", "veth", "peer", "name", dev, "mtu", str(mtu), "netns", str(host.pid)], check=True)
        self.host.run("ip", "link", "set", port, "master", "br0", "up")
        host.links[dev] = (self, port)
        number = next(self.numbers)
        addresses = [f"{prefix}{number}" for prefix in (prefix4, prefix6) if prefix]
        host.run("ip", "-batch", "-", input=f"link set {dev} up\n" + "".join(
            f"address add {address}/{'64 nodad' if ':' in address else 24} dev {dev}\n" for address in addresses))
        return addresses

    def _move(self, host, number):
        for port in [port for lan, port in host.links.values() if lan is self]:
            self.host.run("ip", "link", "set", port, "master", f"br{number}")

    def split(self, *groups):
        """Each group of hosts on a bridge of its own; who is in none stays with the rest."""
        for number, group in enumerate(groups, 1):
            if self.host.run("ip", "link", "show", f"br{number}", check=False).returncode:
                self._add_bridge(number)
            for host in group:
                self._move(host, number)

    def heal(self, *hosts):
        """Brings these hosts back together with the rest."""
        for host in hosts:
            self._move(host, 0)


class Traffic:
    """Pings at a steady rate until stop(), which returns the sequence numbers sent and those lost."""

    def __init__(self, host, address, log, rate=50):
        self.log = pathlib.Path(log)
        self.process = host.start("ping", "-n", "-O", "-i", 1 / rate, address, log=log)

    def replies(self):
        return len(self._received())

    def _received(self):
        return {int(number) for number in re.findall(r"bytes from .*icmp_seq=(\d+)", self.log.read_text())}

    def wait_replies(self, count, timeout=10):
        """Waits for this many more."""
        target = self.replies() + count
        wait_for(lambda: self.replies() >= target, timeout, f"{count} more ping replies in {self.log}")

    def stop(self):
        """(sent, lost): lost are those up to the last reply that had none; what is in flight does not count."""
        self.process.signal(signal.SIGINT)
        self.process.wait()
        received = self._received()
        last = max(received, default=0)
        return last, sorted(set(range(1, last + 1)) - received)
