"""Builds for other systems than Debian with everything: OpenWrt's C library, no systemd, no Avahi."""
import pathlib
import subprocess

import pytest

from mesh import BACKEND, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.skipif(BACKEND != "userspace", reason="has nothing to do with the data plane")]
# Debian has musl, but no libraries that were built with it: their headers have to do, and nothing is linked.
HEADERS = ["sodium", "sodium.h", "msgpack", "msgpack.h", "libmnl", "uv", "uv.h", "sqlite3.h", "ini.h", "jansson.h",
           "jansson_config.h", "nftables", "microhttpd.h", "linux", "asm-generic", "asm"]


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
    for command in (["cmake", "-S", ROOT, "-B", build, "-G", "Ninja", *options],
                    ["cmake", "--build", build, "--target", "libraries", "--", "-j2"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
