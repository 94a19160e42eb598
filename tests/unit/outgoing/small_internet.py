"""An internet in a network namespace: a public host, canaries inside, and a name server that lies. Run by a test.

Prints what became of a request to each name, as JSON.
"""

import ipaddress
import json
import os
import socket
import struct
import subprocess
import tempfile
import threading

from productfruits.outgoing.http import Egress, Request, Unreachable
from tests.receivers import receiving

PUBLIC = "93.184.216.34"
PUBLIC6 = "2606:4700::1111"
#: What each question for a name is answered with, one after the other; the last answer stays.
NAMES: dict[str, list[list[str]]] = {
    "public.example": [[PUBLIC]],
    "six.example": [[PUBLIC6]],
    "rebind.example": [[PUBLIC], ["127.0.0.1"]],
    "inner.example": [["127.0.0.1"]],
    "mixed.example": [[PUBLIC, "127.0.0.1"]],
    "families.example": [[PUBLIC, "::1"]],
    "many.example": [[PUBLIC] + [f"10.0.{n}.1" for n in range(20)]],
    "metadata.example": [["169.254.169.254"]],
    "mapped.example": [["::ffff:127.0.0.1"]],
    "nat64.example": [["64:ff9b::7f00:1"]],
    "alias.example": [["CNAME inner.example"]],
    "nobody.example": [[]],
}
A, CNAME, AAAA = 1, 5, 28


def main() -> None:
    for command in ("link set lo up", f"addr add {PUBLIC}/32 dev lo", f"-6 addr add {PUBLIC6}/128 dev lo nodad"):
        subprocess.run(["ip", *command.split()], check=True)
    with tempfile.NamedTemporaryFile("w") as resolver:
        resolver.write("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        resolver.flush()
        subprocess.run(["mount", "--bind", resolver.name, os.path.realpath("/etc/resolv.conf")], check=True)
        threading.Thread(target=_serve_names, args=(_listen(),), daemon=True).start()
        with (
            receiving(host=PUBLIC) as host,
            receiving(host=PUBLIC6, port=host.port),
            receiving(host="127.0.0.1", port=host.port) as canary,
            receiving(host="::1", port=host.port) as other,
        ):
            outcomes = {name: _outcome(f"http://{name}:{host.port}/") for name in NAMES}
        outcomes["knocks where nobody may"] = len(canary.requests) + len(other.requests)
    print(json.dumps(outcomes))


def _outcome(url: str) -> int | str:
    try:
        return Egress(()).send(Request("POST", url, (), b"{}")).status
    except Unreachable as err:
        return str(err)


def _listen() -> socket.socket:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    return server


def _serve_names(server: socket.socket) -> None:
    asked: dict[tuple[str, int], int] = {}
    while True:
        question, sender = server.recvfrom(4_096)
        labels, at = [], 12
        while length := question[at]:
            labels.append(question[at + 1 : at + 1 + length].decode())
            at += 1 + length
        name, kind = ".".join(labels), struct.unpack(">H", question[at + 1 : at + 3])[0]
        answers = NAMES.get(name, [[]])
        turn = asked.get((name, kind), 0)
        asked[name, kind] = turn + 1
        records = _records(answers[min(turn, len(answers) - 1)], kind)
        head = question[:2] + struct.pack(">HHHHH", 0x8180, 1, len(records), 0, 0)
        server.sendto(head + question[12 : at + 5] + b"".join(records), sender)


def _records(answer: list[str], kind: int) -> list[bytes]:
    records = []
    for each in answer:
        if each.startswith("CNAME "):
            other = each.removeprefix("CNAME ")
            spelled = b"".join(bytes([len(label)]) + label.encode() for label in other.split(".")) + b"\0"
            records.append(b"\xc0\x0c" + struct.pack(">HHIH", CNAME, 1, 0, len(spelled)) + spelled)
            records += [spelled + record[2:] for record in _records(NAMES[other][0], kind)]
            continue
        address = ipaddress.ip_address(each)
        if kind == (A if address.version == 4 else AAAA):
            records.append(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(address.packed)) + address.packed)
    return records


if __name__ == "__main__":
    main()
