"""packaging/RECOVERY.md with real commands: a state directory that is damaged in every way, a lost root, a lost last
admin, a stolen admin's machine. Clocks and winters are tests/sim/recovery.c's."""
import os
import re
import shutil
import sqlite3

import pytest

from lan import wait_for
from mesh import BACKEND, ROOT, Refused

pytestmark = pytest.mark.skipif(BACKEND != "userspace", reason="no data plane has a part in it")

PASSPHRASE = "correct horse battery staple"
DATABASE = "state.db"


def mesh(world, *names):
    _, *nodes = world.mesh(*names, settings={"wireguard.backend": "none"})
    return nodes


def agree(*nodes):
    wait_for(lambda: len({node.status()["store"]["digest"] for node in nodes}) == 1, 30, "all hold the same records")


def refusal(node, *arguments):
    with pytest.raises(Refused) as caught:
        node.do(*arguments)
    assert caught.value.status == 1
    return caught.value.text


def warnings(node):
    return " ".join(node.status()["warnings"])


def test_the_page_names_tests_that_exist():
    page = (ROOT / "packaging/RECOVERY.md").read_text()
    sources = "".join(path.read_text() for folder in ("unit", "sim", "netns") for path in (ROOT / "tests" / folder).glob("*.[cp]*") if path.is_file())
    named = set(re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+){3,})`", page))
    assert len(named) > 20
    assert not [name for name in named if not re.search(rf"\b{name}\(", sources)]


# ---- the state directory ----

def noise(path):
    path.write_bytes(os.urandom(path.stat().st_size))


def first_page_gone(path):
    with open(path, "r+b") as file:
        file.write(b"\xff" * 4096)


def half(path):
    os.truncate(path, path.stat().st_size // 2)


def one_byte_of_a_record(path):
    """Which SQLite itself does not mind."""
    with sqlite3.connect(path) as database:
        (record,) = database.execute("SELECT bytes FROM records ORDER BY length(bytes) DESC LIMIT 1").fetchone()
    database.close()
    data = bytearray(path.read_bytes())
    data[data.index(record) + len(record) // 2] ^= 1
    path.write_bytes(data)


def empty(path):
    os.truncate(path, 0)


def gone(path):
    path.unlink()


def log_gone(path):
    path.with_name(DATABASE + "-wal").unlink()


def expect_back(node, others, addresses):
    node.start()
    wait_for(lambda: node.status()["state"] == "running" and node.sees(*others), 60, f"{node.name} is back")
    agree(node, *others)
    assert sorted(node.addresses()) == addresses
    assert node.do("kv", "get", "colour").strip() == "blue"


@pytest.mark.slow
def test_a_node_comes_back_from_whatever_befell_its_database(world):
    alpha, beta = mesh(world, "alpha", "beta")
    addresses = sorted(beta.addresses())
    beta.do("kv", "put", "colour", "blue")
    agree(alpha, beta)
    path = beta.state / DATABASE
    told = {noise: "damaged", first_page_gone: "damaged", half: "damaged", one_byte_of_a_record: "damaged",
            empty: "lost", gone: "lost"}
    for damage, word in told.items():
        beta.stop()
        damage(path)
        expect_back(beta, [alpha], addresses)
        assert word in warnings(beta), damage.__name__
        aside = list(beta.state.glob(DATABASE + ".damaged-*"))
        assert len(aside) == (word == "damaged"), damage.__name__
        for file in aside:
            assert file.name in warnings(beta)
            file.unlink()
        # and it knows where it belongs at the next start, too
        beta.kill()
        expect_back(beta, [alpha], addresses)
        assert not warnings(beta), damage.__name__
    beta.kill()
    log_gone(path)
    expect_back(beta, [alpha], addresses)


def test_anothers_database_is_set_aside_and_nothing_of_it_is_used(world):
    alpha, beta = mesh(world, "alpha", "beta")
    addresses = sorted(beta.addresses())
    beta.do("kv", "put", "colour", "blue")
    agree(alpha, beta)
    alpha.stop()
    beta.stop()
    shutil.copy(alpha.state / DATABASE, beta.state / DATABASE)
    alpha.start()
    expect_back(beta, [alpha], addresses)
    assert len(list(beta.state.glob(DATABASE + ".other-*"))) == 1


def test_a_newer_versions_database_is_refused_and_left_alone(world):
    (alpha,) = mesh(world, "alpha")
    alpha.stop()
    with sqlite3.connect(alpha.state / DATABASE) as database:
        database.execute("PRAGMA user_version = 1000")
    database.close()
    alpha.start(wait=False)
    assert alpha.process.wait() == 1
    assert "newer meshd" in alpha.log_tail()
    assert [path.name for path in alpha.state.glob(DATABASE + "*")] == [DATABASE]


def test_a_lost_node_that_nobody_reaches_leaves_and_begins_anew(world):
    (alpha,) = mesh(world, "alpha")
    alpha.stop()
    gone(alpha.state / DATABASE)
    alpha.start()
    assert "leave --force" in warnings(alpha)
    assert "leave --force" in refusal(alpha, "leave")
    alpha.do("leave", "--force")
    wait_for(lambda: alpha.status()["state"] == "unjoined", 5, "it has forgotten its mesh")
    assert not warnings(alpha)
    alpha.init()


# ---- root and admins ----

@pytest.fixture
def secret(tmp_path):
    file = tmp_path / "passphrase"
    file.write_text(PASSPHRASE + "\n")
    return file


def test_a_copy_of_the_root_makes_an_admin_where_the_last_one_is_lost(world, secret, tmp_path):
    alpha, beta = mesh(world, "alpha", "beta")
    alpha.do("root", "export", tmp_path / "mesh.root", "--passphrase-file", secret)
    agree(alpha, beta)
    alpha.kill()
    shutil.rmtree(alpha.state)
    assert "admin" in refusal(beta, "invite")
    beta.do("root", "import", tmp_path / "mesh.root", "--passphrase-file", secret)
    beta.do("grant", "beta", "admin")
    beta.do("root", "forget")
    # the lost machine is no admin any more either, once the root says so; then any admin can expel it
    beta.do("root", "import", tmp_path / "mesh.root", "--passphrase-file", secret)
    beta.do("ungrant", "alpha", "admin")
    beta.do("root", "forget")
    beta.do("revoke", "alpha", "--reason", "its disk is broken")
    # and the machine comes back as another node
    alpha.start()
    alpha.join(beta.invite("--node-name", "alpha2"))
    wait_for(lambda: beta.members()["alpha2"]["state"] == "alive", 15, "the machine is back by another name")


def test_what_a_stolen_admins_machine_did_falls_and_the_rest_stands(world):
    alpha, beta, gamma = mesh(world, "alpha", "beta", "gamma")
    thief = world.node(world.host("thief"), {"wireguard.backend": "none"})
    alpha.lan = world.lans[0]
    alpha.lan.attach(thief.host)
    alpha.do("grant", "beta", "admin")
    agree(alpha, beta, gamma)
    thief.start()
    thief.join(beta.invite())
    beta.do("revoke", "gamma")
    wait_for(lambda: gamma.status()["state"] == "revoked", 15, "gamma is out")
    wait_for(lambda: alpha.members()["gamma"]["state"] == "revoked" and "thief" in alpha.members(), 15, "alpha hears of all that")
    alpha.do("ungrant", "beta", "admin", "--except", "gamma")
    alpha.do("revoke", "beta", "--reason", "stolen")
    alpha.do("revoke", "thief", "--reason", "let in by a thief")
    wait_for(lambda: beta.status()["state"] == "revoked", 15, "the stolen machine is out")
    wait_for(lambda: thief.status()["state"] == "revoked", 15, "and its friend")
    wait_for(lambda: gamma.status()["state"] == "running" and alpha.sees(gamma), 90, "who was thrown out is back")


def test_records_of_a_join_that_a_crash_broke_off_are_forgotten(world):
    """They stand there with no mesh: what the next one is may be another."""
    (alpha,) = mesh(world, "alpha")
    beta = world.node(world.host("beta"), {"wireguard.backend": "none"})
    beta.start()
    alpha.stop()
    beta.stop()
    with sqlite3.connect(beta.state / DATABASE) as database:
        database.execute("ATTACH ? AS other", (str(alpha.state / DATABASE),))
        assert database.execute("INSERT INTO records SELECT * FROM other.records").rowcount > 0
    database.close()
    beta.start()
    beta.stop()
    with sqlite3.connect(beta.state / DATABASE) as database:
        (left,) = database.execute("SELECT count(*) FROM records").fetchone()
    database.close()
    assert left == 0
    assert not list(beta.state.glob(DATABASE + ".*-*"))
