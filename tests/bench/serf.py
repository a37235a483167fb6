"""Serf agents, Debian's `serf`, on loopback addresses, asked over their RPC protocol (connections stay open): asking
`serf members` each time would cost the machine a process."""
import pathlib
import socket
import time

import msgpack

from fleet import Daemon, pump

RPC_PORT = 7373
START_S = 20
RECEIVE_BYTES = 1 << 16


class Agent(Daemon):
    """One agent with its LAN defaults; it encrypts nothing unless it is given a key."""

    def __init__(self, folder, name, address, first=None):
        self.name, self.address = name, address
        join = [f"-join={first}"] if first else []
        super().__init__("serf", "agent", f"-node={name}", f"-bind={address}:7946", f"-rpc-addr={address}:{RPC_PORT}",
                         "-log-level=warn", *join, log=pathlib.Path(folder) / f"{name}.log")

    def connect(self):
        """Its Rpc, as soon as it takes connections."""
        deadline = time.monotonic() + START_S
        while True:
            try:
                return Rpc(self)
            except ConnectionRefusedError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.01)


class Rpc:
    """Requests are answered by number; a stream goes on answering. A stream's items and a command's answers are kept
    with the time at which they were read."""

    def __init__(self, agent):
        self.agent = agent
        self.socket = socket.create_connection((agent.address, RPC_PORT))
        self.unpacker = msgpack.Unpacker(raw=False, strict_map_key=False, unicode_errors="replace")
        self.sequence = 0
        self.head = None  # of an answer whose body is to come
        self.bodies = {}  # by number: what kind of answer has one
        self.answers = {}  # by number: (time, body or None)
        self.user_events = {}  # name: time
        self.failed = []  # (time, name): what the agent said of members, seconds late: it coalesces
        self.ask("handshake", {"Version": 1}, body=False)

    def fileno(self):
        return self.socket.fileno()

    def close(self):
        self.socket.close()

    def send(self, command, arguments=None, body=True):
        """The number of the request. body: whether its answer has one."""
        self.sequence += 1
        packed = msgpack.packb({"Command": command, "Seq": self.sequence})
        if arguments is not None:
            packed += msgpack.packb(arguments)
        self.bodies[self.sequence] = body
        self.socket.sendall(packed)
        return self.sequence

    def ask(self, command, arguments=None, body=True):
        number = self.send(command, arguments, body)
        while number not in self.answers:
            self.read()
        return self.answers.pop(number)[1]

    def follow(self):
        """From now on user events and failures are noted as they come."""
        self.ask("stream", {"Type": "user,member-failed"}, body=False)
        self.bodies[self.sequence] = True

    def read(self):
        """What is there; called when the socket is readable, else it waits."""
        data = self.socket.recv(RECEIVE_BYTES)
        now = time.monotonic()
        if not data:
            raise ConnectionError(f"{self.agent.name} closed the connection")
        self.unpacker.feed(data)
        for part in self.unpacker:
            if self.head is None:
                if part["Error"]:
                    raise RuntimeError(f"{self.agent.name}: {part['Error']}")
                if self.bodies[part["Seq"]]:
                    self.head = part
                else:
                    self.answers[part["Seq"]] = (now, None)
                continue
            number, self.head = self.head["Seq"], None
            if part.get("Event") == "user":
                self.user_events[part["Name"]] = now
            elif part.get("Event") == "member-failed":
                self.failed += [(now, member["Name"]) for member in part["Members"]]
            else:
                self.answers[number] = (now, part)


def stats_of_all(rpcs):
    """[(time read, members alive, members failed)], all asked at once."""
    numbers = [rpc.send("stats") for rpc in rpcs]
    pump(rpcs, lambda: all(number in rpc.answers for rpc, number in zip(rpcs, numbers)), START_S, "Serf's stats")
    result = []
    for rpc, number in zip(rpcs, numbers):
        now, body = rpc.answers.pop(number)
        counts = {key: int(body["serf"][key]) for key in ("members", "failed", "left")}
        result.append((now, counts["members"] - counts["failed"] - counts["left"], counts["failed"]))
    return result
