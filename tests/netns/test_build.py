"""Builds for other systems than Debian with everything: OpenWrt's C library, no systemd, no Avahi."""
import pathlib
import re
import subprocess

import pytest

from lan import wait_for
from mesh import BACKEND, BUILD, ROOT, Node

pytestmark = [pytest.mark.slow, pytest.mark.skipif(BACKEND != "userspace", reason="has nothing to do with the data plane")]
# Debian has musl, but no libraries that were built with it: their headers have to do, and nothing is linked.
HEADERS = ["sodium", "sodium.h", "msgpack", "msgpack.h", "libmnl", "uv", "uv.h", "sqlite3.h", "ini.h", "jansson.h",
           "jansson_config.h", "nftables", "microhttpd.h", "linux", "asm-generic", "asm"]


def cmake(source, build, *options):
    done = subprocess.run(["cmake", "-S", source, "-B", build, "-G", "Ninja", *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def make(build, *targets):
    done = subprocess.run(["cmake", "--build", build, *targets, "--", "-j2"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


class PlainNode(Node):
    build = BUILD / "plain"


def test_a_build_without_systemd_and_avahi_joins_a_mesh(world):
    """As packaging/OPENWRT.md has it."""
    command = re.search(r"^    cmake -S \. -B build -G Ninja (.*)$", (ROOT / "packaging/OPENWRT.md").read_text(), re.M)
    cmake(ROOT, PlainNode.build, *command.group(1).split(), "-DCMAKE_BUILD_TYPE=Debug")  # that is quicker
    make(PlainNode.build)
    linked = subprocess.run(["ldd", PlainNode.build / "meshd"], capture_output=True, text=True, check=True).stdout
    assert "libuv" in linked and not re.search("systemd|avahi|dbus", linked), linked
    _, alpha, beta = world.nodes_on_lan("alpha", "beta")
    plain = PlainNode(beta.host, beta.folder / "plain", {"gossip.mdns": "true"})
    world.nodes.append(plain)
    for node in (alpha, plain):
        node.start()
    alpha.init()
    plain.join(alpha.invite())
    plain.pings(alpha)
    assert plain.status()["discovery"]["mdns"] == "unavailable"
    assert any("built without" in warning for warning in plain.status()["warnings"])
    alpha.do("l2", "create", "lan0")
    wait_for(lambda: "lan0" in plain.do("l2", "list"), 10, "the segment is known")
    for number, node in enumerate((alpha, plain), 1):
        node.do("l2", "attach", "lan0", "--address", f"192.168.7.{number}/24")
    wait_for(lambda: plain.host.can_ping("192.168.7.1"), 10, "the segment carries")


def test_every_source_compiles_with_musl_without_systemd_and_avahi(tmp_path):
    headers, build = tmp_path / "include", tmp_path / "build"
    headers.mkdir()
    for name in HEADERS:
        found = [path for path in (pathlib.Path("/usr/include") / name, pathlib.Path("/usr/include/x86_64-linux-gnu") / name)
                 if path.exists()]
        if found:
            (headers / name).symlink_to(found[0])
    options = ["-DCMAKE_C_COMPILER=musl-gcc", f"-DCMAKE_C_FLAGS=-idirafter {headers}", "-DCMAKE_BUILD_TYPE=None",
               "-DWITH_SYSTEMD=OFF", "-DWITH_AVAHI=OFF", "-DMESHD_TESTS=OFF", "-DMESHD_WERROR=ON"]
    cmake(ROOT, build, *options)
    make(build, "--target", "libraries")
