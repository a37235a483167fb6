"""etcd, Debian's `etcd-server`, on loopback addresses, with its defaults: durable, three members."""
import json
import pathlib
import subprocess
import tempfile
import shutil

import fleet

PORT, PEER_PORT = 2379, 2380


class Member(fleet.Daemon):
    def __init__(self, folder, name, address, cluster):
        self.name, self.address = name, address
        self.endpoint = f"{address}:{PORT}"
        client, peer = f"http://{self.endpoint}", f"http://{address}:{PEER_PORT}"
        super().__init__("etcd", "--name", name, "--data-dir", pathlib.Path(folder) / name, "--listen-client-urls", client,
                         "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                         "--initial-cluster", cluster, "--initial-cluster-state", "new", "--logger", "zap", "--log-level",
                         "error", log=pathlib.Path(folder) / f"{name}.log")

    def etcdctl(self, *arguments, timeout="5s"):
        """(whether it went well, stdout)"""
        done = subprocess.run(["etcdctl", f"--endpoints=http://{self.endpoint}", f"--command-timeout={timeout}", *arguments],
                              env={"ETCDCTL_API": "3", "PATH": "/usr/bin:/bin"}, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
        return done.returncode == 0, done.stdout

    def status(self):
        """etcd's own, or None."""
        well, text = self.etcdctl("endpoint", "status", "-w", "json")
        return json.loads(text)[0]["Status"] if well else None


class Cluster:
    """Three members; with `with`. `members` has the leader first."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="etcd-bench-")
        self.members = []

    def __enter__(self):
        addresses = {f"e{i}": f"127.0.9.{i}" for i in (1, 2, 3)}
        cluster = ",".join(f"{name}=http://{address}:{PEER_PORT}" for name, address in addresses.items())
        try:
            self.members = [Member(self.folder, name, address, cluster) for name, address in addresses.items()]
            fleet.wait_for(self._led, fleet.START_S, "etcd has a leader")
        except BaseException:
            self.__exit__()
            raise
        return self

    def _led(self):
        statuses = [member.status() for member in self.members]
        if not all(status and status.get("leader") for status in statuses):
            return False
        self.members.sort(key=lambda member: member.status()["header"]["member_id"] != statuses[0]["leader"])
        return True

    def addresses(self):
        return [member.endpoint for member in self.members]

    def in_step(self):
        """Whether all have applied the same."""
        return len({member.status()["raftAppliedIndex"] for member in self.members}) == 1

    def __exit__(self, *_):
        for member in self.members:
            member.end()
        for member in self.members:
            member.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
