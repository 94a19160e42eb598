"""One V8 isolate, driven at the level of mini-racer's library: text in, and calls from JavaScript that return.

mini-racer's own classes bring an event loop and can only be called back later; `crypto.createHash()` must have its
answer when the call returns. The library's callback runs on V8's thread and JavaScript waits for it, so text handed
over in a shared buffer is enough. Each process has one isolate for its whole life, so nothing is ever freed here but
the values of single calls.
"""

import ctypes
import queue
from collections.abc import Callable
from typing import Any, Final

from py_mini_racer._dll import init_mini_racer, mr_callback_func

from productfruits.errors import ProductFruitsError

BUFFER_BYTES: Final = 8 * 1024 * 1024
#: The library's type numbers of values.
TEXT: Final = 5
ARRAY_BUFFER: Final = 102
FIRST_FAULT: Final = 200
#: Which callback is which; the numbers are ours.
RESULT: Final = 1
HOST: Final = 2


class BadScript(ProductFruitsError):
    """The engine refused a script of our own."""


class TooLong(ProductFruitsError):
    """This is more text than fits between the isolate and its process."""


class Isolate:
    """Runs the prelude, then takes turns. `host` is called on V8's thread; what it returns JavaScript may read."""

    def __init__(self, host: Callable[[str], str | None]) -> None:
        self._library = init_mini_racer(ignore_duplicate_init=True)
        self._results: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._host = host
        # ctypes keeps no reference of its own.
        self._callback = mr_callback_func(self._called)
        self._context = self._library.mr_init_context(self._callback)
        shared = self._evaluate(f"globalThis.__buffer = new ArrayBuffer({BUFFER_BYTES})")
        memory = (ctypes.c_ubyte * BUFFER_BYTES).from_address(shared.contents.value.value_ptr)
        self._buffer = memoryview(memory).cast("B")
        self._turn: Any = None

    def start(self, prelude: str) -> None:
        """Run the prelude and take hold of its way in, which code that comes later must not find."""
        function = self._library.mr_make_js_callback(self._context, HOST)
        self._library.mr_set_object_item(self._context, self._evaluate("globalThis"), self._text("__host"), function)
        self._evaluate(prelude)
        self._turn = self._evaluate("globalThis.__turn")
        self._nothing = self._evaluate("[]")
        self._evaluate("delete globalThis.__turn")
        self._nothing_to_do = self._text("0")

    def turn(self, message: str) -> None:
        """Hand the message to the prelude; returns when everything that follows from it at once is done."""
        self._write(message)
        self._library.mr_call_function(self._context, self._turn, self._nothing, self._nothing, RESULT)
        self._library.mr_free_value(self._context, self._results.get())
        # The engine answers before it works off its promises; whatever is asked next is answered after them.
        self._library.mr_eval(self._context, self._nothing_to_do, RESULT)
        self._library.mr_free_value(self._context, self._results.get())

    def _called(self, callback_id: int, raw_val_handle: Any) -> None:
        if callback_id == RESULT:
            self._results.put(raw_val_handle)
            return
        self._library.mr_free_value(self._context, raw_val_handle)
        answer = self._host(self._read())
        if answer is not None:
            self._write(answer)

    def _evaluate(self, code: str) -> Any:
        self._library.mr_eval(self._context, self._text(code), RESULT)
        result = self._results.get()
        if result.contents.type >= FIRST_FAULT:
            said = ctypes.string_at(result.contents.value.char_p_val, result.contents.len)
            raise BadScript(f"The engine refused a script of our own: {said.decode('utf-8', 'replace')}")
        return result

    def _text(self, text: str) -> Any:
        encoded = text.encode()
        return self._library.mr_alloc_string_val(self._context, encoded, len(encoded), TEXT)

    def _read(self) -> str:
        count = int.from_bytes(self._buffer[:4], "little")
        return bytes(self._buffer[4 : 4 + 2 * count]).decode("utf-16-le", "replace")

    def _write(self, text: str) -> None:
        encoded = text.encode("utf-16-le", "surrogatepass")
        if len(encoded) > BUFFER_BYTES - 4:
            raise TooLong()
        self._buffer[:4] = (len(encoded) // 2).to_bytes(4, "little")
        self._buffer[4 : 4 + len(encoded)] = encoded
