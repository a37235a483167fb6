"""Who is a member, and who only seems to be away: liveness takes nothing from anybody, authority does."""
import os
import stat

import pytest

from lan import wait_for
from mesh import all_ping
from overlay import kernel_traces, peers


@pytest.mark.slow
def test_a_dead_member_keeps_its_peer_and_its_addresses(world):
    _, alpha, beta, gamma = world.mesh("alpha", "beta", "gamma")
    key, addresses = gamma.wg_key(), gamma.addresses()
    gamma.host.close()
    wait_for(lambda: alpha.sees(gamma, state="dead") and beta.sees(gamma, state="dead"), 40, "gamma is seen dead")
    assert key in peers(alpha) and key in peers(beta)
    assert sorted(address.split("/")[0] for address in alpha.members()["gamma"]["addresses"]) == sorted(addresses)


@pytest.mark.slow
def test_two_halves_of_a_split_mesh_go_on_and_come_together_again(world):
    lan, *nodes = world.mesh("alpha", "beta", "gamma", "delta")
    alpha, beta, gamma, delta = nodes
    lan.split([gamma.host, delta.host])
    wait_for(lambda: alpha.sees(gamma, delta, state="dead"), 40, "alpha sees the others dead")
    wait_for(lambda: gamma.sees(alpha, beta, state="dead"), 40, "gamma sees the others dead")
    alpha.pings(beta)
    gamma.pings(delta)
    lan.heal(gamma.host, delta.host)
    for node in nodes:
        wait_for(lambda: node.sees(*nodes), 60, f"{node.name} sees everybody again")
    all_ping(*nodes)
    wait_for(lambda: len({node.status()["store"]["digest"] for node in nodes}) == 1, 20, "all hold the same records")


@pytest.mark.slow
def test_a_node_revoked_while_it_was_out_of_reach_stays_out(world):
    lan, alpha, beta, gamma = world.mesh("alpha", "beta", "gamma")
    key = gamma.wg_key()
    lan.split([gamma.host])
    alpha.do("revoke", "gamma", "--reason", "lost laptop")
    wait_for(lambda: key not in peers(alpha) | peers(beta), 3, "gamma is no peer any more")
    lan.heal(gamma.host)
    wait_for(lambda: gamma.status()["state"] == "revoked", 60, "gamma is told")
    wait_for(lambda: kernel_traces(gamma) == [], 3, "gamma's overlay is down")
    assert key not in peers(alpha) | peers(beta)


@pytest.mark.anywhere
def test_a_node_that_left_comes_back_as_a_new_member(world):
    _, alpha, beta = world.mesh("alpha", "beta")
    before = beta.status()["node"]["id"]
    beta.do("leave")
    beta.join(alpha.invite())
    assert beta.status()["node"]["id"] != before
    beta.pings(alpha, timeout=10)


@pytest.mark.anywhere
def test_the_last_admin_leaves_only_by_force(world):
    _, alpha, _ = world.mesh("alpha", "beta")
    status, _, error = alpha.meshctl("leave")
    assert status == 1 and "--force" in error
    alpha.do("leave", "--force")
    assert alpha.status()["state"] == "unjoined"
    assert kernel_traces(alpha) == []


@pytest.mark.anywhere
def test_who_is_no_admin_revokes_nobody(world):
    _, alpha, beta = world.mesh("alpha", "beta")
    status, out, error = beta.meshctl("revoke", "alpha")
    assert status == 1 and out == "" and "admin" in error
    assert alpha.status()["state"] == "running"
    beta.pings(alpha)


@pytest.mark.anywhere
def test_secrets_are_readable_by_their_owner_alone(world):
    _, alpha = world.nodes_on_lan("alpha")
    alpha.start()
    alpha.init()
    assert stat.S_IMODE(os.stat(alpha.state).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(alpha.state / "keys").st_mode) == 0o600
    secret = next(line.split("=", 1)[1].strip() for line in (alpha.state / "keys").read_text().splitlines()
                  if line.startswith("identity"))
    for file in alpha.state.iterdir():
        assert file.name == "keys" or secret.encode() not in file.read_bytes()
    assert secret not in alpha.log.read_text()
