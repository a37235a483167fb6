"""Says by multicast DNS whatever it is told to, as a program on a hostile host would.

    mdns_say.py INTERFACE ADDRESS PORT SALT TAG NAME...    announces each name there; NAME may be `PREFIX*COUNT`,
                                                           SALT `-` for another one each
    mdns_say.py --claim INTERFACE NAME                     claims the name, with other data, until it is killed
"""
import secrets
import socket
import struct
import sys
import time

GROUP, PORT = "224.0.0.251", 5353
PTR, TXT, A, SRV = 12, 16, 1, 33
IN, FLUSH = 1, 0x8001
TTL_S = 120
PACKET = 1400
SERVICE = ("_meshd", "_udp", "local")


def name(*labels):
    return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"


def record(owner, kind, kind_class, data):
    return owner + struct.pack(">HHIH", kind, kind_class, TTL_S, len(data)) + data


def strings(*texts):
    return b"".join(bytes([len(text)]) + text.encode() for text in texts)


def announcement(instance, address, port, *txt):
    """The records of one service, and how many they are."""
    own, host = name(instance, *SERVICE), name(instance, "local")
    return [record(name(*SERVICE), PTR, IN, own),
            record(own, SRV, FLUSH, struct.pack(">HHH", 0, 0, port) + host),
            record(own, TXT, FLUSH, strings(*txt)),
            record(host, A, FLUSH, socket.inet_aton(address))]


def packets(records):
    batch = []
    for one in records:
        if batch and sum(map(len, batch)) + len(one) > PACKET:
            yield struct.pack(">6H", 0, 0x8400, 0, len(batch), 0, 0) + b"".join(batch)
            batch = []
        batch.append(one)
    yield struct.pack(">6H", 0, 0x8400, 0, len(batch), 0, 0) + b"".join(batch)


def open_socket(interface):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                    struct.pack("=4s4si", b"\0" * 4, b"\0" * 4, socket.if_nametoindex(interface)))
    sock.bind(("", PORT))
    return sock


def say(interface, address, port, salt, tag, *names):
    sock = open_socket(interface)
    expanded = []
    for one in names:
        prefix, _, count = one.partition("*")
        expanded += [f"{prefix}{i}" for i in range(int(count))] if count else [one]
    records = [r for one in expanded for r in announcement(
        one, address, int(port), "v=1", f"s={secrets.token_hex(16) if salt == '-' else salt}", f"m={tag}")]
    for packet in packets(records):
        sock.sendto(packet, (GROUP, PORT))
        time.sleep(0.0005)  # or the socket buffer of whoever listens is what is tested


def claim(interface, instance):
    sock = open_socket(interface)
    own = name(instance, *SERVICE)
    # Of two that conflict the lexicographically later data wins (RFC 6762, 8.2).
    packet = next(packets([record(own, SRV, FLUSH, struct.pack(">HHH", 0xffff, 0xffff, 0xffff) + name("zzz", "local"))]))
    while True:
        sock.sendto(packet, (GROUP, PORT))
        time.sleep(0.1)


if __name__ == "__main__":
    if sys.argv[1] == "--claim":
        claim(*sys.argv[2:])
    else:
        say(*sys.argv[1:])
