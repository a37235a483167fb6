"""The Debian package and its service, on machines of their own: Debian, made by debootstrap, with systemd as init."""
import fcntl
import json
import os
import re
import shutil
import subprocess
import textwrap

import pytest

from lan import Traffic, wait_for
from machine import Machine, debian_root
from mesh import BACKEND, BUILD, ROOT, Refused

pytestmark = pytest.mark.skipif(BACKEND != "userspace", reason="systemd as init is slow in the virtual machine")
EXPOSURE_MAX = 20  # tenths, as systemd-analyze(1) takes it
NEXT_VERSION = "0.1.1"
# What dpkg, the journal and the init system keep of everything that ever happened.
KEPT = re.compile(r"^/(var/(lib/dpkg|log|cache|lib/systemd)|etc/(passwd|group|shadow|gshadow|subuid|subgid|\.pwd\.lock)"
                  r"|run/(systemd|log|lock|user|credentials|utmp)|tmp/systemd-private)")


def cmake(*arguments):
    subprocess.run(["cmake", *map(str, arguments)], cwd=ROOT, check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def packages():
    """The folder of the packages: this version's, and one that says that it is the next. Made by whoever comes first."""
    build, shared = BUILD / "deb", BUILD / "deb" / "packages"
    with open(BUILD / "deb.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        cmake("--preset", "deb", "-B", build)
        cmake("--build", build, "--", "-j2")
        sources = [build / "meshd", build / "meshctl", *(ROOT / "packaging").rglob("*")]
        newest = max(path.stat().st_mtime for path in sources)
        if not shared.exists() or shared.stat().st_mtime < newest:
            shutil.rmtree(shared, ignore_errors=True)
            for options in ([], ["-D", f"CPACK_PACKAGE_VERSION={NEXT_VERSION}"]):
                subprocess.run(["cpack", "--config", build / "CPackConfig.cmake", "-B", shared, *options], check=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            shutil.rmtree(shared / "_CPack_Packages")
    return shared


def package_of(packages, version):
    return next(packages.glob(f"meshd_{version}-1_*.deb"))


def control_field(package, field):
    return subprocess.run(["dpkg-deb", "-f", package, field], capture_output=True, text=True, check=True).stdout


class Installed:
    """meshd on a machine, as the package has it."""
    log = "the journal"

    def __init__(self, machine, instance=None):
        self.machine, self.instance = machine, instance
        self.name = machine.name
        self.unit = f"meshd@{instance}" if instance else "meshd"

    def do(self, *arguments, input=None):
        options = ["-i", self.instance] if self.instance else []
        done = self.machine.run("meshctl", *options, *arguments, check=False, input=input)
        if done.returncode:
            raise Refused(self, arguments, done)
        return done.stdout

    def json(self, *arguments):
        return json.loads(self.do("--json", *arguments))

    def systemctl(self, verb):
        self.machine.run("systemctl", verb, self.unit)

    def property(self, name):
        return self.machine.output("systemctl", "show", "-P", name, self.unit).strip()

    def address(self):
        return self.json("status")["node"]["addresses"][0].split("/")[0]

    def restarted(self, pid):
        """Whether it is up, as another process than this one."""
        return self.property("MainPID") not in ("0", pid) and self.property("ActiveState") == "active"

    def sees(self, *others):
        alive = {member["name"] for member in self.json("status")["members"] if member["state"] == "alive"}
        return {other.name for other in others} <= alive

    def pings(self, address, timeout=10):
        wait_for(lambda: self.machine.can_ping(address), timeout, f"{self.name} pings {address}")

    # What a failed test shows of it, and what a world asks of its nodes.
    def log_tail(self):
        return self.machine.journal("meshd*")

    def running(self):
        return False

    def sanitizer_report(self):
        return None


def machines_with(world, packages, *more):
    """make(name...): machines that are booted, on one LAN, with these Debian packages beside the rest, and nothing of ours."""
    package = package_of(packages, "0.1.0")
    depends = [word.split("(")[0].split("|")[0].strip() for word in control_field(package, "Depends").split(",")]
    root = debian_root([*depends, *more])
    lan = world.lan()

    def make(*names, **options):
        made = []
        for name in names:
            machine = Machine(name, root, packages, **options)
            world.hosts.append(machine)
            machine.underlay = lan.attach(machine)
            made.append(machine)
        return made
    return make


@pytest.fixture
def machines(world, packages):
    return machines_with(world, packages)


def install(machine, packages, version="0.1.0"):
    machine.run("dpkg", "-i", f"/srv/{package_of(packages, version).name}")


def mesh(world, packages, *hosts):
    """The package on each machine, and all of them in one mesh."""
    nodes = []
    for machine in hosts:
        install(machine, packages)
        machine.run("sh", "-c", "printf '[gossip]\\nmdns = false\\n[log]\\nlevel = debug\\n' >/etc/meshd/meshd.conf")
        nodes.append(Installed(machine))
        world.nodes.append(nodes[-1])
        nodes[-1].systemctl("start")
    nodes[0].do("init")
    for node in nodes[1:]:
        node.do("join", "-", input=nodes[0].do("invite"))
    for node in nodes:
        wait_for(lambda: node.sees(*nodes), 15, f"{node.name} sees everybody alive")
    nodes[0].pings(nodes[1].address())
    return nodes


def files(machine):
    """Everything on the machine but what others keep."""
    listing = machine.output("find", "/", "/run", "-xdev", "-mindepth", "1", "-not", "-path", "/proc/*")
    return {path for path in listing.splitlines() if not KEPT.match(path)}


@pytest.mark.slow
def test_lintian_has_nothing_to_say(packages):
    package = package_of(packages, "0.1.0")
    # Nobody has filed a bug that asks Debian for it.
    done = subprocess.run(["lintian", "--allow-root", "--suppress-tags", "initial-upload-closes-no-bugs", package],
                          capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "")


@pytest.mark.parametrize("unit", ["meshd.service", "meshd@.service"])
def test_the_service_is_exposed_no_further_than_two(unit):
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE_MAX}",
                           BUILD / "packaging" / unit], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout.splitlines()[-1:] + done.stderr.splitlines()


@pytest.mark.slow
def test_what_is_installed_is_started_by_nobody_and_purged_whole(machines, packages):
    alpha, = machines("alpha")
    before = files(alpha)
    install(alpha, packages)
    node = Installed(alpha)
    assert (node.property("ActiveState"), node.property("UnitFileState")) == ("inactive", "disabled")
    assert alpha.output("stat", "-c", "%a %U", "/etc/meshd/meshd.conf").split() == ["644", "root"]
    alpha.run("meshd", "--check-config")
    # An upgrade of what does not run starts nothing either.
    install(alpha, packages, NEXT_VERSION)
    assert node.property("ActiveState") == "inactive"
    node.machine.run("systemctl", "enable", "--now", "meshd")
    alpha.run("rm", "/etc/meshd/meshd.conf")  # which every setting has a default for
    node.do("init")
    wait_for(lambda: alpha.pids("wireguard-go"), 5, "the overlay is up")
    alpha.run("dpkg", "--remove", "meshd")
    assert alpha.pids("meshd") + alpha.pids("wireguard-go") == []
    assert alpha.run("ip", "link", "show", "mesh0", check=False).returncode != 0
    assert alpha.output("ls", "/var/lib/meshd").split(), "the keys are kept until the purge"
    # The same node again.
    install(alpha, packages)
    assert node.property("UnitFileState") == "enabled"
    alpha.run("systemctl", "start", "meshd")
    assert node.json("status")["state"] == "running"
    alpha.run("dpkg", "--purge", "meshd")
    assert files(alpha) - before == set()
    for database in ("passwd", "group"):
        assert alpha.run("getent", database, "meshd", check=False).returncode != 0
    assert alpha.pids("meshd") + alpha.pids("wireguard-go") == []


@pytest.mark.slow
def test_a_package_is_installed_where_no_systemd_runs(machines, packages):
    alpha, = machines("alpha")
    # As in a container's build: what asks whether systemd is there finds that it is not.
    alpha.run("mount", "-t", "tmpfs", "tmpfs", "/run/systemd")
    install(alpha, packages)
    assert alpha.output("id", "-un", "meshd").strip() == "meshd"
    alpha.run("dpkg", "--purge", "meshd")


@pytest.mark.slow
def test_restart_upgrade_and_crash_lose_no_ping_in_the_sandbox(world, machines, packages):
    alpha, beta = mesh(world, packages, *machines("alpha", "beta"))
    pid = alpha.property("MainPID")
    process, = alpha.machine.pids("wireguard-go")
    for status in (alpha.machine.output("cat", f"/proc/{pid}/status"), open(f"/proc/{process}/status").read()):
        words = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert (words["CapEff"], words["CapBnd"], words["NoNewPrivs"], words["Seccomp"]) == \
            ("0000000000001000", "0000000000001000", "1", "2")
        assert words["Uid"].split()[0] != "0"
    alpha.machine.run("touch", "/tmp/somebodys")
    for folder, allowed in (("/usr", False), ("/etc/meshd", False), ("/tmp", True), ("/var/lib/meshd", True), ("/run/wireguard", True)):
        done = alpha.machine.run("nsenter", "-t", pid, "-m", "--", "sh", "-c",
                                 f"[ ! -e {folder}/somebodys ] && touch {folder}/meshds && rm {folder}/meshds", check=False)
        assert (done.returncode == 0) == allowed, (folder, done.stderr)
    traffic = Traffic(beta.machine, alpha.address(), world.folder / "ping.log")
    traffic.wait_replies(10)

    alpha.systemctl("restart")
    wait_for(lambda: alpha.sees(beta), 10, "alpha is back after a restart")
    traffic.wait_replies(20)
    install(alpha.machine, packages, NEXT_VERSION)
    wait_for(lambda: alpha.sees(beta), 10, "alpha is back after an upgrade")
    traffic.wait_replies(20)
    pid = alpha.property("MainPID")
    alpha.machine.run("kill", "-KILL", pid)
    wait_for(lambda: alpha.restarted(pid), 10, "alpha is started again")
    wait_for(lambda: alpha.sees(beta), 10, "alpha is back after a crash")
    traffic.wait_replies(20)
    alpha.systemctl("stop")
    traffic.wait_replies(20)
    alpha.systemctl("start")
    traffic.wait_replies(20)
    sent, lost = traffic.stop()
    assert lost == [], f"{len(lost)} of {sent} pings lost"
    assert alpha.machine.pids("wireguard-go") == [process]

    os.kill(process, 9)
    alpha.pings(beta.address())
    assert alpha.machine.pids("wireguard-go") not in ([], [process])


@pytest.mark.slow
def test_the_service_is_reloaded_watched_and_open_to_its_group_for_looking(world, machines, packages):
    alpha, beta = mesh(world, packages, *machines("alpha", "beta"))
    machine = alpha.machine
    assert alpha.property("StatusText") == "running"
    machine.run("sh", "-c", "printf '[log]\\nlevel = nonsense\\n' >/etc/meshd/meshd.conf")
    alpha.systemctl("reload")
    wait_for(lambda: any("nonsense" in warning for warning in alpha.json("status")["warnings"]), 5, "it is refused")
    machine.run("sh", "-c", "printf '[log]\\nlevel = error\\n' >/etc/meshd/meshd.conf")
    alpha.systemctl("reload")
    wait_for(lambda: not any("nonsense" in warning for warning in alpha.json("status")["warnings"]), 5, "it is taken")

    machine.run("useradd", "--groups", "meshd", "watcher")
    machine.run("useradd", "stranger")
    assert machine.run("runuser", "-u", "watcher", "--", "meshctl", "status").returncode == 0
    assert machine.run("runuser", "-u", "watcher", "--", "meshctl", "invite", check=False).returncode == 1
    assert machine.run("runuser", "-u", "stranger", "--", "meshctl", "status", check=False).returncode == 3
    assert machine.output("stat", "-c", "%a", "/var/lib/meshd").strip() == "700"
    # A daemon that hangs is ended by the watchdog, and started again.
    machine.run("sh", "-c", "mkdir -p /etc/systemd/system/meshd.service.d && "
                "printf '[Service]\nWatchdogSec=4\n' >/etc/systemd/system/meshd.service.d/soon.conf && "
                "systemctl daemon-reload")
    alpha.systemctl("restart")
    pid = alpha.property("MainPID")
    machine.run("kill", "-STOP", pid)
    wait_for(lambda: alpha.restarted(pid), 15, "the watchdog ends it, and it is started again")
    wait_for(lambda: alpha.sees(beta), 15, "and it is back in the mesh")


@pytest.mark.slow
def test_the_service_waits_for_an_address_that_comes_late(machines, packages):
    alpha, = machines("alpha")
    install(alpha, packages)
    node = Installed(alpha)
    alpha.run("sh", "-c", f"printf '[gossip]\nlisten = {alpha.underlay[0]}:8946\nmdns = false\n' >/etc/meshd/meshd.conf")
    alpha.delete_address(f"{alpha.underlay[0]}/24")
    alpha.run("systemctl", "start", "--no-block", "meshd")
    # as often as systemd takes anything on until it is told otherwise
    wait_for(lambda: int(node.property("NRestarts")) > 5, 20, "it is started again and again")
    alpha.add_address(f"{alpha.underlay[0]}/24")
    wait_for(lambda: node.property("ActiveState") == "active", 10, "it is up")


@pytest.mark.slow
def test_what_takes_too_much_memory_is_ended_and_the_daemon_goes_on(machines, packages):
    alpha, = machines("alpha", limits=True)
    node = Installed(alpha)
    install(alpha, packages)
    node.systemctl("start")
    node.do("init")
    pid = node.property("MainPID")
    name = node.property("ControlGroup")
    # by control groups of the first version, or the second
    group, limit = alpha.output("sh", "-c", f"ls /sys/fs/cgroup/memory{name}/memory.limit_in_bytes /sys/fs/cgroup{name}/memory.max; :"
                                ).split()[0].rsplit("/", 1)
    assert alpha.output("cat", f"{group}/{limit}").strip() == str(1 << 30)
    alpha.run("systemctl", "set-property", "--runtime", "meshd", "MemoryMax=200M")
    hog = alpha.run("sh", "-c", f"echo $$ >{group}/cgroup.procs && exec tail /dev/zero", check=False)
    assert hog.returncode == -9 or hog.returncode == 137, hog
    assert node.property("MainPID") == pid and node.json("status")["state"] == "running"


@pytest.mark.slow
def test_a_life_in_the_sandbox(world, machines, packages):
    """What a daemon does from its founding to its revocation, each part of it as its own user and behind the filter."""
    alpha, beta = mesh(world, packages, *machines("alpha", "beta"))
    assert alpha.json("status")["discovery"]["mdns"] == "off"
    for node in (alpha, beta):
        node.machine.run("sh", "-c", "printf '[metrics]\\nlisten = 127.0.0.1:9586\\n' >/etc/meshd/meshd.conf")
        node.machine.run("systemctl", "start", "avahi-daemon")
        node.systemctl("reload")
    for node, other in ((alpha, beta), (beta, alpha)):
        wait_for(lambda: node.json("status")["discovery"] == {"mdns": "running", "found": 1}, 15, "avahi tells of the other")
    assert "meshd_" in alpha.machine.output("bash", "-c",
                                            "exec 3<>/dev/tcp/127.0.0.1/9586; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3")
    # What others change is put back.
    alpha.machine.run("ip", "link", "delete", "mesh0")
    alpha.pings(beta.address())
    alpha.machine.run("ip", "address", "flush", "dev", "mesh0")
    alpha.pings(beta.address())
    # Keys, values, and files that meshctl writes for whoever asks.
    key = alpha.json("status")["node"]["wireguard_public_key"]
    assert alpha.json("rotate")["rotated"]
    assert alpha.json("status")["node"]["wireguard_public_key"] != key
    alpha.pings(beta.address())
    alpha.do("kv", "put", "site/gateway", "192.0.2.1")
    wait_for(lambda: "site/gateway" in beta.do("kv", "list"), 5, "the key is there")
    alpha.machine.run("sh", "-c", "echo passphrase >/root/passphrase")
    alpha.do("root", "export", "/root/mesh.root", "--passphrase-file", "/root/passphrase")
    alpha.do("root", "forget")
    alpha.do("backup", "/root/alpha.backup", "--passphrase-file", "/root/passphrase")
    checks = alpha.json("doctor")["checks"]
    assert [check for check in checks if check["state"] == "fail"] == []
    # The end.
    alpha.do("revoke", "beta")
    wait_for(lambda: beta.json("status")["state"] == "revoked", 10, "beta is told")
    wait_for(lambda: not beta.machine.pids("wireguard-go"), 5, "beta's overlay is down")
    alpha.do("leave", "--force")
    assert alpha.machine.run("ip", "link", "show", "mesh0", check=False).returncode != 0
    for node in (alpha, beta):
        assert "SECCOMP" not in node.machine.journal()


@pytest.mark.slow
def test_segments_work_in_the_sandbox_and_outlive_the_daemon(world, machines, packages):
    alpha, beta = mesh(world, packages, *machines("alpha", "beta"))
    alpha.do("l2", "create", "lan0")
    for number, node in enumerate((alpha, beta), 1):
        node.do("l2", "attach", "lan0", "--address", f"192.168.7.{number}/24", "--address", f"fd07::{number}/64")
    alpha.pings("192.168.7.2")
    alpha.pings("fd07::2")
    traffic = Traffic(beta.machine, "192.168.7.1", world.folder / "ping.log")
    traffic.wait_replies(10)
    alpha.systemctl("restart")
    wait_for(lambda: alpha.sees(beta), 10, "alpha is back after a restart")
    traffic.wait_replies(20)
    sent, lost = traffic.stop()
    assert lost == [], f"{len(lost)} of {sent} pings lost"
    assert [warning for node in (alpha, beta) for warning in node.json("status")["warnings"] if "root key" not in warning] == []
    alpha.machine.run("dpkg", "--remove", "meshd")
    links = alpha.machine.output("ip", "-oneline", "link")
    assert "lan0" not in links and "vx" not in links and "mesh0" not in links


@pytest.mark.slow
def test_two_meshes_on_one_host_do_not_know_of_each_other(world, machines, packages):
    alpha, beta = mesh(world, packages, *machines("alpha", "beta"))
    page = (ROOT / "packaging/INSTANCES.md").read_text()
    settings = textwrap.dedent(re.search(r"^    # cat .*lab\.conf.*\n((?:    .*\n)*?)    END$", page, re.M).group(1))
    lab = []
    for node in (alpha, beta):
        node.machine.run("sh", "-c", "cat >/etc/meshd/lab.conf", input=settings)
        lab.append(Installed(node.machine, "lab"))
        lab[-1].systemctl("start")
    lab[0].do("init", "--mesh", "lab")
    lab[1].do("join", "-", input=lab[0].do("invite"))
    lab[0].pings(lab[1].address())
    alpha.pings(beta.address())
    assert lab[0].json("status")["mesh"]["id"] != alpha.json("status")["mesh"]["id"]
    assert len(alpha.machine.pids("wireguard-go")) == 2
    # An upgrade starts both again.
    pids = [node.property("MainPID") for node in (alpha, lab[0])]
    install(alpha.machine, packages, NEXT_VERSION)
    for node, pid in zip((alpha, lab[0]), pids):
        wait_for(lambda: node.restarted(pid), 10, f"{node.unit} is started again")
    lab[0].pings(lab[1].address())
    # Who stops one of them leaves the other alone; and the package takes down both.
    lab[0].systemctl("stop")
    assert alpha.json("status")["state"] == "running"
    lab[0].systemctl("start")
    alpha.machine.run("dpkg", "--purge", "meshd")
    assert alpha.machine.pids("meshd") + alpha.machine.pids("wireguard-go") == []
    assert alpha.machine.run("sh", "-c", "ls -d /var/lib/meshd* /etc/meshd /run/meshd", check=False).stdout == ""
