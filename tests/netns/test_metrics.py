"""The metrics: a real Prometheus reads them, the dashboard and the alert rules go by what there is, and whoever can
connect cannot harm the daemon."""
import json
import re
import signal
import subprocess

import pytest

from lan import wait_for
from mesh import BACKEND, ROOT

PORT = 9586
URL = f"http://127.0.0.1:{PORT}/metrics"
SETTINGS = {"metrics.listen": f"127.0.0.1:{PORT}"}
GRAFANA = ROOT / "packaging" / "grafana"
PROMETHEUS = "http://127.0.0.1:9090"

# What the backends differ in has its tests elsewhere, and a Prometheus is too much for the emulated machine.
pytestmark = pytest.mark.skipif(BACKEND != "userspace", reason="the same with either backend")

# Asks a URL for what stands on each line of standard input, and prints the answers as one list.
ASK = """
import json, sys, urllib.parse, urllib.request
base = sys.argv[1]
print(json.dumps([json.load(urllib.request.urlopen(base + urllib.parse.quote(line.strip()))) for line in sys.stdin]))
"""

# One connection after the other: says each of the texts on standard input, half-closed after it if there is `more` to come;
# prints what came back.
CONNECT = """
import json, socket, sys
def talk(text):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20)
    got = b""
    try:
        s.sendall(text.encode("latin-1"))
        if sys.argv[2] == "more":
            s.shutdown(socket.SHUT_WR)
        while more := s.recv(65536):
            got += more
    except OSError:
        pass  # closed before all was said
    return got.decode("latin-1")
print(json.dumps([talk(text) for text in json.load(sys.stdin)]))
"""

# As many connections as it is told: each says one byte now and then, or nothing at all; ends when all were closed.
HOLD = """
import socket, sys, time
count, port = int(sys.argv[1]), int(sys.argv[2])
start = time.monotonic()
held = []
for i in range(count):
    held.append(socket.create_connection(("127.0.0.1", port), 20))
    held[-1].settimeout(0.01)
print("held", flush=True)
# those that the server has taken; the others wait in the kernel's backlog until these have gone
while held and time.monotonic() - start < 60:
    time.sleep(0.2)
    for s in list(held):
        try:
            s.send(b"G")
            if s.recv(1) == b"":
                held.remove(s)
        except socket.timeout:
            pass
        except OSError:
            held.remove(s)
print(f"{time.monotonic() - start:.1f}", flush=True)
"""


def scrape(node, url=URL):
    return node.host.output("python3", "-c", f"import urllib.request; print(urllib.request.urlopen('{url}', timeout=10)"
                                             ".read().decode(), end='')")


def said(node, texts, end="whole"):
    """(text, answer)"""
    return zip(texts, json.loads(node.host.output("python3", "-c", CONNECT, PORT, end, input=json.dumps(texts))))


def request(method, path):
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"


def value(text, series):
    """Of a series as it stands in the text; None: it is not there."""
    found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
    return float(found.group(1)) if found else None


def families(text):
    """name: type"""
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))


def series_names(text):
    """What a query may name."""
    names = set()
    for name, kind in families(text).items():
        names |= {name} if kind in ("counter", "gauge") else {f"{name}{end}" for end in ("_bucket", "_sum", "_count")}
    return names


def dashboard_queries():
    """(panel, query), the variables filled in as Grafana does."""
    found = []
    for panel in json.loads((GRAFANA / "meshd-dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", []):
            query = target["expr"].replace("$instance", ".*").replace("$job", ".*").replace("$__rate_interval", "30s")
            assert "$" not in query, query
            found.append((panel["title"], query))
    return found


class Prometheus:
    """A real one, on a node's host, asked through its API."""

    def __init__(self, node, folder, targets):
        self.node = node
        config = folder / "prometheus.yml"
        config.write_text(json.dumps({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(GRAFANA / "meshd.rules.yml")],
            "scrape_configs": [{"job_name": "meshd", "static_configs": [{"targets": targets}]}]}))
        self.log = folder / "prometheus.log"
        self.process = node.host.start("prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
                                       "--web.listen-address=127.0.0.1:9090", "--log.level=warn", log=self.log)

    def ask(self, *queries):
        """The result of each query, in its order."""
        answers = json.loads(self.node.host.output("python3", "-c", ASK, f"{PROMETHEUS}/api/v1/query?query=",
                                                   input="\n".join(queries)))
        assert all(answer["status"] == "success" for answer in answers)
        return [answer["data"]["result"] for answer in answers]

    def value(self, query):
        """Of the first sample; None while it does not answer or has none."""
        try:
            result = self.ask(query)[0]
        except AssertionError:
            assert self.process.running(), self.log.read_text()
            return None
        return float(result[0]["value"][1]) if result else None


def test_a_real_prometheus_scrapes_it_and_the_dashboard_shows_what_there_is(world, tmp_path):
    _, alpha, beta = world.mesh("alpha", "beta", settings=SETTINGS)
    alpha.pings(beta, 20)
    alpha.do("l2", "create", "lan0")
    for node in (alpha, beta):
        wait_for(lambda: "lan0" in node.do("l2", "list"), 10, f"{node.name} knows the segment")
        node.do("l2", "attach", "lan0")
    wait_for(lambda: value(scrape(alpha), 'meshd_segment_up{segment="lan0"}') == 1, 20, "the segment is up")
    prometheus = Prometheus(alpha, tmp_path, [f"127.0.0.1:{PORT}"])
    text = wait_for(lambda: (got := scrape(alpha)) and value(got, 'meshd_store_peers{digest="equal"}') == 1
                    and value(got, 'meshd_members{state="alive"}') == 2 and got, 10, "beta's records are alpha's")
    assert subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True,
                          check=False).stderr == ""
    series = [line.rsplit(" ", 1)[0] for line in text.splitlines() if not line.startswith("#")]
    assert sorted(series) == sorted(set(series)), "some series are there twice"
    assert value(text, "meshd_overlay_up") == 1
    assert value(text, "meshd_wireguard_peers") == 1
    beta_id = beta.status()["node"]["id"]
    labels = f'{{peer="beta",peer_id="{beta_id}"}}'
    assert value(text, f"meshd_peer_up{labels}") == 1
    assert value(text, f"meshd_wireguard_peer_session{labels}") == 1
    assert value(text, f"meshd_wireguard_peer_received_bytes_total{labels}") > 0
    assert value(text, f"meshd_wireguard_peer_last_handshake_timestamp_seconds{labels}") > 1e9
    assert value(text, "meshd_state_commit_seconds_count") > 0
    assert value(text, 'meshd_reconcile_operations_total{object="network"}') > 0
    assert value(text, 'meshd_events_total{event="joined"}') >= 1

    assert value(text, 'meshd_segment_members{segment="lan0"}') == 2
    assert value(text, 'meshd_guard_dropped_packets_total{reason="spoofed"}') == 0

    queries = dashboard_queries()
    assert len(queries) > 40
    wanted = {name for _, query in queries for name in re.findall(r"\b(?:meshd|process)_\w+", query)}
    assert not wanted - series_names(text), "the dashboard asks for what there is not"
    unseen = {name for name in families(text) if name.startswith("meshd_")} - {
        re.sub(r"_(bucket|sum|count)$", "", name) for name in wanted}
    assert unseen <= {"meshd_state", "meshd_admin", "meshd_clock_synchronized", "meshd_peers_without_series",
                      "meshd_wireguard_info", "meshd_wireguard_peer_session", "meshd_joins_served_total",
                      "meshd_gossip_passed_over_total", "meshd_store_bytes", "meshd_gossip_received_bytes_total", "meshd_segment_attached",
                      "meshd_mdns_running"}, "the dashboard leaves something out"

    wait_for(lambda: prometheus.value('up{job="meshd"}') == 1, 15, "Prometheus scrapes meshd")
    # rates need two scrapes
    wait_for(lambda: (prometheus.value("count_over_time(meshd_build_info[1m])") or 0) >= 3, 15, "three scrapes")
    for (panel, query), result in zip(queries, prometheus.ask(*[query for _, query in queries])):
        assert result, f"{panel}: nothing for {query}"

    beta.stop()
    wait_for(lambda: prometheus.value(f'meshd_peer_up{{peer_id="{beta_id}"}}') == 0, 30, "the alarm's series says 0")
    wait_for(lambda: prometheus.value('ALERTS{alertname="MeshdMemberDown", alertstate="pending"}') == 1, 10, "an alert")


def test_figures_move_with_what_they_count(world):
    _, alpha, beta = world.mesh("alpha", "beta", settings=SETTINGS)
    alpha.pings(beta, 20)

    def grows(series, timeout=10):
        before = value(scrape(alpha), series) or 0
        return lambda: wait_for(lambda: (value(scrape(alpha), series) or 0) > before, timeout, f"{series} grows from {before}")

    for series in ("meshd_probes_total", "meshd_round_trip_seconds_count", "meshd_loop_turn_seconds_count",
                   'meshd_reconcile_seconds_count{step="turn"}', 'meshd_reconcile_seconds_count{step="look"}',
                   "meshd_gossip_sent_bytes_total", "process_cpu_seconds_total"):
        grows(series)()
    # what is written
    moves = [grows(series) for series in ("meshd_state_commit_seconds_count", "meshd_state_written_total", "meshd_store_records")]
    alpha.do("kv", "put", "key", "value")
    for move in moves:
        move()
    # what others brought while it was away, and is no news any more
    beta.stop()
    for number in range(20):
        alpha.do("kv", "put", f"key/{number}", "value")
    alpha.stop()
    alpha.start()
    moves = [grows("meshd_sync_sent_bytes_total", 30), grows("meshd_sync_sent_records_total", 30)]
    beta.start()
    for move in moves:
        move()
    # what is refused, and why
    moves = [grows(f'meshd_gossip_refused_total{{reason="{reason}"}}') for reason in ("unknown_tag",)]
    beta.host.run("python3", "-c", "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(bytes(200), "
                                   "('192.0.2.11', 8946))")
    for move in moves:
        move()
    # a false alarm
    moves = [grows(series, 30) for series in ("meshd_probes_failed_total", "meshd_suspicions_total")]
    refuted = grows("meshd_suspicions_refuted_total", 30)
    beta.signal(signal.SIGSTOP)
    for move in moves:
        move()
    beta.signal(signal.SIGCONT)
    refuted()
    # what the kernel is told, and what it refuses
    moves = [grows(series) for series in ('meshd_reconcile_operations_total{object="network"}',
                                          'meshd_reconcile_errors_total{object="route4"}',
                                          'meshd_reconcile_failing{object="route4"}')]
    prefix = next(route for route in alpha.json("debug", "dump")["plan"]["routes"] if "." in route)
    alpha.host.run("ip", "route", "replace", prefix, "dev", "eth0")  # at once: what is deleted meshd puts back
    for move in moves[1:]:
        move()
    alpha.host.run("ip", "route", "delete", prefix, "dev", "eth0")
    moves[0]()
    # an entry of a segment's
    moves = [grows('meshd_segment_macs{segment="lan0"}', 20), grows('meshd_segment_operations_total{segment="lan0"}')]
    alpha.do("l2", "create", "lan0")
    for number, node in enumerate((alpha, beta), 1):
        wait_for(lambda: "lan0" in node.do("l2", "list"), 10, f"{node.name} knows the segment")
        node.do("l2", "attach", "lan0", "--address", f"192.168.7.{number}/24")
    for move in moves:
        move()


def test_alert_rules_fire_when_they_should_and_only_then():
    done = subprocess.run(["promtool", "test", "rules", "meshd.rules.test.yml"], cwd=GRAFANA, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rules = (GRAFANA / "meshd.rules.yml").read_text()
    alerts = re.findall(r"- alert: (\w+)", rules)
    tests = (GRAFANA / "meshd.rules.test.yml").read_text()
    never = {name for name in alerts if f'alertname="{name}", severity' not in tests
             and not re.search(rf"alertname: {name}\n +exp_alerts", tests)}
    assert len(alerts) > 10 and not never, "alerts that no test makes fire"


def test_alert_rules_ask_for_what_there_is(world):
    alpha = world.node(world.host("alpha"), {"wireguard.backend": "none", **SETTINGS})
    alpha.start()
    alpha.init()
    wanted = set(re.findall(r"\bmeshd_\w+(?=[{\[ )])", (GRAFANA / "meshd.rules.yml").read_text()))
    assert wanted and not wanted - series_names(scrape(alpha))


def test_only_the_metrics_are_served_and_only_to_get(world):
    alpha = world.node(world.host("alpha"), {"wireguard.backend": "none", **SETTINGS})
    alpha.start()
    # also before there is a mesh
    text = scrape(alpha)
    assert value(text, 'meshd_state{state="unjoined"}') == 1
    assert value(text, "meshd_store_records") == 0
    (_, got), (_, head) = said(alpha, [request("GET", "/metrics"), request("HEAD", "/metrics")])
    assert got.startswith("HTTP/1.1 200 ") and "text/plain; version=0.0.4" in got
    assert "\r\nConnection: close\r\n" in got
    assert head.startswith("HTTP/1.1 200 ") and "meshd_" not in head
    paths = ("/", "/metrics/", "/metrics.json", "/../metrics", "//metrics", "/%2e%2e/etc/passwd")
    for text, got in said(alpha, [request("GET", path) for path in paths]):
        assert got.startswith("HTTP/1.1 404 "), (text, got)
    methods = ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW")
    for text, got in said(alpha, [request(method, "/metrics") for method in methods]):
        assert got.startswith("HTTP/1.1 405 ") and "Allow: GET" in got, (text, got)
    garbage = ["\x16\x03\x01\x02\x00\x01\x00\n\n", "GET\n\n", "A" * 20000 + "\r\n\r\n",
               "GET /metrics HTTP/1.1\r\nHost: x\r\n" + "X: y\r\n" * 5000 + "\r\n",
               f"GET /{'a' * 9000} HTTP/1.1\r\nHost: x\r\n\r\n",
               "POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n"]
    for text, got in said(alpha, garbage, "more"):
        assert " 200 " not in got.split("\r\n")[0], text
    assert scrape(alpha)


@pytest.mark.slow
def test_slow_clients_hold_up_nobody_and_are_ended(world):
    alpha = world.node(world.host("alpha"), {"wireguard.backend": "none", **SETTINGS})
    alpha.start()
    alpha.init()
    log = alpha.folder / "hold.log"
    holder = alpha.host.start("python3", "-c", HOLD, 24, PORT, log=log)
    wait_for(lambda: "held" in log.read_text(), 10, "they hold their connections")
    # the daemon goes on meanwhile: status, and what it is asked to write
    alpha.do("kv", "put", "key", "value")
    assert holder.running() and alpha.status()["state"] == "running"
    # 16 at once, 10 s each, so two rounds; without an end it gives up after 60 s
    assert holder.wait(70) == 0
    assert float(log.read_text().split()[1]) < 50
    text = scrape(alpha)
    assert value(text, "process_resident_memory_bytes") < 400e6


def test_a_reload_moves_it_and_ends_it(world):
    _, alpha = world.nodes_on_lan("alpha")
    alpha.start()
    with pytest.raises(AssertionError):
        scrape(alpha)

    def reload(settings):
        alpha.configure(settings)
        alpha.signal(signal.SIGHUP)

    reload(SETTINGS)
    wait_for(lambda: listening(alpha) == [f"127.0.0.1:{PORT}"], 5, "it listens")
    assert value(scrape(alpha), "meshd_build_info{version=\"" + alpha.status()["node"]["version"] + "\"}") == 1
    reload({"metrics.listen": "[::1]:9700"})
    wait_for(lambda: listening(alpha) == ["[::1]:9700"], 5, "it has moved")
    assert scrape(alpha, "http://[::1]:9700/metrics")
    reload({})
    wait_for(lambda: listening(alpha) == [], 5, "it is off")

    # an address of the overlay, which is not there yet; until then the operator is told
    alpha.init()
    address = alpha.addresses()[1]
    alpha.stop()
    alpha.host.run("ip", "link", "delete", "mesh0", check=False)
    wait_for(lambda: not alpha.host.pids("wireguard-go"), 10, "nothing of the overlay is left")
    alpha.configure({"metrics.listen": f"{address}:{PORT}"})
    alpha.start()
    assert wait_for(lambda: value_of(alpha, f"http://{address}:{PORT}/metrics", "meshd_overlay_up") == 1, 20,
                    "it is served on the overlay")

    # somebody else has it
    alpha.stop()
    taken = alpha.host.start("python3", "-c", "import socket, time; s = socket.create_server(('127.0.0.1', 9701)); "
                                              "time.sleep(60)", log=alpha.folder / "taken.log")
    wait_for(lambda: "127.0.0.1:9701" in listening(alpha, None), 5, "it is taken")
    alpha.configure({"metrics.listen": "127.0.0.1:9701"})
    alpha.start()
    assert any("metrics are not served on 127.0.0.1:9701" in text for text in alpha.status()["warnings"])
    taken.signal(signal.SIGKILL)
    wait_for(lambda: not any("metrics" in text for text in alpha.status()["warnings"]), 10, "it has the address now")
    assert scrape(alpha, "http://127.0.0.1:9701/metrics")


def listening(node, process="meshd"):
    """Addresses that TCP is taken on, but gossip's."""
    lines = node.host.output("ss", "-Hltnp").splitlines()
    return [line.split()[3] for line in lines if (not process or process in line) and not line.split()[3].endswith(":8946")]


def value_of(node, url, series):
    try:
        return value(scrape(node, url), series)
    except AssertionError:
        return None
