"""A receiver of deliveries in a process of its own: `python -m bench.receiver ADDRESS`. Notes what comes.

It listens on two ports, prints them, and answers at once on the first and never on the second. GET /counts on the
first says what came.
"""

import asyncio
import json
import re
import sys
import time
from datetime import datetime

_ID = re.compile(rb"\r\nwebhook-id: (\S+)", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_RECEIVED = re.compile(rb'"received_at": ?"([^"]+)"')
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Counts:
    """Arrivals: (webhook-id, seconds since the epoch, seconds since the event was received there)."""

    def __init__(self) -> None:
        self.arrivals: list[tuple[str, float, float]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"GET"):
                    body = json.dumps(self.arrivals).encode()
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                else:
                    length = _LENGTH.search(head)
                    body = await reader.readexactly(int(length[1]) if length else 0)
                    self._note(head, body)
                    writer.write(ANSWER)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _note(self, head: bytes, body: bytes) -> None:
        now, webhook_id, received = time.time(), _ID.search(head), _RECEIVED.search(body)
        if webhook_id is not None:
            since = now - datetime.fromisoformat(received[1].decode()).timestamp() if received else 0.0
            self.arrivals.append((webhook_id[1].decode(), now, since))


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take the request and say nothing until the other side gives up."""
    while await reader.read(65_536):
        pass
    writer.close()


async def main(address: str) -> None:
    answering = await asyncio.start_server(Counts().serve, address, 0, backlog=1_024)
    hanging = await asyncio.start_server(hang, address, 0, backlog=1_024)
    print(json.dumps([server.sockets[0].getsockname()[1] for server in (answering, hanging)]), flush=True)
    await asyncio.gather(answering.serve_forever(), hanging.serve_forever())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
