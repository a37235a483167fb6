"""The control protocol (daemon/ipc/IPC.md), spoken by hand: for tests to which starting meshctl would cost too much."""
import os
import socket
import struct

import msgpack

from lan import TIME_SCALE

ANSWER_S = 30 * TIME_SCALE


class Gone(Exception):
    """Nobody answers: the daemon does not run, or has ended meanwhile."""


class Control:
    """A connection that stays open."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(ANSWER_S)
        try:
            self.socket.connect(os.fspath(path))
        except OSError as error:
            self.socket.close()
            raise Gone from error
        self.stream = self.socket.makefile("rb")

    def close(self):
        self.stream.close()
        self.socket.close()

    def _read(self, size):
        data = self.stream.read(size)
        if len(data) < size:
            raise Gone
        return data

    def items(self, verb, **arguments):
        """The items of the answer; its result is the last."""
        body = msgpack.packb({"v": 1, "verb": verb, "args": arguments})
        try:
            self.socket.sendall(struct.pack(">I", len(body)) + body)
            while True:
                answer = msgpack.unpackb(self._read(*struct.unpack(">I", self._read(4))))
                if "item" not in answer:
                    break
                yield answer["item"]
        except OSError as error:
            raise Gone from error
        assert answer["ok"], f"{verb}: {answer}"
        yield answer["result"]

    def ask(self, verb, **arguments):
        return list(self.items(verb, **arguments))[-1]
