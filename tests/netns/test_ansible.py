"""The Ansible role, run by Debian's ansible on hosts that are namespaces: its start command is in systemd's place.
ansible_service.py has the rest."""
import json
import os
import pathlib
import re
import subprocess

import pytest

from lan import wait_for
from mesh import BACKEND, BUILD, ROOT, all_ping

pytestmark = [pytest.mark.slow, pytest.mark.anywhere]
ROLES = ROOT / "packaging" / "ansible" / "roles"
PLUGINS = pathlib.Path(__file__).parent / "ansible_plugins"
TOKEN = re.compile(r"mesh1_")


class Site:
    """hosts: {name: variables}."""

    def __init__(self, folder, hosts, variables, remote_temp):
        self.folder, self.names, self.remote_temp = folder, list(hosts), remote_temp
        self.inventory = folder / "inventory.json"
        self.inventory.write_text(json.dumps({"meshd": {"hosts": hosts, "vars": variables}}))

    def play(self, *arguments):
        """host: its counters; and what was printed."""
        done = subprocess.run(["ansible-playbook", "-i", self.inventory, ROOT / "packaging/ansible/site.yml", *arguments],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=240, env={
                                  **os.environ, "ANSIBLE_ROLES_PATH": str(ROLES), "ANSIBLE_BECOME": "false",
                                  "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCAL_TEMP": str(self.folder / "ansible"),
                                  "ANSIBLE_REMOTE_TEMP": str(self.remote_temp), "ANSIBLE_PIPELINING": "true",
                                  "ANSIBLE_CONNECTION_PLUGINS": str(PLUGINS), "LC_ALL": "C.UTF-8"})
        text = done.stdout + done.stderr
        assert done.returncode == 0, text
        counters = re.findall(r"^(\w+) +: ok=\d+ +changed=(\d+)", text, re.M)
        assert len(counters) == len(self.names), text
        return {name: int(changed) for name, changed in counters}, text

    def changes_nothing(self, *arguments):
        changed, text = self.play(*arguments)
        assert changed == dict.fromkeys(self.names, 0), text


def site_of_namespaces(nodes, folder):
    hosts = {}
    for number, node in enumerate(nodes, 1):
        enter = folder / f"enter-{node.name}"
        enter.write_text(f"#!/bin/sh\nexec {' '.join(node.host.enter)} /bin/sh \"$@\"\n")
        enter.chmod(0o755)
        node.config.unlink()
        programs = node.folder / "bin"
        log = f"setsid {programs}/meshd --config {node.config} --state-dir {node.state} --socket {node.socket}"
        start = node.folder / "start"
        start.write_text(f"#!/bin/sh\n{log} </dev/null >>{node.log} 2>&1 &\n")
        start.chmod(0o755)
        hosts[node.name] = {
            "ansible_connection": "local", "ansible_shell_executable": str(enter),
            "ansible_python_interpreter": "/usr/bin/python3", "meshd_program_dir": str(programs),
            "meshd_config_file": str(node.config), "meshd_socket": str(node.socket),
            "meshd_start_command": str(start),
            "meshd_attach": [{"name": "lan0", "addresses": [f"192.168.7.{number}/24"]}]}
    variables = {"meshd_build": str(BUILD), "meshd_service_mgr": "command", "meshd_admins": ["beta"],
                 "meshd_segments": [{"name": "lan0"}],
                 "meshd_config": {"gossip": {"mdns": False}, "wireguard": {"backend": BACKEND}}}
    return Site(folder, hosts, variables, folder / "ansible")


def test_a_role_founds_a_mesh_and_changes_nothing_the_second_time(world, tmp_path):
    _, *nodes = world.nodes_on_lan("alpha", "beta", "gamma")
    site = site_of_namespaces(nodes, tmp_path)

    def files():
        return sorted(str(path) for node in nodes for path in node.folder.rglob("*"))

    before = files()
    site.play("--check", "--diff")
    assert files() == before

    changed, text = site.play("--diff", "-vv")
    assert all(changed.values()) and not TOKEN.search(text), text
    for node in nodes:
        wait_for(lambda: node.sees(*nodes), 15, f"{node.name} sees everybody alive")
    all_ping(*nodes)
    wait_for(lambda: nodes[2].host.can_ping("192.168.7.1"), 5, "the segment is up")
    wait_for(lambda: nodes[0].members()["beta"]["admin"], 5, "beta is an admin")
    site.changes_nothing("--diff")
    site.changes_nothing("--check")
