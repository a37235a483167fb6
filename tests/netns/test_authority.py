"""Offices, keeps and machines replaced, through meshctl on real daemons."""
import pytest

from lan import wait_for
from mesh import BACKEND, Refused

GOSSIP_ONLY = {"wireguard.backend": "none"}

only_once = pytest.mark.skipif(BACKEND != "userspace", reason="no data plane has a part in it")


def shows(node, other, field, value):
    return node.json("show", other)[field] == value


def refused(node, *arguments):
    with pytest.raises(Refused) as caught:
        node.do(*arguments)
    assert caught.value.status == 1
    return caught.value.text


def events_of(node, label):
    return [event for event in node.events() if event["event"] == label]


@only_once
def test_the_root_makes_an_admin_and_takes_the_office_back(world):
    _, alpha, beta, gamma = world.mesh("alpha", "beta", "gamma", settings=GOSSIP_ONLY)
    assert "root key" in refused(beta, "grant", "beta", "admin")
    assert "last admin" in refused(alpha, "ungrant", "alpha", "admin")
    assert refused(alpha, "invite", "--admin", "--uses", "2").endswith("an invite of an admin is for one use\n")
    alpha.do("grant", "beta", "admin")
    wait_for(lambda: all(shows(node, "beta", "admin", True) for node in (alpha, beta, gamma)), 5, "beta is an admin")
    other, invite = beta.json("invite"), beta.json("invite")
    wait_for(lambda: {other["id"], invite["id"]} <= {known["id"] for known in alpha.invites()}, 5, "alpha knows beta's invites")
    assert events_of(gamma, "granted")[-1]["to"] == "admin" and events_of(gamma, "granted")[-1]["by"]
    assert "no office" in beta.meshctl("grant", "gamma", "king")[2]
    assert "already" in refused(alpha, "grant", "beta", "admin")
    assert "signed nothing about" in refused(alpha, "ungrant", "beta", "admin", "--except", invite["id"], "0000feed")
    alpha.do("ungrant", "beta", "admin", "--except", invite["id"][:10])
    wait_for(lambda: all(shows(node, "beta", "admin", False) for node in (alpha, beta, gamma)), 5, "beta is none any more")
    assert "admin" in refused(beta, "invite")
    assert beta.status()["state"] == "running"
    assert all(known["id"] != invite["id"] or known["state"] == "invalid" for known in gamma.invites())
    assert "for good" in refused(alpha, "grant", "beta", "admin")
    assert any(known["id"] == other["id"] and known["state"] == "open" for known in alpha.invites())
    alpha.do("ungrant", "beta", "admin", "--except", "*")
    wait_for(lambda: not any(known["id"] == other["id"] for known in gamma.invites()), 5, "all that beta signed goes")


@only_once
def test_an_admin_makes_writers(world):
    _, alpha, beta = world.mesh("alpha", "beta", settings=GOSSIP_ONLY)
    alpha.do("grant", "beta", "writer")
    wait_for(lambda: shows(beta, "beta", "writer", True), 5, "beta is a writer")
    assert "admin" in refused(beta, "ungrant", "beta", "writer")
    alpha.do("ungrant", "beta", "writer")
    wait_for(lambda: shows(beta, "beta", "writer", False), 5, "beta is none")
    assert [event["event"] for event in beta.events() if event["event"].endswith("granted")] == ["granted", "ungranted"]


@only_once
def test_what_an_admin_says_is_acknowledged_when_it_is_on_disk(world):
    _, alpha, beta = world.nodes_on_lan("alpha", "beta", settings=GOSSIP_ONLY)
    alpha.state.mkdir(mode=0o700)
    alpha.host.run("mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", alpha.state)
    alpha.start()
    alpha.init()
    beta.start()
    beta.join(alpha.invite())
    for verb in ("grant", "ungrant") * 5:  # the second sees what the first did
        alpha.do(verb, "beta", "writer")
    alpha.host.run("sh", "-c", f"head -c 2m /dev/zero > {alpha.state}/ballast || :")
    wait_for(lambda: "full" in alpha.meshctl("kv", "put", "key", "x" * 30000)[2], 10, "the disk is full")
    for words in (("grant", "beta", "writer"), ("keep", "beta"), ("revoke", "beta")):
        assert "cannot be written to disk" in refused(alpha, *words)
    alpha.host.run("rm", f"{alpha.state}/ballast")
    wait_for(lambda: alpha.members()["beta"]["state"] == "revoked", 40, "it is tried again until it is written")


@only_once
def test_an_admission_is_kept_by_the_admins_node_itself(world):
    _, alpha, beta = world.mesh("alpha", "beta", settings=GOSSIP_ONLY)
    wait_for(lambda: shows(beta, "beta", "kept", True), 30, "beta is kept")
    assert "admin" in refused(beta, "keep", "alpha")
    alpha.do("revoke", "beta", "--reason", "gone")
    assert "for good" in refused(alpha, "keep", "beta")


@only_once
def test_an_ephemeral_member_shows_its_lease(world):
    _, alpha, beta = world.nodes_on_lan("alpha", "beta", settings=GOSSIP_ONLY)
    alpha.start()
    alpha.init()
    beta.start()
    beta.join(alpha.invite("--ephemeral"))
    wait_for(lambda: alpha.json("show", "beta")["lease"], 5, "alpha knows the lease")
    assert alpha.json("show", "alpha")["lease"] is None
    assert "lease until" in alpha.do("show", "beta")


def test_a_machine_set_up_anew_takes_the_place_of_the_old_one(world):
    _, alpha, beta, gamma = world.mesh("alpha", "beta", "gamma")
    old = beta.members()["gamma"]
    token = alpha.invite("--replace", "gamma")
    assert any(known["replace"] and known["replace"]["id"] == old["id"] for known in alpha.invites())
    gamma.kill()
    gamma.cleanup()
    anew = world.node(gamma.host)
    anew.start()
    anew.join(token)
    status = anew.status()["node"]
    assert status["name"] == "gamma" and status["id"] != old["id"]
    assert sorted(status["addresses"]) == sorted(old["addresses"])
    anew.pings(alpha, timeout=10)
    beta.pings(anew, timeout=10)
    shown = wait_for(lambda: (found := beta.json("show", old["id"]))["state"] == "revoked" and found, 5, "the old one is revoked")
    assert shown["reason"] == "replaced by gamma"
    assert shown["by"]["name"] == "alpha"
