"""A member that nobody hears costs a segment copies for a minute, and none from then on until it is back."""
import time

import pytest

from lan import wait_for
from segment import floods, tunnels

SEGMENT, VNI = "lan0", 100
FOLLOW_S = 3


@pytest.mark.slow
def test_a_member_whose_daemon_died_gets_frames_for_a_minute_and_again_as_soon_as_it_is_back(world):
    """Its data plane may be well."""
    _, alpha, beta = world.mesh("alpha", "beta")
    alpha.do("l2", "create", SEGMENT, "--vni", VNI)
    for number, node in enumerate((alpha, beta), 1):
        node.do("l2", "attach", SEGMENT, f"--address=10.9.0.{number}/24")
    wait_for(lambda: len(tunnels(alpha.host, VNI)) == 1, 5, "alpha knows beta's bridge")
    beta.kill()
    wait_for(lambda: alpha.sees(beta, state="dead"), 30, "beta is dead")
    start = time.monotonic()
    assert len(floods(alpha.host, VNI)) == 1
    wait_for(lambda: alpha.host.can_ping("10.9.0.2"), 5, "and frames arrive")
    wait_for(lambda: not floods(alpha.host, VNI) and not tunnels(alpha.host, VNI), 90, "it costs no copies any more")
    assert time.monotonic() - start > 30
    segment, = alpha.json("l2", "list")["segments"]
    assert len(segment["members"]) == 2
    beta.start()
    wait_for(lambda: len(floods(alpha.host, VNI)) == 1 and alpha.host.can_ping("10.9.0.2"), FOLLOW_S, "it is back")
