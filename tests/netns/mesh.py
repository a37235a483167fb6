"""meshd on hosts that are namespaces: start, stop and kill it, and talk to it through meshctl."""
import json
import os
import pathlib
import re
import signal

from control import Control, Gone
from lan import Host, Lan, Traffic, wait_for

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("MESHD_BUILD", ROOT / "build-asan"))
BACKEND = os.environ.get("MESHD_TEST_BACKEND", "userspace")
SANDBOX = bool(os.environ.get("MESHD_TEST_SANDBOX"))  # daemons run as their unit has them (sandbox.py)

# A report of a sanitizer in a daemon's log fails the test, whatever else the test looked at.
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|runtime error:")
LOG_LINES_SHOWN = 60
INTERFACE = "mesh0"  # the configuration's default


class Refused(AssertionError):
    """meshctl exited with another status than 0."""

    def __init__(self, node, arguments, done):
        super().__init__(f"{node.name}: meshctl {' '.join(arguments)}: status {done.returncode}: {done.stderr.strip()}")
        self.status = done.returncode
        self.text = done.stderr


class Node:
    """One meshd with its own configuration, state directory and socket, on a host of its own or a shared one."""
    build = BUILD  # where its programs are

    def __init__(self, host, folder, settings=None):
        self.host = host
        self.name = host.name
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state = self.folder / "state"
        self.config = self.folder / "meshd.conf"
        self.socket = self.folder / "meshd.sock"
        self.log = self.folder / "meshd.log"
        self.log.touch()
        self.process = None
        self.program, self.env = None, {}  # of the next start; None: the build's
        self.configure(settings or {})

    def configure(self, settings):
        """settings: {"section.key": value}, over this test's defaults. Takes effect at the next start or SIGHUP."""
        values = {"gossip.mdns": "false", "wireguard.backend": BACKEND, "log.level": "debug", **settings}
        sections = {}
        for name, value in values.items():
            section, key = name.split(".", 1)
            sections.setdefault(section, []).append(f"{key} = {value}\n")
        self.config.write_text("".join(f"[{section}]\n{''.join(lines)}" for section, lines in sections.items()))

    def command(self, *arguments):
        program = self.program or self.build / "meshd"
        return [program, "--config", self.config, "--state-dir", self.state, "--socket", self.socket, *arguments]

    def start(self, wait=True):
        """Starts the daemon; returns when it answers."""
        assert not self.running(), f"{self.name} runs already"
        self.process = self.host.start(*self.command(), log=self.log, env=self.env)
        if wait:
            wait_for(lambda: not self.running() or self.answers(), 10, f"meshd of {self.name} answers")
            assert self.running(), f"meshd of {self.name} ended at start, status {self.process.popen.returncode}"

    def running(self):
        return self.process is not None and self.process.running()

    def signal(self, number):
        self.process.signal(number)

    def stop(self):
        """SIGTERM: a clean end that leaves the overlay up."""
        self.signal(signal.SIGTERM)
        status = self.process.wait(15)
        assert status == 0, f"meshd of {self.name} ended with status {status}"

    def kill(self):
        """kill -9."""
        self.signal(signal.SIGKILL)
        self.process.wait()

    def restart(self):
        self.stop()
        self.start()

    def cleanup(self):
        """meshd --cleanup."""
        self.host.run(*self.command("--cleanup"))

    def run_meshctl(self, *arguments, **options):
        return self.host.run(self.build / "meshctl", "--socket", self.socket, *arguments, check=False, **options)

    def meshctl(self, *arguments, **options):
        """(status, stdout, stderr)"""
        done = self.run_meshctl(*arguments, **options)
        return done.returncode, done.stdout, done.stderr

    def do(self, *arguments, **options):
        """stdout of a meshctl that has to succeed; else Refused."""
        done = self.run_meshctl(*arguments, **options)
        if done.returncode:
            raise Refused(self, [str(argument) for argument in arguments], done)
        return done.stdout

    def json(self, *arguments, **options):
        return json.loads(self.do("--json", *arguments, **options))

    def status(self):
        """What `meshctl --json status` prints, without a process: it is asked for again and again."""
        try:
            control = Control(self.socket)
        except Gone as gone:
            raise AssertionError(f"{self.name}: meshd does not answer") from gone
        try:
            return control.ask("status")
        finally:
            control.close()

    def answers(self):
        try:
            return bool(self.status())
        except (AssertionError, Gone):
            return False

    def addresses(self):
        """Overlay addresses, without their lengths: IPv6 first."""
        plain = [address.split("/")[0] for address in self.status()["node"]["addresses"]]
        return sorted(plain, key=lambda address: ":" not in address)

    def events(self):
        return [json.loads(line) for line in self.do("--json", "events").splitlines()]

    def invites(self):
        return self.json("invites")["invites"]

    def members(self):
        """name: member, as `status` lists them."""
        return {member["name"]: member for member in self.status()["members"]}

    def sees(self, *others, state="alive"):
        """Whether each of these nodes is listed here in this state."""
        members = self.members()
        return all(other.name in members and members[other.name]["state"] == state for other in others)

    def init(self, *arguments):
        return self.do("init", *arguments)

    def invite(self, *arguments):
        return self.do("invite", *arguments).strip()

    def join(self, token, *arguments):
        return self.do("join", "-", *arguments, input=token)

    def wg(self, *arguments, **options):
        return self.host.output("wg", *arguments, **options)

    def wg_peers(self):
        """public key: (endpoint or None, allowed IPs), as WireGuard itself has them."""
        lines = self.wg("show", INTERFACE, "dump").splitlines()[1:]
        rows = [line.split("\t") for line in lines]
        return {row[0]: (None if row[2] == "(none)" else row[2], sorted(row[3].split(","))) for row in rows}

    def wg_key(self):
        return self.status()["node"]["wireguard_public_key"]

    def pings(self, other, timeout=5):
        """Waits until each overlay address of the other answers."""
        for address in other.addresses():
            wait_for(lambda: self.host.can_ping(address), timeout, f"{self.name} pings {other.name} at {address}")

    def traffic(self, address, rate=50):
        """Pings from when the address answers, so that whatever is lost of them was lost on the way."""
        wait_for(lambda: self.host.can_ping(address), 10, f"{self.name} pings {address}")
        return Traffic(self.host, address, self.folder / f"ping-{address.replace(':', '_')}.log", rate)

    def log_tail(self):
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES_SHOWN:])

    def sanitizer_report(self):
        text = self.log.read_text(errors="replace")
        found = SANITIZER.search(text)
        return text[found.start():found.start() + 4000] if found else None


def all_ping(*nodes):
    for one in nodes:
        for other in nodes:
            if other is not one:
                one.pings(other)


class World:
    """What one test makes: hosts, LANs, nodes. All of it is gone after close()."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.hosts, self.lans, self.nodes = [], [], []

    def host(self, name):
        if SANDBOX:
            from sandbox import SandboxHost  # which uses what is above
            self.hosts.append(SandboxHost(name, self.folder))
        else:
            self.hosts.append(Host(name))
        return self.hosts[-1]

    def lan(self, name="lan"):
        self.lans.append(Lan(name))
        return self.lans[-1]

    def node(self, host, settings=None):
        self.nodes.append(Node(host, self.folder / f"{host.name}-{len(self.nodes)}", settings))
        return self.nodes[-1]

    def nodes_on_lan(self, *names, settings=None):
        """(lan, node...): one host for each name, plugged into one LAN; daemons not started yet."""
        lan = self.lan()
        nodes = []
        for name in names:
            host = self.host(name)
            host.underlay = lan.attach(host)
            nodes.append(self.node(host, settings))
        return (lan, *nodes)

    def mesh(self, *names, settings=None):
        """(lan, node...): the same, with a running mesh founded by the first and joined by the others."""
        lan, *nodes = self.nodes_on_lan(*names, settings=settings)
        founder, *others = nodes
        for node in nodes:
            node.start()
        founder.init()
        for node in others:
            node.join(founder.invite())
        for node in nodes:
            wait_for(lambda: node.sees(*nodes), 15, f"{node.name} sees everybody alive")
        return (lan, *nodes)

    def kill(self, pid):
        """kill -9 of a process inside one of these hosts, by its outer pid."""
        os.kill(pid, signal.SIGKILL)

    def close(self):
        """Ends everything, and returns what went wrong at that: unclean ends and sanitizer reports."""
        wrong = []
        for node in self.nodes:
            if node.running():
                try:
                    node.stop()
                except Exception as error:  # the others still have to go
                    wrong.append(str(error))
            report = node.sanitizer_report()
            if report:
                wrong.append(f"meshd of {node.name}: {report}")
        for thing in [*self.hosts, *self.lans]:
            thing.close()
        return wrong
