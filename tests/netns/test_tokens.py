"""Every bad token is refused with its reason, and changes nothing."""
import pytest

from lan import wait_for
from mesh import BACKEND, Refused

pytestmark = pytest.mark.skipif(BACKEND != "userspace", reason="no data plane has a part in it")


@pytest.fixture
def pair(world):
    """A founder, and a host beside it that belongs to nothing."""
    _, alpha, beta = world.nodes_on_lan("alpha", "beta", settings={"wireguard.backend": "none"})
    alpha.start()
    alpha.init()
    beta.start()
    return alpha, beta


def refusal(node, token, *arguments):
    with pytest.raises(Refused) as caught:
        node.join(token, *arguments)
    assert caught.value.status == 1
    assert node.status()["state"] == "unjoined"
    return caught.value.text.lower()


def test_a_token_that_is_none_is_refused(pair):
    _, beta = pair
    assert "token" in refusal(beta, "nonsense")


def test_a_damaged_token_is_refused(pair):
    alpha, beta = pair
    token = alpha.invite()
    middle = len(token) // 2
    other = "A" if token[middle] != "A" else "B"
    assert "damaged" in refusal(beta, token[:middle] + other + token[middle + 1:])
    assert refusal(beta, token[:middle])
    beta.join(token)


def test_a_token_of_another_version_is_refused(pair):
    alpha, beta = pair
    token = alpha.invite()
    # What comes after the version may be anything, in whole groups of base64: here it is no token of ours.
    contents = token.removeprefix("mesh1_")
    assert "version" in refusal(beta, "mesh2_" + contents[:len(contents) // 4 * 4 - 4])


def test_an_expired_token_is_refused(pair):
    alpha, beta = pair
    token = alpha.invite("--expires", "1s")
    wait_for(lambda: any(invite["state"] == "expired" for invite in alpha.invites()), 10, "the invite has expired")
    assert "expired" in refusal(beta, token)


def test_a_used_up_token_is_refused(pair, world):
    alpha, beta = pair
    token = alpha.invite()
    beta.join(token)
    host = world.host("gamma")
    world.lans[0].attach(host)
    gamma = world.node(host, {"wireguard.backend": "none"})
    gamma.start()
    assert "used up" in refusal(gamma, token)


def test_a_withdrawn_token_is_refused(pair):
    alpha, beta = pair
    invite = alpha.json("invite")
    alpha.do("uninvite", invite["id"])
    assert "withdrawn" in refusal(beta, invite["token"])


def test_a_name_that_is_taken_is_refused(pair):
    alpha, beta = pair
    assert "taken" in refusal(beta, alpha.invite(), "--name", "alpha")


@pytest.mark.slow
def test_a_token_of_another_mesh_admits_nobody_here(pair, world):
    alpha, beta = pair
    host = world.host("other")
    world.lans[0].attach(host)
    other = world.node(host, {"wireguard.backend": "none"})
    other.start()
    other.init()
    # Its endpoint is one of this mesh's members: they have nothing in common.
    token = other.invite("--endpoint", f"{alpha.host.underlay[0]}:8946")
    other.kill()
    assert refusal(beta, token, "--timeout", "3s")
    assert list(alpha.members()) == ["alpha"]


def test_a_member_who_is_no_admin_cannot_invite(pair):
    alpha, beta = pair
    beta.join(alpha.invite())
    with pytest.raises(Refused) as caught:
        beta.invite()
    assert caught.value.status == 1
    assert "admin" in caught.value.text
