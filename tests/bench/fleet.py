"""Many real daemons on loopback addresses of one network namespace, and what they cost.

A benchmark calls enter_namespace() first: it is started again as the init of namespaces of its own. Whatever ends it,
the kernel then ends every daemon in there; and all bytes on that loopback interface are those of the daemons.
"""
import os
import pathlib
import select
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("MESHD_BUILD", ROOT / "build-release"))
INSIDE = "MESHD_BENCH_INSIDE"

POLL_S = 0.01
START_S = 20  # for a daemon to answer, on a busy machine
MEET_S = 120  # for a whole fleet to know each other
ETHERNET_BYTES = 14  # of each packet on loopback, in the kernel's count: not on the IP level


def enter_namespace():
    """Returns only inside."""
    if os.environ.get(INSIDE) != "1":
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                              "--propagation", "private", sys.executable, "-B", *sys.argv])
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # As init it has no default actions for signals; the state directories are removed on the way out.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))


def say(text):
    print(text, file=sys.stderr, flush=True)


def row(*fields):
    """One row of the table of tests/bench/run: figure, ours, peer, ratio, to reach."""
    print(" | ".join(map(str, fields)), flush=True)


def wait_for(condition, timeout, what):
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout} s: {what}")
        time.sleep(POLL_S)


def median_and_max(values, unit, digits=0):
    return f"{statistics.median(values):.{digits}f} {unit} (max {max(values):.{digits}f})"


def pump(readers, condition, timeout, what):
    """Reads from all of them, as there is something to read, until the condition is met."""
    deadline = time.monotonic() + timeout
    while not condition():
        left = deadline - time.monotonic()
        if left < 0:
            raise TimeoutError(f"not within {timeout} s: {what}")
        for reader in select.select(readers, [], [], min(left, 1))[0]:
            reader.read()


def pump_for(readers, seconds):
    """Reads from all of them for so long."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        for reader in select.select(readers, [], [], left)[0]:
            reader.read()


# ---- the control socket (daemon/ipc/IPC.md) ----

def _text(text):
    data = text.encode()
    if len(data) < 32:
        return bytes([0xa0 | len(data)]) + data
    return (bytes([0xd9, len(data)]) if len(data) < 256 else bytes([0xda]) + struct.pack(">H", len(data))) + data


def _value(value):
    return (b"\xc3" if value else b"\xc2") if isinstance(value, bool) else _text(value)


def request(verb, **arguments):
    """The frame that asks for it; arguments are texts or flags."""
    body = bytes([0x83]) + _text("v") + b"\x01" + _text("verb") + _text(verb) + _text("args")
    body += bytes([0x80 | len(arguments)]) + b"".join(_text(key) + _value(value) for key, value in arguments.items())
    return struct.pack(">I", len(body)) + body


class Control:
    """A connection that stays open. Answers are searched for bytes, not decoded: a look costs next to nothing."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(os.fspath(path))
        self.pending = b""

    def close(self):
        self.socket.close()

    def send(self, frame):
        self.socket.sendall(frame)

    def receive(self):
        """The body of the answer once it is there whole, else None; called when the socket is readable."""
        data = self.socket.recv(1 << 20)
        if not data:
            raise ConnectionError("the daemon closed the connection")
        self.pending += data
        if len(self.pending) < 4 or len(self.pending) < 4 + struct.unpack(">I", self.pending[:4])[0]:
            return None
        body, self.pending = self.pending[4:], b""
        return body

    def ask(self, frame):
        self.send(frame)
        while True:
            body = self.receive()
            if body is not None:
                return body


def ask_all(controls, frame, seen):
    """Asks all at once; calls seen(control, answer) as each answers."""
    waiting = {control.socket.fileno(): control for control in controls}
    poll = select.poll()
    for number, control in waiting.items():
        poll.register(number, select.POLLIN)
        control.send(frame)
    while waiting:
        for number, _ in poll.poll():
            body = waiting[number].receive()
            if body is not None:
                seen(waiting.pop(number), body)
                poll.unregister(number)


# ---- processes ----

class Daemon:
    def __init__(self, *command, log):
        with open(log, "ab") as file:
            self.process = subprocess.Popen([*map(str, command)], stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        self.pid = self.process.pid

    def cpu_s(self):
        """Time on a processor, all threads, from the scheduler's own nanoseconds."""
        total_ns = 0
        for path in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            total_ns += int((path / "schedstat").read_text().split()[0])
        return total_ns / 1e9

    def memory_kib(self):
        """(resident, proportional: shared pages divided among those who share them)"""
        values = {}
        for line in pathlib.Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, value = line.split(":")
            values[name] = int(value.split()[0])
        return values["Rss"], values["Pss"]

    def wakeups(self):
        """How often a thread of it went to sleep by itself: once per wakeup."""
        total = 0
        for path in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            for line in (path / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches"):
                    total += int(line.split()[1])
        return total

    def end(self):
        self.process.terminate()

    def wait(self):
        self.process.wait(START_S)


def loopback_ip_bytes():
    """Sent over loopback so far, on the IP level: each packet's payload, UDP or TCP header and IP header."""
    for line in pathlib.Path("/proc/net/dev").read_text().splitlines():
        name, _, counts = line.partition(":")
        if name.strip() == "lo":
            numbers = counts.split()
            return int(numbers[8]) - ETHERNET_BYTES * int(numbers[9])
    raise LookupError("no loopback interface")


def idle_costs(daemons, seconds):
    """What each daemon costs over so many seconds in which nobody does anything."""
    cpu = [daemon.cpu_s() for daemon in daemons]
    wakeups = [daemon.wakeups() for daemon in daemons]
    sent, start = loopback_ip_bytes(), time.monotonic()
    time.sleep(seconds)
    took, sent = time.monotonic() - start, loopback_ip_bytes() - sent
    memory = [daemon.memory_kib() for daemon in daemons]
    return {
        "cpu": [100 * (daemon.cpu_s() - before) / took for daemon, before in zip(daemons, cpu)],
        "wakeups": [(daemon.wakeups() - before) / took for daemon, before in zip(daemons, wakeups)],
        "rss": [rss / 1024 for rss, _ in memory],
        "pss": [pss / 1024 for _, pss in memory],
        "sent": sent / took / len(daemons),  # the mean: the interface counts all of them together
    }


class Meshd(Daemon):
    """One meshd that listens on a loopback address of its own."""

    def __init__(self, folder, name, address, backend="none"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.name, self.address, self.backend = name, address, backend
        self.config, self.state = self.folder / "meshd.conf", self.folder / "state"
        self.socket, self.log = self.folder / "sock", self.folder / "meshd.log"
        self.configure()

    def configure(self, advertise=None):
        """Takes effect at the next start or SIGHUP."""
        lines = ["[node]", f"name = {self.name}", "[gossip]", f"listen = {self.address}:8946", "mdns = false"]
        if advertise:
            lines.append(f"advertise = {advertise}")
        self.config.write_text("\n".join([*lines, "[wireguard]", f"backend = {self.backend}", ""]))

    def start(self):
        super().__init__(BUILD / "meshd", "--config", self.config, "--state-dir", self.state, "--socket", self.socket,
                         "--log-level", "warn", log=self.log)

    def answers(self):
        """Whether its control socket takes connections."""
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended: {self.log.read_text()[-2000:]}")
        try:
            Control(self.socket).close()
        except OSError:
            return False
        return True

    def meshctl(self, *arguments, input=None):
        done = subprocess.run([BUILD / "meshctl", "--socket", self.socket, *arguments], input=input, text=True,
                              capture_output=True)
        if done.returncode:
            raise RuntimeError(f"{self.name}: meshctl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout.strip()


def address_of(index):
    return f"127.0.{1 + index // 200}.{1 + index % 200}"


class Fleet:
    """A mesh of so many meshd, founded by the first and joined by the others; with `with`."""

    def __init__(self, count):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="meshd-bench-"))
        self.nodes = [Meshd(self.folder / f"n{i}", f"n{i}", address_of(i)) for i in range(count)]

    def __enter__(self):
        try:
            self._found()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _found(self):
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            wait_for(node.answers, START_S, f"{node.name} answers")
        founder, *others = self.nodes
        founder.meshctl("init")
        token = founder.meshctl("invite", "--uses", str(len(self.nodes)))
        for node in others:
            node.meshctl("join", "-", input=token)
        wait_for(self.converged, MEET_S, "all hold the same records, and see each other alive")

    def converged(self):
        """Whether each of them sees all the others alive, and has the digest that they all have."""
        digests = set()
        for node in self.nodes:
            control = Control(node.socket)
            answer = control.ask(request("status"))
            control.close()
            if answer.count(b"\xa5state\xa5alive") != len(self.nodes):
                return False
            digests.add(answer[answer.index(b"\xa6digest") + 7:][:34])
        return len(digests) == 1

    def __exit__(self, *_):
        for node in self.nodes:
            if hasattr(node, "process"):
                node.end()
        for node in self.nodes:
            if hasattr(node, "process"):
                node.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
