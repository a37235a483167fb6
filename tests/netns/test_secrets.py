"""No secret leaves the key file, memory, and what a passphrase seals."""
import base64
import hashlib
import os
import pathlib
import shutil
import stat
import subprocess
import tempfile

import pytest

from lan import wait_for
from mesh import BACKEND, BUILD, INTERFACE, Node

NOBODY = 65534
METRICS_LISTEN = "127.0.0.1:9586"
METRICS = f"import urllib.request; print(urllib.request.urlopen('http://{METRICS_LISTEN}/metrics').read())"
PASSPHRASE = "a passphrase that nobody shall find"
KEYS_FILE = "keys"

NO_DATA_PLANE = pytest.mark.skipif(BACKEND != "userspace", reason="no data plane has a part in it")


def forms(secret):
    """A secret of bytes as it may be written anywhere."""
    url = base64.urlsafe_b64encode(secret).rstrip(b"=")
    return {secret, secret.hex().encode(), secret.hex().upper().encode(), base64.b64encode(secret).rstrip(b"="), url}


def private_key(seed):
    """The X25519 form of an Ed25519 seed (RFC 8032, RFC 7748): what WireGuard is given."""
    key = bytearray(hashlib.sha512(seed).digest()[:32])
    key[0] &= 248
    key[31] = key[31] & 127 | 64
    return bytes(key)


class Secrets:
    """What has been a secret at any time, and where it was found."""

    def __init__(self):
        self.known = {}

    def add(self, name, secret):
        for form in forms(secret):
            self.known[form] = name

    def add_text(self, name, text):
        self.known[text.encode()] = name

    def add_node(self, node):
        for line in (node.state / KEYS_FILE).read_text().splitlines():
            name, _, value = line.partition(" = ")
            if name in ("identity", "wireguard", "wireguard-next", "root"):
                seed = base64.b64decode(value)
                self.add(f"{name} of {node.name}", seed)
                self.add(f"{name} of {node.name}, X25519", private_key(seed))

    def add_preshared(self, node):
        for line in node.wg("show", INTERFACE, "preshared-keys").splitlines():
            self.add(f"a preshared key of {node.name}", base64.b64decode(line.split()[1]))

    def in_bytes(self, data):
        return {name for form, name in self.known.items() if form in data}

    def in_files(self, files):
        found = {str(file): self.in_bytes(file.read_bytes()) for file in files}
        return {file: names for file, names in found.items() if names}


def written_by(node):
    """All files that the daemon wrote but its key file, which is there for them."""
    files = [file for file in node.state.rglob("*") if file.is_file() and file.name != KEYS_FILE]
    assert any(file.name == "state.db" for file in files)
    return [*files, node.log, node.config]


def told_by(node):
    """Whatever it answers to whoever may only look."""
    for verb in ("status", "events", "invites", "doctor"):
        yield f"{node.name}: {verb}", node.do("--json", verb).encode()
        yield f"{node.name}: {verb}, text", node.do(verb).encode()
    yield f"{node.name}: debug dump", node.do("debug", "dump").encode()
    yield f"{node.name}: metrics", node.host.output("python3", "-c", METRICS).encode()
    for member in node.members():
        yield f"{node.name}: show", node.do("--json", "show", member).encode()


def shown_by_processes(node):
    for name in ("meshd", "wireguard-go"):
        for pid in node.host.pids(name):
            for file in ("cmdline", "environ"):
                yield f"{node.name}: {name}'s {file}", pathlib.Path(f"/proc/{pid}/{file}").read_bytes()


@pytest.mark.anywhere
def test_nothing_that_is_written_or_told_has_a_secret_in_it(world, tmp_path):
    _, alpha, beta = world.nodes_on_lan("alpha", "beta", settings={"metrics.listen": METRICS_LISTEN})
    secrets = Secrets()
    file = tmp_path / "passphrase"
    file.write_text(PASSPHRASE + "\n")
    secrets.add_text("the passphrase", PASSPHRASE)
    for node in (alpha, beta):
        node.start()
        secrets.add_node(node)
    alpha.init()
    token = alpha.invite()
    secrets.add_text("a token", token)
    secrets.add_text("a token's end", token[-60:])
    beta.join(token)
    alpha.pings(beta)
    for node in (alpha, beta):
        secrets.add_node(node)
        secrets.add_preshared(node)
    spare = alpha.invite()
    secrets.add_text("a token that was not used", spare)
    alpha.do("kv", "put", "key", "value")
    beta.do("rotate", timeout=90)
    wait_for(lambda: beta.wg_key() in alpha.wg_peers(), 20, "the next key")
    for node in (alpha, beta):
        secrets.add_node(node)
        secrets.add_preshared(node)
    alpha.do("root", "export", tmp_path / "root", "--passphrase-file", file)
    beta.do("backup", tmp_path / "backup", "--passphrase-file", file)
    with pytest.raises(AssertionError):
        beta.join(spare)  # refused, with the token in hand
    beta.restart()
    assert len(secrets.known) > 60

    for node in (alpha, beta):
        assert not secrets.in_files(written_by(node))
        for what, text in (*told_by(node), *shown_by_processes(node)):
            assert not secrets.in_bytes(text), what
    assert not secrets.in_files([tmp_path / "root", tmp_path / "backup"])
    alpha.do("revoke", "beta")
    alpha.do("root", "forget")
    alpha.stop()
    assert not secrets.in_files(written_by(alpha))
    # what was forgotten is not in the key file either
    assert not {name for name in secrets.in_bytes((alpha.state / KEYS_FILE).read_bytes()) if name.startswith("root")}


@NO_DATA_PLANE
def test_a_planted_secret_is_found(world, tmp_path):
    """The search above can fail."""
    alpha = world.node(world.host("alpha"), {"wireguard.backend": "none"})
    alpha.start()
    secrets = Secrets()
    secrets.add_node(alpha)
    assert secrets.in_files([alpha.state / KEYS_FILE])
    assert not secrets.in_files(written_by(alpha))
    seed = base64.b64decode((alpha.state / KEYS_FILE).read_text().split("identity = ")[1].split()[0])
    for form in (*forms(seed), *forms(private_key(seed))):
        planted = tmp_path / "planted"
        planted.write_bytes(b"..." + form + b"...")
        assert secrets.in_files([planted])


def owner(pid):
    """Of what the kernel shows of a process: its own user, or root where it is not dumpable."""
    return os.stat(f"/proc/{pid}/environ").st_uid


def core_limit(pid):
    for line in pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines():
        if line.startswith("Max core file size"):
            return line.split()[4:6]
    raise AssertionError("no limit of core files")


@pytest.fixture
def folder():
    path = pathlib.Path(tempfile.mkdtemp(prefix="meshd-secrets-"))
    os.chown(path, NOBODY, NOBODY)
    yield path
    shutil.rmtree(path)


def as_nobody(*command):
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *map(str, command)]


def memory(pid):
    """Each part of what a process can write to, and whether a dump would leave it out: as libsodium's guarded memory is."""
    parts = []
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if line.startswith("VmFlags:"):
            parts[-1][-1] = "dd" in line.split()
        elif "-" in (words := line.split())[0]:
            start, end = (int(number, 16) for number in words[0].split("-"))
            parts.append([start, end, words[1], False])
    with open(f"/proc/{pid}/mem", "rb") as file:
        for start, end, rights, left_out in parts:
            if rights.startswith("rw") and end - start < 1 << 30:  # more is a sanitizer's
                file.seek(start)
                yield f"{start:x}-{end:x}", file.read(end - start), left_out


def test_private_keys_stand_in_guarded_memory_alone(world, tmp_path):
    _, alpha, beta = world.mesh("alpha", "beta")
    secrets = Secrets()
    secrets.add_node(alpha)
    alpha.do("kv", "put", "key", "value")
    alpha.do("rotate", timeout=90)
    alpha.pings(beta)
    secrets.add_node(alpha)
    file = tmp_path / "passphrase"
    file.write_text(PASSPHRASE + "\n")
    alpha.do("root", "export", tmp_path / "root", "--passphrase-file", file)
    pid, = alpha.host.pids("meshd")
    public = bytes.fromhex(alpha.status()["node"]["id"])
    parts = list(memory(pid))
    assert any(public in data for _, data, left_out in parts if not left_out), "all else is looked through as well"
    found = [(part, left_out, secrets.in_bytes(data)) for part, data, left_out in parts]
    assert {name for _, left_out, names in found for name in names if left_out} >= {"identity of alpha", "wireguard of alpha"}
    assert not [(part, names) for part, left_out, names in found if names and not left_out]


@NO_DATA_PLANE
def test_nobody_reads_the_memory_and_files_are_the_owners_alone(folder, world):
    host = world.host("alpha")
    node = Node(host, folder / "node", {"wireguard.backend": "none"})
    world.nodes.append(node)
    os.chown(node.folder, NOBODY, NOBODY)
    # the build may be where nobody but root can go
    for program in ("meshd", "meshctl"):
        shutil.copy(BUILD / program, folder)
    command = node.command()
    node.process = host.start(*as_nobody(folder / "meshd", *command[1:]), log=node.log,
                              # which needs to trace it
                              env={"ASAN_OPTIONS": "detect_leaks=0"})
    wait_for(node.answers, 10, "meshd answers")
    node.init()
    pid = host.pids("meshd")[0]
    plain = subprocess.Popen(as_nobody("sleep", "60"))
    asking = subprocess.Popen(as_nobody(folder / "meshctl", "--socket", node.socket, "join", "-"), stdin=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: owner(plain.pid) == NOBODY, 5, "what others are like")
        wait_for(lambda: owner(asking.pid) == 0 and core_limit(asking.pid) == ["0", "0"], 5, "meshctl guards its memory")
    finally:
        for process in (plain, asking):
            process.kill()
            process.wait()
    assert owner(pid) == 0 and core_limit(pid) == ["0", "0"]
    assert stat.S_IMODE(node.state.stat().st_mode) == 0o700
    for file in node.state.rglob("*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
