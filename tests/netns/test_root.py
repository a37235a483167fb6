"""The mesh's root key: sealed in a file, forgotten, brought back."""
import os
import pty
import stat

import pytest

from lan import wait_for
from mesh import BACKEND, BUILD, Refused

pytestmark = pytest.mark.skipif(BACKEND != "userspace", reason="no data plane has a part in it")

PASSPHRASE = "correct horse battery staple"


@pytest.fixture
def pair(world, tmp_path):
    _, alpha, beta = world.mesh("alpha", "beta", settings={"wireguard.backend": "none"})
    secret = tmp_path / "passphrase"
    secret.write_text(PASSPHRASE + "\nnot this line\n")
    return alpha, beta, secret, tmp_path / "mesh.root"


def export(node, file, secret):
    return node.json("root", "export", file, "--passphrase-file", secret)


def root_import(node, file, secret):
    return node.json("root", "import", file, "--passphrase-file", secret)


def warnings(node):
    return " ".join(node.status()["warnings"])


def refusal(node, *arguments):
    with pytest.raises(Refused) as caught:
        node.do(*arguments)
    assert caught.value.status == 1
    return caught.value.text


def test_the_root_leaves_the_machine_and_comes_back(pair, world, tmp_path):
    alpha, beta, secret, file = pair
    assert "root export" in warnings(alpha)
    assert "never exported" in refusal(alpha, "root", "forget")
    result = export(alpha, file, secret)
    assert result["mesh"] == alpha.status()["mesh"]["id"] and result["file"] == str(file)
    assert "root" not in warnings(alpha)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    alpha.do("root", "forget")
    assert "root" not in (alpha.state / "keys").read_text()
    # what only the root signs is refused, after a restart as well
    assert "root key" in refusal(alpha, "invite", "--admin")
    alpha.restart()
    assert "root key" in refusal(alpha, "invite", "--admin")
    assert "not on this node" in refusal(alpha, "root", "export", tmp_path / "other", "--passphrase-file", secret)
    assert not (tmp_path / "other").exists()
    # it comes back on whatever member
    root_import(beta, file, secret)
    assert "root" not in warnings(beta)
    beta.restart()
    assert "root = " in (beta.state / "keys").read_text()
    root_import(alpha, file, secret)
    alpha.do("invite", "--admin")
    alpha.do("root", "forget")


def test_nothing_is_written_over(pair):
    alpha, _, secret, file = pair
    file.write_text("mine")
    assert "is there already" in refusal(alpha, "root", "export", file, "--passphrase-file", secret)
    assert file.read_text() == "mine"
    # nobody types a passphrase for nothing
    assert "/nowhere/root: No such file or directory" in refusal(alpha, "root", "export", "/nowhere/root")
    assert "root export" in warnings(alpha)


def test_what_does_not_open_changes_nothing(pair, tmp_path):
    alpha, beta, secret, file = pair
    export(alpha, file, secret)
    alpha.do("root", "forget")
    wrong = tmp_path / "wrong"
    wrong.write_text("another passphrase\n")
    assert "does not open" in refusal(beta, "root", "import", file, "--passphrase-file", wrong)
    damaged = tmp_path / "damaged"
    sealed = file.read_bytes()
    for content, word in ((sealed[:-1], "does not open"), (sealed[:20], "no file"), (sealed + b"x", "does not open"),
                          (sealed[:60] + bytes([sealed[60] ^ 1]) + sealed[61:], "does not open"),
                          # a file that asks for a terabyte of memory
                          (sealed[:19] + b"\x40\0\0\0" + sealed[23:], "cost"), (b"", "no file")):
        damaged.write_bytes(content)
        assert word in refusal(beta, "root", "import", damaged, "--passphrase-file", secret)
    assert "root" not in (beta.state / "keys").read_text()
    wrong.write_text("short\n")
    assert "at least" in refusal(beta, "root", "import", file, "--passphrase-file", wrong)


def test_what_is_refused_anyway_is_refused_before_a_passphrase_is_typed(pair, world):
    alpha, beta, secret, file = pair
    assert "not on this node" in refusal(beta, "root", "export", file) and not file.exists()
    export(alpha, file, secret)
    other = world.node(world.host("other"), {"wireguard.backend": "none"})
    other.start()
    assert "no mesh" in refusal(other, "root", "import", file)
    sealed = file.with_name("backup")
    assert "unjoined" in refusal(other, "backup", sealed)
    alpha.do("backup", sealed, "--passphrase-file", secret)
    assert "meshctl leave" in refusal(beta, "restore", sealed)


def test_the_root_of_another_mesh_is_refused(pair, world):
    alpha, _, secret, file = pair
    other = world.node(world.host("other"), {"wireguard.backend": "none"})
    other.start()
    export(alpha, file, secret)
    assert "no mesh" in refusal(other, "root", "import", file, "--passphrase-file", secret)
    other.init()
    assert "another mesh" in refusal(other, "root", "import", file, "--passphrase-file", secret)
    assert len(other.status()["warnings"]) and "root export" in warnings(other)


def test_a_holder_of_an_exported_root_may_leave(pair):
    alpha, beta, secret, file = pair
    alpha.do("grant", "beta", "admin")
    wait_for(lambda: beta.status()["node"]["admin"], 10, "another admin")
    assert "never exported" in refusal(alpha, "leave")
    export(alpha, file, secret)
    alpha.do("leave")
    assert "root" not in (alpha.state / "keys").read_text()


def on_a_terminal(command, *answers):
    """(exit status, what was shown) of a command that asks for passphrases."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(command[0], command)
    shown = b""
    for answer in answers:
        before = len(shown)
        while b": " not in shown[before:]:
            shown += os.read(terminal, 100)
        os.write(terminal, answer.encode() + b"\n")
    try:
        while more := os.read(terminal, 100):
            shown += more
    except OSError:  # its end is closed
        pass
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


def test_a_passphrase_is_asked_for_without_an_echo(pair):
    alpha, _, _, file = pair
    command = [str(part) for part in (BUILD / "meshctl", "--socket", alpha.socket, "root", "export", file)]
    status, shown = on_a_terminal(command, PASSPHRASE, "something else")
    assert status == 1 and "not the same" in shown and not file.exists()
    status, shown = on_a_terminal(command, PASSPHRASE, PASSPHRASE)
    assert status == 0 and file.exists()
    assert PASSPHRASE not in shown
