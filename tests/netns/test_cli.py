"""meshctl against real daemons: what scripts hold on to, and what people see."""
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import time

import pytest

from lan import TIME_SCALE, wait_for
from mesh import BUILD, Refused

GOSSIP_ONLY = {"wireguard.backend": "none"}
NOBODY = 65534
ESCAPE = "\x1b["


@pytest.fixture
def node(world):
    _, node = world.nodes_on_lan("alpha", settings=GOSSIP_ONLY)
    return node


@pytest.fixture
def pair(world):
    _, *nodes = world.mesh("alpha", "beta", settings=GOSSIP_ONLY)
    return nodes


def one_line(text):
    assert text.startswith("meshctl: ") and text.count("\n") == 1 and text.endswith("\n"), text
    return text


def frame(verb, argument=None):
    """A request as its bytes, with at most one text as argument (see daemon/ipc/IPC.md)."""
    def text(value):
        return bytes([0xa0 | len(value)]) + value.encode()

    args = b"\x80" if argument is None else b"\x81" + text(argument[0]) + text(argument[1])
    body = b"\x83" + text("v") + b"\x01" + text("verb") + text(verb) + text("args") + args
    return struct.pack(">I", len(body)) + body


def ask_as(uid, node, verb, argument=None):
    """The answer's bytes to a process with that user id."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.chdir(node.folder)
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(10 * TIME_SCALE)
                client.connect(node.socket.name)
                client.sendall(frame(verb, argument))
                size = struct.unpack(">I", client.recv(4, socket.MSG_WAITALL))[0]
                os.write(writing, client.recv(size, socket.MSG_WAITALL)[:4000])
        except OSError as error:
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return answer


def on_a_terminal(node, *arguments, env=None, columns=200):
    """What a person sees."""
    ours, theirs = pty.openpty()
    import fcntl
    import termios
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    done = subprocess.run([*node.host.enter, BUILD / "meshctl", "--socket", node.socket, *arguments], stdin=theirs,
                          stdout=theirs, stderr=theirs, env={**environment, "TERM": "xterm", **(env or {})},
                          timeout=30 * TIME_SCALE)
    os.close(theirs)
    text = b""
    while select.select([ours], [], [], 0)[0]:
        try:
            text += os.read(ours, 65536)
        except OSError:
            break
    os.close(ours)
    return done.returncode, text.decode()


def test_the_exit_status_says_what_kind_of_failure_it_is(node):
    status, out, err = node.meshctl("status")
    assert (status, out) == (3, "")
    assert "meshd is not running" in one_line(err) and "systemctl start meshd" in err
    node.start()
    status, out, err = node.meshctl("show", "beta")
    assert (status, out) == (1, "")
    assert "no node `beta` is known here" in one_line(err)
    for wrong in (["frob"], ["status", "--frob"], ["show"], ["show", "a", "b"], ["invite", "--expires", "5"],
                  ["invite", "--uses", "0"], ["init", "--prefix4", "10.0.0.1/8"], ["invite", "--endpoint", "nowhere"],
                  ["invite", "--endpoint", "192.0.2.1:65536"],
                  ["join", "-", "--timeout", "soon"], ["leave", "now"]):
        status, out, err = node.meshctl(*wrong)
        assert (status, out) == (2, ""), wrong
        one_line(err)
    assert node.meshctl("status")[0] == 0
    node.kill()
    status, out, err = node.meshctl("status")
    assert status == 3 and "nobody listens" in one_line(err)


def test_a_daemon_is_named_by_socket_instance_or_environment(node):
    node.start()

    def status(*options, **env):
        done = node.host.run(BUILD / "meshctl", *options, "status", check=False, env=env)
        return done.returncode, done.stderr

    assert status(MESHD_SOCKET=str(node.socket)) == (0, "")
    assert status("--socket", node.socket, MESHD_SOCKET="/nowhere") == (0, "")
    assert "no /run/meshd/meshd.sock" in status()[1]
    code, err = status("-i", "blue", MESHD_SOCKET=str(node.socket))
    assert code == 3 and "no /run/meshd/blue.sock" in one_line(err) and "meshd@blue" in err
    code, err = status("--socket", node.config)
    assert code == 3 and f"{node.config} is no socket" in one_line(err)
    assert status("--socket", "")[0] == 2
    assert status("-i", "../blue")[0] == 2 and status("-i", "a", "--socket", "b")[0] == 2
    node.host.run("mkdir", "/run/meshd")
    node.host.run("ln", "-s", node.socket, "/run/meshd/blue.sock")
    assert status("-i", "blue") == (0, "")


def test_help_and_version_need_no_daemon(node):
    status, out, err = node.meshctl("--help")
    assert status == 0 and err == ""
    verbs = re.findall(r"^  ([a-z0-9]+(?: [a-z]+)?)  ", out.split("Options:")[0], re.MULTILINE)
    assert verbs == ["init", "invite", "invites", "uninvite", "join", "leave", "status", "show", "revoke", "rotate", "keep",
                     "grant", "ungrant", "events", "discover", "doctor", "ping", "why", "debug dump", "root export", "root forget",
                     "root import", "backup", "restore", "kv put", "kv get", "kv del", "kv list", "kv watch", "l2 create", "l2 delete",
                     "l2 attach", "l2 detach", "l2 list"]
    for verb in verbs:
        status, out, err = node.meshctl(*verb.split(), "--help")
        assert status == 0 and err == ""
        assert out.startswith(f"Usage: meshctl {verb}") and "\nExample" in out
    assert re.fullmatch(r"meshctl [0-9.]+\n", node.do("--version"))


def test_the_status_of_a_daemon_without_a_mesh(node):
    node.start()
    status = node.status()
    assert status["state"] == "unjoined" and status["mesh"] is None and status["members"] == []
    text = node.do("status")
    assert "unjoined" in text and "`meshctl init`" in text and ESCAPE not in text


def test_a_backend_that_is_still_to_be_chosen_is_none_yet(world):
    node = world.node(world.host("alpha"), {"wireguard.backend": "auto"})
    node.start()
    assert node.status()["wireguard"]["backend"] == "none"
    assert not node.status()["wireguard"]["up"]


def test_the_status_has_every_field_of_the_contract(pair):
    alpha, beta = pair
    status = wait_for(lambda: (found := alpha.json("status")) and all(
        len(member["addresses"]) == 2 for member in found["members"]) and found, 10, "both have their addresses")
    assert status["state"] == "running"
    assert set(status) >= {"state", "node", "mesh", "members", "wireguard", "l2", "store", "discovery", "warnings"}
    assert set(status["node"]) >= {"id", "name", "addresses", "wireguard_public_key", "admin", "version"}
    assert re.fullmatch("[0-9a-f]{64}", status["node"]["id"]) and status["node"]["admin"] is True
    assert set(status["mesh"]) >= {"id", "name", "prefix4", "prefix6"}
    assert status["mesh"]["name"] == "mesh"
    assert set(status["wireguard"]) >= {"interface", "backend", "listen_port", "mtu", "peers"}
    assert status["wireguard"]["backend"] == "none"
    assert status["l2"] == [] and status["discovery"] == {"mdns": "off", "found": 0}
    assert set(status["store"]) == {"records", "digest", "bytes", "cutoff"}
    assert re.fullmatch("[0-9a-f]{32}", status["store"]["digest"]) and status["store"]["records"] > 0
    assert any("root key" in warning for warning in status["warnings"])
    assert [member["name"] for member in sorted(status["members"], key=lambda m: m["name"])] == ["alpha", "beta"]
    for member in status["members"]:
        assert set(member) >= {"id", "name", "state", "self", "admin", "tags", "addresses", "endpoints", "rtt_ms",
                               "since", "wireguard"}
        assert set(member["wireguard"]) >= {"public_key", "endpoint", "latest_handshake", "rx_bytes", "tx_bytes", "path"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", member["since"])
        assert member["self"] == (member["name"] == "alpha")
        assert [address.split("/")[1] for address in member["addresses"]] == ["128", "32"]
    assert wait_for(lambda: alpha.members()["beta"]["rtt_ms"], 10, "a round trip is measured") < 1000 * TIME_SCALE
    assert any(endpoint.endswith(":8946") for endpoint in alpha.members()["beta"]["endpoints"])


def test_a_token_is_alone_on_standard_output(world):
    _, alpha, beta = world.nodes_on_lan("alpha", "beta", settings=GOSSIP_ONLY)
    alpha.start()
    beta.start()
    assert "founded mesh home" in alpha.do("init", "--mesh", "home")
    assert re.fullmatch(r"mesh1_[A-Za-z0-9_-]+\n", alpha.do("invite"))
    invite = alpha.json("invite", "--uses", "3", "--expires", "2h", "--tag", "roof", "--tag", "site-b")
    assert set(invite) == {"token", "id", "expires", "uses"} and invite["uses"] == 3
    assert invite["token"].startswith("mesh1_") and len(invite["token"]) < 600
    joined = beta.json("join", "-", "--name", "gamma", input=f"\n  {invite['token']}\n\n")
    assert joined["node"]["name"] == "gamma" and joined["mesh"]["name"] == "home"
    assert wait_for(lambda: "gamma" in alpha.members(), 5, "alpha knows gamma")
    shown = alpha.json("show", "gamma")
    assert shown["tags"] == ["roof", "site-b"] and shown["invite"] == invite["id"]
    listed = {item["id"]: item for item in alpha.json("invites")["invites"]}
    assert listed[invite["id"]]["used"] == 1 and listed[invite["id"]]["state"] == "open"
    assert listed[invite["id"]]["by"]["name"] == "alpha"
    assert alpha.json("uninvite", invite["id"][:8]) == {"id": invite["id"]}
    listed = {item["id"]: item for item in alpha.json("invites")["invites"]}
    assert listed[invite["id"]]["state"] == "withdrawn"
    assert invite["token"] not in alpha.do("invites") + json.dumps(alpha.status())


def test_invites_are_listed_newest_first_from_the_moment_they_are_minted(node):
    node.start()
    node.init()
    assert node.do("invites").startswith("No invites.")  # that by which the founder came in nobody minted
    minted = []
    for _ in range(6):
        minted.insert(0, node.json("invite")["id"])
        assert [item["id"] for item in node.json("invites")["invites"]] == minted
    node.do("uninvite", minted[0])
    assert node.json("invites")["invites"][0]["state"] == "withdrawn"


def test_a_refused_token_says_why_and_leaves_the_node_as_it_was(node):
    node.start()
    for token, why in (("", "no token on standard input"), ("mesh1_AAAA\n", "malformed"), ("x" * 5000, "too long")):
        status, out, err = node.meshctl("--json", "join", "-", input=token)
        assert (status, out) == (1, "") and why in one_line(err)
    assert node.status()["state"] == "unjoined"


def test_members_look_and_only_root_changes(node):
    node.start()
    node.init()
    assert oct(node.socket.stat().st_mode & 0o7777) == "0o660"
    node.folder.chmod(0o755)
    assert b"PermissionError" in ask_as(NOBODY, node, "status")
    node.socket.chmod(0o666)
    assert b"running" in ask_as(NOBODY, node, "status")
    assert b"alpha" in ask_as(NOBODY, node, "show", ("node", "alpha"))
    before = node.json("invites")
    for verb, argument in (("invite", None), ("leave", None), ("revoke", ("node", "alpha")), ("join", ("token", "x")),
                           ("init", None), ("uninvite", ("invite", "0"))):
        answer = ask_as(NOBODY, node, verb, argument)
        assert b"only root" in answer and b"auth" in answer, (verb, answer)
    assert node.json("invites") == before and node.status()["state"] == "running"


def test_no_secret_is_ever_shown(pair):
    alpha, _ = pair
    secrets = [line.split("=", 1)[1].strip() for line in (alpha.state / "keys").read_text().splitlines()
               if line.split("=")[0].strip() in ("identity", "wireguard", "root")]
    assert len(secrets) == 3
    shown = "".join(alpha.do(*arguments) for arguments in (["--json", "status"], ["--json", "show", "alpha"],
                                                           ["--json", "show", "beta"], ["--json", "events"],
                                                           ["--json", "doctor"], ["--json", "invites"]))
    assert not [secret for secret in secrets if secret in shown]


def test_events_are_followed_as_they_happen(pair, tmp_path):
    alpha, beta = pair
    log = tmp_path / "events"
    follower = alpha.host.start(BUILD / "meshctl", "--socket", alpha.socket, "--json", "events", "--follow", log=log)

    def seen(event, name):
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        return [line for line in lines if line["event"] == event and line["node"]["name"] == name]

    assert wait_for(lambda: seen("joined", "beta"), 5, "what was before is told first")
    beta.kill()
    suspect = wait_for(lambda: seen("member_state", "beta"), 15, "beta is suspected")[0]
    assert suspect["from"] == "alive" and suspect["to"] == "suspect" and suspect["cause"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", suspect["time"])
    alpha.do("revoke", "beta", "--reason", "stolen from the roof")
    revoked = wait_for(lambda: seen("revoked", "beta"), 5, "the revocation is told")[0]
    assert revoked["cause"] == "stolen from the roof" and revoked["by"] == alpha.status()["node"]["id"]
    assert "revoked  beta  by " + revoked["by"][:8] + "  (stolen from the roof)" in alpha.do("events")
    assert follower.running()
    alpha.stop()
    assert follower.wait() == 3
    alpha.start()
    assert "member_state" not in alpha.do("events")


def test_a_revoked_member_is_shown_as_that(pair):
    alpha, beta = pair
    beta_id = beta.status()["node"]["id"]
    assert alpha.json("revoke", "beta", "--reason", "lost") == {"id": beta_id, "name": "beta"}
    assert wait_for(lambda: alpha.members()["beta"]["state"] == "revoked", 5, "alpha lists it as revoked")
    status, _, err = alpha.meshctl("ping", "beta")
    assert status == 1 and "beta is no member any more" in one_line(err)
    shown = alpha.json("show", beta_id[:12])
    assert shown["reason"] == "lost" and shown["by"]["name"] == "alpha"
    assert "revoked by" in alpha.do("show", beta_id)
    assert alpha.json("show", "beta")["id"] == beta_id
    assert wait_for(lambda: beta.status()["state"] == "revoked", 10, "beta knows")


def test_a_revoked_node_forgets_its_mesh_and_joins_anew(pair):
    alpha, beta = pair
    beta_id = beta.status()["node"]["id"]
    alpha.do("revoke", "beta")
    assert wait_for(lambda: beta.status()["state"] == "revoked", 10, "beta knows")
    assert "`meshctl leave`" in beta.do("status")
    assert beta.json("leave") == {"state": "unjoined"}
    beta.join(alpha.invite())
    new_id = beta.status()["node"]["id"]
    assert new_id != beta_id

    def states():
        return {member["id"]: member["state"] for member in alpha.status()["members"]}

    wait_for(lambda: (states().get(beta_id), states().get(new_id)) == ("revoked", "alive"), 5, "both are listed as what they are")


def test_colours_are_for_terminals_without_no_color(pair):
    alpha, _ = pair
    status, text = on_a_terminal(alpha, "status")
    assert status == 0 and f"{ESCAPE}32malive" in text
    assert ESCAPE not in on_a_terminal(alpha, "status", env={"NO_COLOR": "1"})[1]
    assert ESCAPE not in alpha.do("status")
    assert alpha.status()["node"]["addresses"][0].split("/")[0] in text
    narrow = on_a_terminal(alpha, "status", columns=80)[1].split("NAME")[1]
    assert " ..." in narrow and alpha.status()["node"]["addresses"][0].split("/")[0] not in narrow


def test_a_token_on_a_terminal_comes_with_what_to_do(node):
    node.start()
    node.init()
    status, text = on_a_terminal(node, "invite")
    assert status == 0 and "mesh1_" in text and "meshctl join -" in text and "60 min" in text


def test_watching_goes_on_until_interrupted(node, tmp_path):
    node.start()
    log = tmp_path / "watch"
    watcher = node.host.start(BUILD / "meshctl", "--socket", node.socket, "--json", "status", "--watch", log=log)
    lines = wait_for(lambda: len(found := log.read_text().splitlines()) >= 2 and found, 10, "it looks twice")
    assert all(json.loads(line)["state"] == "unjoined" for line in lines[:2])
    assert watcher.running()
    node.stop()
    assert watcher.wait() == 3


def read_until_closed(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""  # it has no other end any more


def test_watching_on_a_terminal_redraws_without_a_flicker(node):
    node.start()
    ours, theirs = pty.openpty()
    watcher = subprocess.Popen([*node.host.enter, BUILD / "meshctl", "--socket", node.socket, "status", "--watch"],
                               stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown = b""
    try:
        while shown.count(b"\033[H") < 3:
            shown += os.read(ours, 65536)
        os.kill(node.host.pids("meshctl")[0], signal.SIGINT)
        while more := read_until_closed(ours):
            shown += more
        assert watcher.wait(10 * TIME_SCALE) == 0
    finally:
        os.close(ours)
        watcher.kill()
        watcher.wait()
    # the screen is cleared once; then each picture is drawn over the one before, line by line
    assert shown.startswith(b"\033[?25l\033[2J\033[H") and shown.count(b"\033[2J") == 1
    assert shown.endswith(b"\033[?25h")
    pictures = shown.split(b"\033[H")[1:]
    assert len(pictures) >= 3 and all(b"\033[J" in picture and picture.count(b"\033[K") > 1 for picture in pictures)


def test_the_doctor_has_a_finding_for_everything(node):
    status, out, err = node.meshctl("--json", "doctor")
    checks = {check["check"]: check for check in json.loads(out)["checks"]}
    assert status == 3 and checks["daemon"]["state"] == "fail"
    node.start()
    node.init()
    out = node.do("--json", "doctor")
    checks = {check["check"]: check for check in json.loads(out)["checks"]}
    assert set(checks) >= {"wireguard", "clock", "ipv6", "forwarding", "avahi", "daemon", "socket", "files", "ports",
                           "interface"}
    assert all(check["state"] in ("ok", "warn") and check["finding"] for check in checks.values())
    (node.state / "keys").chmod(0o644)
    status, out, err = node.meshctl("doctor")
    assert status == 1 and "can be read by others" in out and "chmod 0600" in out
    assert "1 of" in one_line(err)
    node.config.chmod(0o666)
    status, out, err = node.meshctl("doctor")
    assert status == 1 and "can be written by others" in out and "2 of" in one_line(err)


def test_a_full_disk_for_the_output_is_a_failure(node):
    node.start()
    with open("/dev/full", "w") as full:
        done = subprocess.run([*node.host.enter, BUILD / "meshctl", "--socket", node.socket, "status"], stdout=full,
                              stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and "cannot write" in one_line(done.stderr)


def test_a_join_that_reaches_nobody_ends_in_time(world):
    _, alpha, beta = world.nodes_on_lan("alpha", "beta", settings=GOSSIP_ONLY)
    alpha.start()
    beta.start()
    alpha.init()
    token = alpha.invite()
    alpha.kill()
    start = time.monotonic()
    with pytest.raises(Refused) as refused:
        beta.join(token, "--timeout", "2s")
    assert refused.value.status == 1 and time.monotonic() - start < 8 * TIME_SCALE
    one_line(refused.value.text)
    assert beta.status()["state"] == "unjoined"
