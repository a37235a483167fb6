"""What real daemons say happened: each node's events, followed over its control socket. An event bears the time at which
its daemon made it, so that reading them late costs no accuracy, and nobody is asked again and again."""
import datetime
import socket
import struct

import msgpack

from fleet import pump, request

RECEIVE_BYTES = 1 << 16


class Follower:
    """The events of one node, from its start on."""

    def __init__(self, node):
        self.node = node
        self.events = []  # in order; "at": Unix seconds
        self.pending = b""
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(node.socket))
        self.socket.sendall(request("events", follow=True))

    def fileno(self):
        return self.socket.fileno()

    def close(self):
        self.socket.close()

    def read(self):
        """What is there; called when the socket is readable."""
        data = self.socket.recv(RECEIVE_BYTES)
        if not data:
            raise ConnectionError(f"{self.node.name} closed the connection")
        self.pending += data
        while len(self.pending) >= 4:
            end = 4 + struct.unpack(">I", self.pending[:4])[0]
            if len(self.pending) < end:
                break
            answer = msgpack.unpackb(self.pending[4:end])
            self.pending = self.pending[end:]
            if "item" not in answer:
                raise RuntimeError(f"{self.node.name}: {answer}")
            self._add(answer["item"])

    def _add(self, event):
        event["at"] = datetime.datetime.fromisoformat(event["time"]).timestamp()
        self.events.append(event)

    def first(self, since=0, **wanted):
        """When the first such event was, or None. `name` is the node's that it is about; with `to` it is a state."""
        for event in reversed(self.events):  # what is asked for is nearly always recent
            if event["at"] < since:
                break
            if all((event["node"]["name"] if key == "name" else event.get(key)) == value
                   for key, value in wanted.items()):
                return event["at"]
        return None


def wait_for_all(followers, all_followers, timeout, what, **wanted):
    """When each of them had such an event first, in order; all are read meanwhile."""
    when = {}

    def done():
        for follower in followers:
            if follower not in when:
                at = follower.first(**wanted)
                if at is not None:
                    when[follower] = at
        return len(when) == len(followers)

    pump(all_followers, done, timeout, what)
    return sorted(when.values())
