"""Messages through a pair of pipes: pickled, with the arrays beside the pickle so that they are not copied.

Plain pipes to a plain child process, not `multiprocessing`: its children import the program's main module again,
which an unguarded script does not survive, and its helpers outlive a crash.
"""

from __future__ import annotations

import pickle
import struct
from typing import Any, BinaryIO

COUNT = struct.Struct("<I")
LENGTH = struct.Struct("<Q")


def send(pipe: BinaryIO, message: Any) -> None:
    """Write one message.

    Raises
    ------
    OSError
        If the other end has gone.
    """
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    parts = [memoryview(body), *(b.raw() for b in buffers)]
    pipe.write(COUNT.pack(len(parts)) + b"".join(LENGTH.pack(p.nbytes) for p in parts))
    for part in parts:
        pipe.write(part)
    pipe.flush()


def receive(pipe: BinaryIO) -> Any:
    """Wait for one message; its arrays may be written to.

    Raises
    ------
    EOFError
        If the other end has gone.
    """
    (count,) = COUNT.unpack(_read(pipe, COUNT.size))
    lengths = [LENGTH.unpack(_read(pipe, LENGTH.size))[0] for _ in range(count)]
    body, *buffers = (_read(pipe, n) for n in lengths)
    return pickle.loads(body, buffers=buffers)


def _read(pipe: BinaryIO, size: int) -> bytearray:
    data = bytearray(size)
    view, filled = memoryview(data), 0
    while filled < size:
        got = pipe.readinto(view[filled:])  # type: ignore[attr-defined]
        if not got:
            raise EOFError
        filled += got
    return data
