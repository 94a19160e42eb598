"""The floor of `bench.pages`: the server's own HTTP front, with an application that only answers. Frozen.

`python -m bench.baselines.nothing PORT BYTES`: 304 for a question with a tag, else 200 with so many bytes.
"""

import asyncio
import sys
from typing import Any

from productfruits.cli.serve import granian, new_event_loop

HEADERS = [(b"access-control-allow-origin", b"*"), (b"cache-control", b"private, no-cache"), (b"etag", b'"1.0.0.0.1"')]


class Nothing:
    def __init__(self, size_bytes: int) -> None:
        self._body = b"x" * size_bytes
        self._described = [*HEADERS, (b"content-type", b"application/json"), (b"content-length", b"%d" % size_bytes)]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        if any(name == b"if-none-match" for name, _ in scope["headers"]):
            await send({"type": "http.response.start", "status": 304, "headers": HEADERS})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await send({"type": "http.response.start", "status": 200, "headers": self._described})
            await send({"type": "http.response.body", "body": self._body, "more_body": False})


async def serve(port: int, size_bytes: int) -> None:
    await granian(Nothing(size_bytes), "127.0.0.1", port).serve()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1]), int(sys.argv[2])))
