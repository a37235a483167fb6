"""Another WireGuard key under traffic, and whatever may end in the middle of it."""
import re
import time

import pytest

from lan import TIME_SCALE, wait_for
from mesh import all_ping
from overlay import peers, ping_until, wg_show

LOSS_MAX = 0.01
NO_DATAGRAMS = """table inet test {
    chain in { type filter hook input priority 0; udp dport 8946 drop; }
    chain out { type filter hook output priority 0; udp dport 8946 drop; }
}"""


def flows(*pairs):
    """50 pings a second from each to each, in both directions, until they are steady."""
    made = []
    for one, other in pairs:
        for source, target in ((one, other), (other, one)):
            address = target.addresses()[1]
            ping_until(source, address, 10)
            made.append((f"{source.name} to {target.name}", source.traffic(address)))
    wait_replies(made, 25)
    return made


def wait_replies(made, count, timeout=10):
    """Waits until each flow has had this many more replies."""
    targets = [(traffic, traffic.replies() + count) for _, traffic in made]
    for traffic, target in targets:
        wait_for(lambda: traffic.replies() >= target, timeout, f"{count} more replies in {traffic.log}")


def stop_flows(made):
    """Asserts that none of them lost more than LOSS_MAX of its pings; {flow: (sent, lost)}."""
    results = {name: traffic.stop() for name, traffic in made}
    for name, (sent, lost) in results.items():
        print(f"{name}: {len(lost)} of {sent} lost: {lost}")
    for name, (sent, lost) in results.items():
        assert len(lost) <= LOSS_MAX * sent, f"{name}: {len(lost)} of {sent} pings lost: {lost}"
    return results


def rotated(node, others, key):
    """Waits until everybody has the node's key, and that alone."""
    address = node.addresses()[0]
    for other in others:
        wait_for(lambda: key in peers(other) and len(peers(other)) == len(others), 10,
                 f"{other.name} has the new key alone")
        assert f"{address}/128" in wg_show(other, "allowed-ips")[key]


def test_a_rotation_under_traffic_loses_less_than_a_ping_in_a_hundred(world):
    _, alpha, beta, gamma = world.mesh("alpha", "beta", "gamma")
    made = flows((alpha, beta), (alpha, gamma))
    for _ in range(3):
        before = alpha.wg_key()
        answer = alpha.json("rotate")
        assert answer["rotated"] and answer["waiting"] == []
        key = answer["wireguard_public_key"]
        assert key == alpha.wg_key() != before
        wait_replies(made, 400, 20)
        rotated(alpha, [beta, gamma], key)
    stop_flows(made)
    for node in (alpha, beta, gamma):
        events = [event for event in node.events() if event["event"] == "key_rotated"]
        assert len(events) == 3
        assert (events[-1]["node"]["name"], events[-1]["from"], events[-1]["to"]) == ("alpha", before, key)


def key_of(node, name):
    return node.members()[name]["wireguard"]["public_key"]


def keys_file(node):
    """{name: value} of the key file's lines."""
    lines = (node.state / "keys").read_text().splitlines()
    return dict(line.split(" = ", 1) for line in lines if not line.startswith("#"))


def write_keys_file(node, keys):
    (node.state / "keys").write_text("".join(f"{name} = {value}\n" for name, value in keys.items()))


def rotate_in_background(node, *arguments):
    return node.host.start(*[str(word) for word in (node.command()[0].parent / "meshctl", "--socket", node.socket,
                                                    "rotate", *arguments)], log=node.folder / "rotate.log")


def announced(others):
    """Waits until each of the others has one peer more than other members: the announced key."""
    for other in others:
        wait_for(lambda: len(peers(other)) == len(other.members()), 10, f"{other.name} holds the next key")


def switched(node, before, timeout=15):
    wait_for(lambda: node.wg_key() != before and "wireguard-next" not in keys_file(node), timeout,
             f"{node.name} has switched")


@pytest.mark.slow
def test_a_tunnel_to_a_peer_whose_daemon_is_down_is_waited_for(world):
    _, alpha, beta, gamma = world.mesh("alpha", "beta", "gamma")
    made = flows((alpha, beta), (alpha, gamma))
    before = alpha.wg_key()
    beta.kill()
    text = alpha.do("rotate")
    assert alpha.status()["wireguard"]["next_public_key"] in peers(gamma)
    assert "beta" in text and "gamma" not in text
    assert alpha.wg_key() == before
    wait_replies(made, 50)
    # after a week of it the operator is told for whom, and it goes on waiting
    alpha.stop()
    keys = alpha.state / "keys"
    announced = int(re.search(r"^wireguard-next-made = (\d+)$", keys.read_text(), re.M).group(1))
    keys.write_text(keys.read_text().replace(f"next-made = {announced}", f"next-made = {announced - 8 * 86400}"))
    alpha.start()
    warning = wait_for(lambda: [text for text in alpha.status()["warnings"] if "7 days for beta" in text], 20, "the warning")
    assert "rotate --force" in warning[0] and alpha.wg_key() == before
    beta.start()
    switched(alpha, before)
    assert not [text for text in alpha.status()["warnings"] if "7 days" in text]
    rotated(alpha, [beta, gamma], alpha.wg_key())
    wait_replies(made, 800, 30)
    stop_flows(made)


@pytest.mark.slow
def test_force_waits_for_nobody_and_who_was_down_catches_up(world):
    _, alpha, beta, gamma = world.mesh("alpha", "beta", "gamma")
    made = flows((alpha, gamma))
    ping_until(alpha, beta.addresses()[1], 10)
    beta.kill()
    before = alpha.wg_key()
    began = time.monotonic()
    answer = alpha.json("rotate", "--force")
    assert answer["rotated"] and answer["wireguard_public_key"] != before
    assert time.monotonic() - began < 10 * TIME_SCALE
    wait_replies(made, 1000, 40)
    stop_flows(made)
    beta.start()
    ping_until(beta, alpha.addresses()[1], 15)
    rotated(alpha, [beta, gamma], alpha.wg_key())


@pytest.mark.slow
def test_a_member_without_a_session_is_not_waited_for_and_catches_up(world):
    lan, alpha, beta, gamma = world.mesh("alpha", "beta", "gamma")
    ping_until(alpha, beta.addresses()[1], 10)
    lan.split([gamma.host])
    wait_for(lambda: alpha.sees(gamma, state="dead"), 30, "gamma is away")
    alpha.host.run("ip", "link", "delete", "mesh0")  # and the sessions with it
    ping_until(alpha, beta.addresses()[1], 15)
    assert alpha.json("rotate")["rotated"]
    lan.heal(gamma.host)
    wait_for(lambda: peers(gamma) == {alpha.wg_key(), beta.wg_key()}, 60, "gamma has the new key")
    all_ping(alpha, beta, gamma)


@pytest.mark.slow
def test_a_key_that_has_lived_its_time_is_replaced(world):
    _, alpha, beta = world.mesh("alpha", "beta", settings={"wireguard.rotate-every": "2h"})
    made = flows((alpha, beta))
    before = alpha.wg_key()
    alpha.stop()
    keys = keys_file(alpha)
    keys["wireguard-made"] = str(int(keys["wireguard-made"]) - 2 * 3600)
    write_keys_file(alpha, keys)
    alpha.start()
    switched(alpha, before, 30)
    rotated(alpha, [beta], alpha.wg_key())
    wait_replies(made, 400, 20)
    stop_flows(made)
    assert int(keys_file(alpha)["wireguard-made"]) > int(keys["wireguard-made"]) + 7000
    after = alpha.wg_key()
    alpha.restart()
    ping_until(alpha, beta.addresses()[1], 5)
    assert alpha.wg_key() == after


@pytest.mark.slow
def test_both_ends_of_a_tunnel_rotate_at_once(world):
    _, alpha, beta, gamma = world.mesh("alpha", "beta", "gamma")
    made = flows((alpha, beta))
    before = alpha.wg_key(), beta.wg_key()
    runs = [rotate_in_background(node) for node in (alpha, beta)]
    for run in runs:
        assert run.wait(60) == 0
    switched(alpha, before[0])
    switched(beta, before[1])
    rotated(alpha, [beta, gamma], alpha.wg_key())
    rotated(beta, [alpha, gamma], beta.wg_key())
    wait_replies(made, 800, 30)
    results = {name: traffic.stop() for name, traffic in made}
    print(results)


@pytest.mark.slow
def test_a_daemon_killed_between_announcing_and_switching_goes_on(world):
    _, alpha, beta = world.mesh("alpha", "beta")
    made = flows((alpha, beta))
    before = alpha.wg_key()
    beta.kill()
    rotate_in_background(alpha)
    wait_for(lambda: "wireguard-next" in keys_file(alpha), 5, "the next key is made")
    planned = keys_file(alpha)["wireguard-next"]
    alpha.kill()
    keys = keys_file(alpha)
    keys["wireguard-next-made"] = str(int(keys["wireguard-next-made"]) - 8 * 86400)
    write_keys_file(alpha, keys)
    alpha.start()
    wait_for(lambda: any("beta" in warning and "--force" in warning for warning in alpha.status()["warnings"]), 20,
             "a week is worth a warning")
    assert alpha.wg_key() == before
    beta.start()
    switched(alpha, before, 30)
    assert not any("--force" in warning for warning in alpha.status()["warnings"])
    assert keys_file(alpha)["wireguard"] == planned
    rotated(alpha, [beta], alpha.wg_key())
    wait_replies(made, 400, 20)
    stop_flows(made)


def test_a_daemon_killed_right_after_the_key_file_was_written_goes_on(world):
    _, alpha, beta = world.mesh("alpha", "beta")
    ping_until(alpha, beta.addresses()[1], 10)
    ping_until(beta, alpha.addresses()[1], 10)
    before = alpha.wg_key()
    beta.kill()
    rotate_in_background(alpha)
    wait_for(lambda: "wireguard-next" in keys_file(alpha), 5, "the next key is made")
    alpha.kill()
    # As the switch leaves it, with WireGuard and the database at what they were.
    keys = keys_file(alpha)
    keys["wireguard"] = keys.pop("wireguard-next")
    keys["wireguard-made"] = keys.pop("wireguard-next-made")
    write_keys_file(alpha, keys)
    assert alpha.wg("show", "mesh0", "public-key").strip() == before
    beta.start()
    alpha.start()
    assert alpha.wg_key() != before
    wait_for(lambda: alpha.wg("show", "mesh0", "public-key").strip() == alpha.wg_key(), 5, "WireGuard has the new key")
    rotated(alpha, [beta], alpha.wg_key())
    ping_until(alpha, beta.addresses()[1], 15)
    ping_until(beta, alpha.addresses()[1], 15)


@pytest.mark.slow
def test_a_daemon_killed_at_any_moment_of_a_rotation_leaves_a_node_that_works(world):
    _, alpha, beta = world.mesh("alpha", "beta")
    ping_until(alpha, beta.addresses()[1], 10)
    ping_until(beta, alpha.addresses()[1], 10)
    for number in range(10):
        rotate_in_background(alpha)
        time.sleep(0.02 * (number + 1) * TIME_SCALE)
        alpha.kill()
        alpha.start()
        wait_for(lambda: "wireguard-next" not in keys_file(alpha), 30, "what was begun is ended")
        wait_for(lambda: peers(beta) == {alpha.wg_key()}, 10, "beta has alpha's key alone")
        ping_until(alpha, beta.addresses()[1], 15)
        ping_until(beta, alpha.addresses()[1], 15)
        assert alpha.wg("show", "mesh0", "public-key").strip() == alpha.wg_key()


def test_a_handshake_by_the_announced_key_moves_the_addresses_where_no_word_comes_through(world):
    _, alpha, beta, gamma = world.mesh("alpha", "beta", "gamma")
    ping_until(alpha, beta.addresses()[1], 10)
    ping_until(alpha, gamma.addresses()[1], 10)
    gamma.kill()  # waited for: the rotation stands still
    rotate_in_background(alpha)
    announced([beta])
    alpha.kill()
    keys = keys_file(alpha)
    keys["wireguard"] = keys.pop("wireguard-next")
    keys["wireguard-made"] = keys.pop("wireguard-next-made")
    write_keys_file(alpha, keys)
    alpha.configure({"gossip.listen": "127.0.0.1:8946"})
    alpha.start()
    # pings go through the old tunnel until the interface has the key
    wait_for(lambda: alpha.host.can_ping(beta.addresses()[1]) and
             f"{alpha.addresses()[1]}/32" in wg_show(beta, "allowed-ips").get(alpha.wg_key(), []), 10, "beta has moved alpha's addresses")
    assert key_of(beta, "alpha") != alpha.wg_key()  # nobody has told it


@pytest.mark.slow
def test_a_rotation_goes_on_where_gossip_gets_through_by_tcp_alone(world):
    _, alpha, beta = world.mesh("alpha", "beta")
    ping_until(alpha, beta.addresses()[1], 10)
    ping_until(beta, alpha.addresses()[1], 10)
    before = alpha.wg_key()
    alpha.host.run("nft", "-f", "-", input=NO_DATAGRAMS)
    rotate_in_background(alpha)
    switched(alpha, before, 120)
    # the word of it comes with the next comparison, the addresses with the first handshake
    ping_until(alpha, beta.addresses()[1], 15)
    ping_until(beta, alpha.addresses()[1], 15)
    wait_for(lambda: peers(beta) == {alpha.wg_key()}, 120, "beta has alpha's key alone")
