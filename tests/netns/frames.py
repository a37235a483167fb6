"""Frames made and seen by hand: packet sockets inside hosts, and VXLAN in IPv4 and IPv6, whole and in fragments."""
import ctypes
import ipaddress
import itertools
import os
import socket
import struct
import threading

from lan import libc

CLONE_NEWNET = 0x40000000
ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 0x0003, 0x0800, 0x86DD
SO_RCVBUFFORCE = 33
IPPROTO_FRAGMENT, IPPROTO_UDP, IPPROTO_DSTOPTS = 44, 17, 60
VXLAN_PORT = 4789
BROADCAST = b"\xff" * 6
ETHERTYPE_TEST = 0x88B5  # for local experiments (IEEE 802)

_numbers = itertools.count(1)
_namespace = threading.Lock()


def socket_inside(host, *arguments):
    """socket.socket(*arguments), made in the host's network namespace."""
    with _namespace, open("/proc/self/ns/net", encoding="ascii") as ours, \
            open(f"/proc/{host.pid}/ns/net", encoding="ascii") as theirs:
        if libc.setns(theirs.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            return socket.socket(*arguments)
        finally:
            libc.setns(ours.fileno(), CLONE_NEWNET)


def mac_of(host, dev):
    text = host.output("cat", f"/sys/class/net/{dev}/address")
    return bytes.fromhex(text.strip().replace(":", ""))


class Wire:
    """A packet socket on a host's interface."""

    def __init__(self, host, dev):
        self.socket = socket_inside(host, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 22)
        self.socket.bind((dev, ETH_P_ALL))
        self.seen = []

    def send(self, *frames):
        for frame in frames:
            self.socket.send(frame)

    def frames(self):
        """Every frame that was sent or received here so far."""
        while True:
            try:
                self.seen.append(self.socket.recv(65536, socket.MSG_DONTWAIT))
            except BlockingIOError:
                return self.seen

    def has(self, mark):
        """Whether a frame with these bytes in it was here."""
        return any(mark in frame for frame in self.frames())

    def close(self):
        self.socket.close()


def mark():
    """Bytes that no other frame of this run has in it."""
    return b"frame %d of %d." % (next(_numbers), os.getpid())


def ethernet(target, source, ethertype, payload):
    return target + source + struct.pack("!H", ethertype) + payload


def inner(payload, source=b"\x02\x00\x00\xaa\xbb\xcc", target=BROADCAST):
    """A frame for a segment."""
    return ethernet(target, source, ETHERTYPE_TEST, payload.ljust(64, b"\0"))


def vxlan(vni, frame):
    return struct.pack("!II", 0x08000000, vni << 8) + frame


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp(source, target, payload, port=VXLAN_PORT, source_port=600):
    source, target = ipaddress.ip_address(source).packed, ipaddress.ip_address(target).packed
    size = 8 + len(payload)
    pseudo = source + target + (struct.pack("!BBH", 0, 17, size) if len(source) == 4 else struct.pack("!IHBB", size, 0, 0, 17))
    head = struct.pack("!HHH", source_port, port, size)
    return head + struct.pack("!H", checksum(pseudo + head + b"\0\0" + payload) or 0xFFFF) + payload


def ipv4(source, target, payload, offset=0, more=False, number=1):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), number, (0x2000 if more else 0) | offset // 8, 64,
                       IPPROTO_UDP, 0, ipaddress.ip_address(source).packed, ipaddress.ip_address(target).packed)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ipv6(source, target, payload, following=IPPROTO_UDP):
    return struct.pack("!IHBB16s16s", 6 << 28, len(payload), following, 64, ipaddress.ip_address(source).packed,
                       ipaddress.ip_address(target).packed) + payload


def fragment(following, offset, more, number):
    return struct.pack("!BBHI", following, 0, offset | more, number)


def packets(source, target, datagram, first=0, options=False):
    """A UDP datagram in IP packets: one, or with `first` two, of which the first has so many bytes of it. options: IPv6
    with an empty header of destination options before all that."""
    number = next(_numbers) & 0xFFFF
    pieces = [(0, datagram)] if not first else [(0, datagram[:first]), (first, datagram[first:])]
    if ":" not in source:
        return [ipv4(source, target, data, at, bool(first) and at == 0, number) for at, data in pieces]
    made = []
    for at, data in pieces:
        following = IPPROTO_UDP
        if first:
            data = fragment(following, at, at == 0, number) + data
            following = IPPROTO_FRAGMENT
        if options:
            data = struct.pack("!BB", following, 0) + b"\x01\x04\0\0\0\0" + data
            following = IPPROTO_DSTOPTS
        made.append(ipv6(source, target, data, following))
    return made
