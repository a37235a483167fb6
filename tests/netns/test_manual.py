"""The manual pages say what the programs do; completions offer what there is."""
import gzip
import os
import re
import shlex
import subprocess

import pytest

from mesh import BACKEND, BUILD, ROOT

pytestmark = pytest.mark.skipif(BACKEND != "userspace", reason="has nothing to do with the data plane")
COMPLETE = ROOT / "packaging" / "completions" / "complete"


def program(*arguments):
    return subprocess.run([BUILD / arguments[0], *arguments[1:]], capture_output=True, text=True, check=True).stdout


def page(name):
    """A manual page as a terminal shows it, on one line."""
    roff = gzip.open(BUILD / "packaging" / f"{name}.gz").read()
    text = subprocess.run(["groff", "-man", "-Tutf8", "-P-cbou", "-rLL=2000n", "-rHY=0"], input=roff, capture_output=True,
                          check=True)
    assert text.stderr == b""
    return " ".join(text.stdout.decode().split())


def words(text):
    return " ".join(text.split())


def verbs():
    listed = program("meshctl", "--help").split("\nVerbs:\n")[1].split("\n\n")[0]
    return [re.match(r"  (\S+(?: \S+)*)  ", line).group(1) for line in listed.splitlines()]


def test_meshctl_1_has_all_that_each_verbs_help_has():
    text = page("meshctl.1")
    for verb in verbs():
        usage, *paragraphs = program("meshctl", *verb.split(), "--help").removeprefix("Usage: ").split("\n\n")
        section = f"{verb} {words(usage)}"
        assert section in text, f"no section of {verb} in meshctl(1)"
        assert "meshctl" in paragraphs[-1] and "Example" in paragraphs[-1], f"{verb} has no example"
        for paragraph in paragraphs:
            for line in paragraph.splitlines():
                assert words(line).replace("`", "") in text, f"{verb}: not in meshctl(1): {line}"


def test_meshd_8_has_every_option():
    text = page("meshd.8")
    options = re.findall(r"^  (--.*\S)", program("meshd", "--help"), re.M)
    assert len(options) > 5
    for option in options:
        assert words(option) in text


def check_config(tmp_path, text):
    """What meshd says of a configuration; empty where it is right."""
    path = tmp_path / "meshd.conf"
    path.write_text(text)
    done = subprocess.run([BUILD / "meshd", "--config", path, "--check-config"], capture_output=True, text=True, check=False)
    return done.stderr


def settings(tmp_path):
    """{(section, key): what is allowed}, as meshd itself has them."""
    found = {}
    sections = re.search(r"there are: (.*)", check_config(tmp_path, "[nonsense]\n")).group(1).split(", ")
    for section in sections:
        keys = re.search(r"there are: (.*)", check_config(tmp_path, f"[{section}]\nnonsense = 1\n")).group(1)
        for key in keys.split(", "):
            said = check_config(tmp_path, f"[{section}]\n{key} = !!!, ///\n")
            found[section, key] = re.search(r"it may be (.*)", said).group(1)
    return found


def test_meshd_conf_5_has_every_setting_and_what_is_allowed(tmp_path):
    source = (ROOT / "packaging/man/meshd.conf.5.scd").read_text().replace("\\", "")
    shipped = (ROOT / "packaging/meshd.conf").read_text()
    documented, defaults = {}, {}
    for section, text in re.findall(r"^# \[(\w+)\]\n(.*?)(?=^# )", source, re.M | re.S):
        for key, value, about in re.findall(r"^\*([\w-]+) =(.*?)\*\n((?:\t.*\n)+)", text, re.M):
            documented[section, key] = words(about.split("Allowed:")[1]).rstrip(".")
            defaults[section, key] = value.strip()
    assert documented == {key: words(allowed).rstrip(".") for key, allowed in settings(tmp_path).items()}
    for section, text in re.findall(r"^\[(\w+)\]\n(.*?)(?=^\[|\Z)", shipped, re.M | re.S):
        for key, value in re.findall(r"^#([\w-]+) =(.*)$", text, re.M):
            assert defaults.pop((section, key)) == value.strip()
    assert defaults == {}, "not in packaging/meshd.conf"
    assert check_config(tmp_path, re.sub(r"^#(?=[\w-]+ =)", "", shipped, flags=re.M)) == ""


def test_the_control_protocol_names_every_event():
    page = (ROOT / "daemon/ipc/IPC.md").read_text()
    core = (ROOT / "gossip/gossip.h").read_text().split("#define GOSSIP_EVENT_LIST(X)")[1].split("enum gossip_event_kind")[0]
    daemon = " ".join(path.read_text() for path in (ROOT / "daemon").glob("*.c"))
    events = re.findall(r"X\(\w+, \"(\w+)\"\)", core) + re.findall(r'\.label = "(\w+)"', daemon)
    assert len(events) > 15 and {"backend", "discovery"} < set(events)
    assert [event for event in events if f"`{event}`" not in page] == []


# ---- completions ----

@pytest.fixture
def host(world):
    """A member of a mesh with a key, a segment and an invite, where `meshctl` and `meshd` are at hand."""
    _, alpha, _ = world.mesh("alpha", "beta")
    alpha.do("kv", "put", "site/gateway", "192.0.2.1")
    alpha.do("kv", "put", "site/a b", "blank")
    alpha.do("l2", "create", "lan0")
    alpha.invite()
    return alpha


def run(node, *command, input=None):
    environment = {"PATH": f"{BUILD}:{os.environ['PATH']}", "MESHD_SOCKET": str(node.socket)}
    return node.host.run(*command, env=environment, input=input).stdout


def test_completion_offers_what_the_daemon_knows(host, tmp_path):
    def offered(line):
        """What is offered for a line, whose last word is being typed."""
        return {text.split("\t")[0] for text in run(host, COMPLETE, *line.split(" ")).splitlines()}

    groups = {verb.split()[0] for verb in verbs()}
    assert offered("") == groups
    assert offered("kv ") == {verb.split()[1] for verb in verbs() if verb.startswith("kv ")}
    assert offered("--json st") == {"status"}
    assert offered("--js") == {"--json"}
    assert offered("show ") == offered(f"--socket {host.socket} show ") == {"alpha", "beta"}
    assert offered("--socket /nowhere show ") == set()
    assert offered("revoke b") == {"beta"}
    assert offered("revoke beta --r") == {"--reason"}
    assert offered("invite --replace ") == {"alpha", "beta"}
    assert offered("invite --node-name ") == set()
    assert offered("grant beta ") == {"admin", "writer"}
    assert offered("kv get site/g") == {"site/gateway"}
    assert offered("kv watch --since 1 s") == {"site/gateway", "site/a b"}
    assert offered("l2 attach ") == {"lan0"}
    assert offered("l2 attach lan0 --port e") == {"eth0"}
    assert offered("uninvite ") == {invite["id"][:8] for invite in host.invites()}
    assert offered("root export ") == {":files"}
    assert offered("nonsense ") == set()
    # what is being typed is a word, whatever stands in it
    run(host, COMPLETE, "kv", "get", f"a'; touch {tmp_path}/done; '")
    assert not (tmp_path / "done").exists()


SHELLS = {
    "bash": """
        . /usr/share/bash-completion/bash_completion
        . FILE
        ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; _meshctl
                printf '%s\\n' "${COMPREPLY[@]}"; }
        """,
    # Outside of its line editor zsh completes nothing: what would be added is printed.
    "zsh": """
        compadd() { print -rl -- "${names[@]}" }
        ask() { words=("$@"); CURRENT=$#; . FILE }
        """,
    "fish": """
        source FILE
        function ask; complete -C (string join ' ' -- (string escape -- $argv[1..-2]) $argv[-1]); end
        """,
}


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_completes_nodes_keys_and_segments(host, shell, tmp_path):
    name = {"bash": "meshctl.bash", "zsh": "_meshctl", "fish": "meshctl.fish"}[shell]
    text = (BUILD / "packaging/completions" / name).read_text()
    file = tmp_path / name
    file.write_text(re.sub(r"[\w/.-]*/meshd/complete", str(COMPLETE), text))
    script = SHELLS[shell].replace("FILE", shlex.quote(str(file)))

    def offered(*line):
        asked = script + "\nask meshctl " + " ".join(shlex.quote(word) for word in line) + "\n"
        flags = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
        return {text.split("\t")[0] for text in run(host, shell, *flags, "-c", asked).splitlines() if text}

    assert offered("show", "b") == {"beta"}
    assert offered("kv", "get", "site/g") == {"site/gateway"}
    assert offered("l2", "attach", "l") == {"lan0"}
    assert "status" in offered("st")
    assert "--replace" in offered("invite", "--r")
