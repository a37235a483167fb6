"""The Ansible role on machines with systemd, where it installs the package and runs the service. It takes minutes, and is no
part of tests/run:

    MESHD_BUILD=$PWD/build-asan /usr/bin/python3 -m pytest tests/netns/ansible_service.py
"""
import pytest

from lan import wait_for
from test_ansible import TOKEN, Site
from test_package import Installed, machines_with, package_of, packages  # noqa: F401 (a fixture)


@pytest.fixture
def nodes(world, packages):  # noqa: F811
    """Debian with what Ansible wants of a host, and nothing of ours."""
    made = [Installed(machine) for machine in machines_with(world, packages, "python3", "python3-apt")("alpha", "beta")]
    world.nodes.extend(made)
    return made


def test_a_role_installs_the_package_and_its_service(nodes, packages, tmp_path):  # noqa: F811
    hosts = {node.name: {"ansible_connection": "machine", "machine_enter": node.machine.enter,
                         "ansible_python_interpreter": "/usr/bin/python3"} for node in nodes}
    variables = {"meshd_deb": f"/srv/{package_of(packages, '0.1.0').name}", "meshd_mesh": "lab",
                 "meshd_config": {"gossip": {"mdns": False}}}
    site = Site(tmp_path, hosts, variables, "/tmp/ansible")

    site.play("--check", "--diff")
    for node in nodes:
        assert node.machine.run("dpkg", "-s", "meshd", check=False).returncode != 0

    changed, text = site.play("--diff", "-vv")
    assert all(changed.values()) and not TOKEN.search(text), text
    for node in nodes:
        wait_for(lambda: node.sees(*nodes), 15, f"{node.name} sees everybody alive")
        assert (node.property("UnitFileState"), node.property("ActiveState")) == ("enabled", "active")
        assert node.json("status")["mesh"]["name"] == "lab"
    nodes[0].pings(nodes[1].address())
    site.changes_nothing("--diff")
    site.changes_nothing("--check")

    # Other settings are written, and the service started again.
    process = nodes[0].property("MainPID")
    site.play("-e", '{"meshd_config": {"gossip": {"mdns": false}, "log": {"level": "debug"}}}')
    assert nodes[0].restarted(process)
    wait_for(lambda: nodes[0].sees(*nodes), 15, "both are back")
