"""A node's whole state in a file, and the node again on another machine."""
import shutil
import stat
import subprocess
import time

import pytest

from lan import wait_for
from mesh import BACKEND, BUILD, Refused

pytestmark = pytest.mark.skipif(BACKEND != "userspace", reason="no data plane has a part in it")

NO_DATA_PLANE = {"wireguard.backend": "none"}


@pytest.fixture
def trio(world, tmp_path):
    """A mesh of three, and a fourth host beside it that belongs to nothing."""
    _, alpha, beta, gamma = world.mesh("alpha", "beta", "gamma", settings=NO_DATA_PLANE)
    host = world.host("spare")
    world.lans[0].attach(host)
    spare = world.node(host, NO_DATA_PLANE)
    spare.start()
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse battery staple\n")
    return alpha, beta, gamma, spare, secret, tmp_path / "node.backup"


def backup(node, file, secret):
    return node.json("backup", file, "--passphrase-file", secret)


def restore(node, file, secret):
    return node.json("restore", file, "--passphrase-file", secret)


def refusal(node, *arguments):
    with pytest.raises(Refused) as caught:
        node.do(*arguments)
    assert caught.value.status == 1
    return caught.value.text


def same_store(*nodes):
    return len({node.status()["store"]["digest"] for node in nodes}) == 1


def member_of(node, name):
    return node.members()[name]


def test_a_node_comes_back_on_another_machine(trio):
    alpha, beta, gamma, spare, secret, file = trio
    beta.do("kv", "put", "early", "1")
    records = beta.status()["store"]["records"]
    result = backup(beta, file, secret)
    assert records <= result["records"] <= beta.status()["store"]["records"] and result["bytes"] == file.stat().st_size
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "is there already" in refusal(beta, "backup", file, "--passphrase-file", secret)
    before = beta.status()["node"]
    beta.do("kv", "put", "late", "2")
    wait_for(lambda: alpha.meshctl("kv", "get", "late")[1] == "2", 10, "alpha has what the backup has not")
    beta.kill()
    restored = restore(spare, file, secret)
    assert restored["node"]["id"] == before["id"] and restored["node"]["addresses"] == before["addresses"]
    wait_for(lambda: member_of(alpha, "beta")["state"] == "alive", 20, "alpha sees beta alive")
    wait_for(lambda: same_store(alpha, gamma, spare), 20, "all hold the same")
    assert spare.do("kv", "get", "late") == "2"
    # it writes, with stamps that were not used
    spare.do("kv", "put", "late", "3")
    wait_for(lambda: alpha.meshctl("kv", "get", "late")[1] == "3", 10, "what it writes counts")
    assert not [event for event in alpha.events() if event["event"] == "equivocation"]
    spare.restart()
    wait_for(lambda: same_store(alpha, gamma, spare), 20, "and after a restart")
    assert spare.do("kv", "get", "late") == "3"


def test_the_old_machine_steps_back_and_says_what_to_do(trio):
    alpha, beta, gamma, spare, secret, file = trio
    backup(beta, file, secret)
    beta.kill()
    restore(spare, file, secret)
    wait_for(lambda: member_of(alpha, "beta")["state"] == "alive", 20, "alpha sees beta alive")
    for _ in range(2):  # and again, whenever it comes
        beta.start()
        wait_for(lambda: beta.status()["state"] == "revoked", 20, "the old machine steps back")
        warning, = (warning for warning in beta.status()["warnings"] if "restored" in warning)
        assert "meshctl leave" in warning
        assert "restored" in refusal(beta, "kv", "put", "key", "value")
        assert "restored" in refusal(beta, "rotate")
        beta.stop()
    beta.start()
    wait_for(lambda: beta.status()["state"] == "revoked", 20, "the old machine steps back")
    beta.do("leave")
    assert beta.status()["state"] == "unjoined"
    spare.do("kv", "put", "mine", "yes")
    wait_for(lambda: alpha.meshctl("kv", "get", "mine")[1] == "yes", 10, "the restored one goes on")
    assert spare.status()["state"] == "running"
    wait_for(lambda: member_of(alpha, "beta")["state"] == "alive", 20, "and is alive")
    # the machine is free for a new member
    beta.join(alpha.invite(), "--name", "delta")


def test_of_two_copies_one_goes_on(trio):
    alpha, beta, gamma, spare, secret, _ = trio
    spare.stop()
    beta.stop()
    shutil.rmtree(spare.state)
    shutil.copytree(beta.state, spare.state)
    beta.start()
    started = int(time.time())
    wait_for(lambda: member_of(alpha, "beta")["state"] == "alive", 20, "alpha sees beta alive")
    wait_for(lambda: beta.sees(alpha, gamma), 20, "beta sees all")
    wait_for(lambda: time.time() > started + 2, 4, "no two starts count the same second")
    spare.start()
    wait_for(lambda: "another machine" in " ".join(beta.status()["warnings"]), 30, "the first one steps back")
    assert [event for event in beta.events() if event["event"] == "equivocation"]
    assert "meshctl leave" in refusal(beta, "kv", "put", "key", "value")
    wait_for(lambda: spare.meshctl("kv", "put", "key", "value")[0] == 0, 10, "the other one writes")
    wait_for(lambda: alpha.meshctl("kv", "get", "key")[1] == "value", 20, "and is heard")
    assert "another machine" in refusal(beta, "rotate")
    assert "nothing that a backup" in refusal(beta, "backup", beta.folder / "none", "--passphrase-file", secret)
    assert not (beta.folder / "none").exists()
    assert not spare.status()["warnings"]
    beta.do("leave")
    assert beta.status()["state"] == "unjoined"
    wait_for(lambda: member_of(alpha, "beta")["state"] == "alive", 20, "the other one is alive")


def test_what_does_not_open_changes_nothing(trio, tmp_path):
    alpha, beta, _, spare, secret, file = trio
    backup(beta, file, secret)
    sealed = file.read_bytes()
    keys = (spare.state / "keys").read_bytes()
    wrong = tmp_path / "wrong"
    wrong.write_text("another passphrase\n")
    assert "does not open" in refusal(spare, "restore", file, "--passphrase-file", wrong)
    damaged = tmp_path / "damaged"
    for content in (sealed[:-1], sealed[:63], sealed[:70], sealed + b"x", sealed[:200] + b"\xff" + sealed[201:],
                    sealed[:13] + b"\x02" + sealed[14:]):
        damaged.write_bytes(content)
        refusal(spare, "restore", damaged, "--passphrase-file", secret)
    root = tmp_path / "root"
    alpha.do("root", "export", root, "--passphrase-file", secret)
    assert "root key" in refusal(spare, "restore", root, "--passphrase-file", secret)
    assert spare.status()["state"] == "unjoined" and (spare.state / "keys").read_bytes() == keys
    # a member is not overwritten
    assert "meshctl leave" in refusal(alpha, "restore", file, "--passphrase-file", secret)
    spare.restart()
    assert spare.status()["state"] == "unjoined"
    restore(spare, file, secret)


def test_the_only_node_of_a_mesh_comes_back_whole(world, tmp_path):
    """With nobody there to bring records back, and more of them than one piece holds."""
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse battery staple\n")
    old, new = (world.node(world.host(name), NO_DATA_PLANE) for name in ("old", "new"))
    old.start()
    old.init()
    value = "x" * 60000
    for number in range(8):
        old.do("kv", "put", f"big/{number}", "-", input=value + str(number))
    file = tmp_path / "backup"
    backup(old, file, secret)
    digest = old.status()["store"]["digest"]
    old.kill()
    shutil.rmtree(old.state)
    new.start()
    restore(new, file, secret)
    assert new.status()["store"]["digest"] == digest and new.status()["node"]["admin"]
    assert new.do("kv", "get", "big/7") == value + "7"
    new.kill()
    new.start()
    assert new.do("kv", "get", "big/7") == value + "7"
    # with the root, as the old one had it
    new.do("invite", "--admin")
    # and its own backup is of a later life
    again = tmp_path / "again"
    backup(new, again, secret)
    new.do("leave", "--force")
    restore(new, again, secret)
    assert "life = 2" in (new.state / "keys").read_text()


def test_a_full_disk_leaves_no_half_a_file(trio):
    alpha, *_, secret, _ = trio
    alpha.do("kv", "put", "big", "-", input="x" * 60000)
    folder = alpha.folder / "small"
    folder.mkdir()
    alpha.host.run("mount", "-t", "tmpfs", "-o", "size=16k", "none", folder)
    assert "No space left" in refusal(alpha, "backup", folder / "backup", "--passphrase-file", secret)
    assert alpha.host.run("ls", "-A", folder).stdout == ""


@pytest.mark.slow
def test_a_kill_in_the_midst_of_a_restore_leaves_one_node_or_the_other(world, tmp_path):
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse battery staple\n")
    old, new = (world.node(world.host(name), NO_DATA_PLANE) for name in ("old", "new"))
    old.start()
    old.init()
    for number in range(20):
        old.do("kv", "put", f"big/{number}", "-", input="x" * 60000)
    file = tmp_path / "backup"
    backup(old, file, secret)
    store = old.status()["store"]["records"]
    old.kill()
    new.start()
    began = time.monotonic()
    restore(new, file, secret)
    took = time.monotonic() - began
    for step in range(8):
        if new.status()["state"] == "running":
            new.do("leave", "--force")
        doomed = subprocess.Popen([BUILD / "meshctl", "--socket", new.socket, "restore", file, "--passphrase-file", secret],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(took * (0.7 + 0.05 * step))
        new.kill()
        done = doomed.wait() == 0
        new.start()
        status = new.status()
        assert status["state"] in ("unjoined", "running")
        assert status["state"] == "running" or not done, "what was told to be done is not"
        if status["state"] == "running":
            assert status["store"]["records"] == store and new.do("kv", "get", "big/19") == "x" * 60000
