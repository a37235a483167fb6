"""Hosts that run Debian of their own, with systemd as their init: what the package and the service are tested on.

A machine is a host (lan.py) whose file system is an overlay over one Debian root, made by debootstrap on first use and
kept in the build folder, and whose control groups are a branch of this machine's. What it must not touch, it cannot:
/sys and /proc/sys are read-only there, as in a container.
"""
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import uuid

import pytest

from lan import Host, children, die_with_parent, wait_for
from mesh import BUILD

SUITE = "bookworm"
# What a Debian that somebody runs meshd on has beside the essential packages; the package's own dependencies are taken
# from it, so that it is installed below without any network.
PACKAGES = ["systemd", "dbus", "avahi-daemon", "iproute2", "iputils-ping", "wireguard-go", "wireguard-tools", "procps"]
BOOT_S = 30
CGROUP_1 = " cgroup rw" in pathlib.Path("/proc/mounts").read_text()

# Units that would look for hardware, or talk about a whole machine's settings.
MASKED = ["systemd-sysctl.service", "systemd-modules-load.service", "systemd-remount-fs.service", "systemd-logind.service",
          "systemd-random-seed.service", "systemd-update-utmp.service", "systemd-update-utmp-runlevel.service",
          "systemd-tmpfiles-clean.timer", "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer",
          "e2scrub_all.timer", "fstrim.timer", "getty.target", "dev-hugepages.mount", "dev-mqueue.mount",
          "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "sys-kernel-config.mount", "sys-fs-fuse-connections.mount",
          "proc-sys-fs-binfmt_misc.automount", "kmod-static-nodes.service", "systemd-networkd.service",
          "systemd-pstore.service", "modprobe@.service"]

# In the namespaces, before those of control groups: a branch for this machine.
FIRST = """
set -e
mount -t cgroup2 none /mnt
mkdir "/mnt/$2"
echo $$ >"/mnt/$2/cgroup.procs"
umount /mnt
groups=$(cat /proc/self/cgroup)
# Where limits are kept by control groups of the first version, below where we are.
while [ -n "$7" ] && IFS=: read -r _ names path; do
	[ -n "$names" ] || continue
	mount -t cgroup -o "${names/#name=/none,name=}" none /mnt
	mkdir "/mnt$path/$2"
	for file in cpuset.cpus cpuset.mems; do
		[ ! -e "/mnt$path/$file" ] || cat "/mnt$path/$file" >"/mnt$path/$2/$file"
	done
	echo $$ >"/mnt$path/$2/cgroup.procs"
	umount /mnt
done <<<"$groups"
exec unshare --cgroup bash -c "$4" "$0" "$1" "$3" "$5" "$6" "$7"
"""

# NAME ROOT SHARED FOLDER UNIT LIMITS
SECOND = """
set -e
hostname "$0"
ip link set lo up
sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o "lowerdir=$1,upperdir=/mnt/upper,workdir=/mnt/work" overlay /mnt/root
cd /mnt/root
mount -t proc proc proc
mount -t sysfs sysfs sys
for path in proc/sys proc/sysrq-trigger sys; do
	if [ -e "$path" ]; then
		mount --bind "$path" "$path"
		# What the namespace has of its own may be set where systemd is not alone.
		[ -z "$4" ] || [ "$path" != proc/sys ] || mount --bind proc/sys/net proc/sys/net
		mount -o remount,ro,bind "$path"
	fi
done
if [ -z "$5" ]; then
	mount -t cgroup2 cgroup2 sys/fs/cgroup
else
	mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
	groups=$(cat /proc/self/cgroup)
	while IFS=: read -r _ names _; do
		folder=sys/fs/cgroup/${names#name=}
		if [ -n "$names" ]; then
			mkdir "$folder"
			mount -t cgroup -o "${names/#name=/none,name=}" cgroup "$folder"
		else
			mkdir sys/fs/cgroup/unified
			mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
		fi
	done <<<"$groups"
fi
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty net/tun; do
	mkdir -p "$(dirname "dev/$device")"
	cp -a "/dev/$device" "dev/$device"
	chmod 666 "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for folder in run tmp; do
	mount -t tmpfs -o mode=1755 tmpfs "$folder"
done
chmod 755 run
mkdir -p srv
mount --bind "$2" srv
if [ -n "$3" ]; then
	mount --bind "$3" ".$3"
fi
if [ -n "$4" ]; then
	mkdir -p run/systemd/system
	printf '[Unit]\nDefaultDependencies=no\n' >"run/systemd/system/$4"
fi
echo "$0" >etc/hostname
echo "127.0.0.1 localhost $0" >etc/hosts
mkdir old
pivot_root . old
umount -l /old
rmdir /old
exec </dev/null >/dev/null 2>&1
exec env -i container=netns PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb /lib/systemd/systemd ${4:+"--unit=$4"}
"""


def mirror():
    """Where this machine's apt has that Debian from."""
    targets = subprocess.run(["apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)",
                              "Created-By: Packages"], capture_output=True, text=True).stdout
    found = [words[2] for words in map(str.split, targets.splitlines()) if words[:2] == [SUITE, "main"]]
    return found[0] if found else pytest.skip(f"no source of apt's has {SUITE} main")


def debootstrap(target, packages):
    proxy = subprocess.run(["apt-config", "shell", "proxy", "Acquire::http::Proxy"], capture_output=True, text=True).stdout
    environment = dict(os.environ)
    if "='" in proxy:
        environment["http_proxy"] = proxy.split("'")[1]
    archive = mirror()
    done = subprocess.run(["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", SUITE, target, archive],
                          env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        reachable = subprocess.run(["wget", "-q", "-t", "1", "-T", "10", "--spider", f"{archive}/dists/{SUITE}/InRelease"],
                                   env=environment).returncode == 0
        (pytest.fail if reachable else pytest.skip)(f"debootstrap from {archive}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    for unit in MASKED:
        (target / "etc/systemd/system" / unit).symlink_to("/dev/null")
    for archive in (target / "var/cache/apt/archives").glob("*.deb"):
        archive.unlink()


def debian_root(dependencies):
    """A Debian with these packages beside PACKAGES, made once."""
    packages = sorted({*PACKAGES, *dependencies})
    name = hashlib.sha256(" ".join([SUITE, *packages, *MASKED]).encode()).hexdigest()[:12]
    root = BUILD / f"debian-{name}"
    with open(BUILD / "debian.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            for old in BUILD.glob("debian-*"):
                shutil.rmtree(old)
            half = BUILD / "debian-half"
            debootstrap(half, packages)
            half.rename(root)
    return root


class Machine(Host):
    def __init__(self, name, root, shared, folder="", unit="", limits=False):
        """shared: a folder of this machine that is /srv there; folder: one that is there by its own name. unit: all that is
        started, an empty target; then /proc/sys/net is as on any host. limits: what a service may take is limited, also
        where this machine has control groups of the first version for that."""
        self.name = name
        self.links = {}
        self.started = []
        self.group = f"meshd-{name}-{uuid.uuid4().hex[:8]}"
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc",
             "--propagation", "private", "bash", "-c", FIRST, name, str(root), self.group, str(shared), SECOND,
             str(folder), unit, "limits" if limits and CGROUP_1 else ""],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
            preexec_fn=die_with_parent)
        self.pid = wait_for(lambda: children(self.holder.pid) or self.holder.poll() is not None and [None], 5,
                            f"{name} starts")[0]
        self.enter = ["nsenter", "-t", str(self.pid), "-n", "-m", "-u", "-i", "-p", "-C", "--"]
        try:
            wait_for(self.booted, BOOT_S, f"{name} boots")
        except BaseException:
            self.close()
            raise

    def booted(self):
        if self.holder.poll() is not None:
            raise RuntimeError(f"{self.name}: {self.holder.stderr.read().decode()}")
        try:
            if pathlib.Path(f"/proc/{self.pid}/comm").read_text().strip() != "systemd":
                return False
        except OSError:
            return False
        return self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded")

    def close(self):
        self.holder.kill()
        self.holder.wait()
        if self.holder.stderr:
            self.holder.stderr.close()
        for mount in pathlib.Path("/proc/mounts").read_text().splitlines():
            device, folder, kind = mount.split()[:3]
            if kind in ("cgroup", "cgroup2"):
                for group in [path for path, _, _ in os.walk(folder, topdown=False) if f"/{self.group}" in path]:
                    wait_for(lambda: remove_group(group), 5, f"the control group {group} is empty")

    def journal(self, unit="meshd"):
        return self.output("journalctl", "--no-pager", "-o", "cat", "-u", unit)


def remove_group(path):
    try:
        os.rmdir(path)
    except FileNotFoundError:
        pass
    except OSError:
        return False  # its last process is still on its way out
    return True
