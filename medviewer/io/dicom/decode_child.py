"""The decoding process: reads compressed frames from its standard input, answers on its standard output.

Started as a plain script by `worker`, so that it imports nothing of medviewer and only the decoders that are
asked for. It is expected to be killed: by its memory limit, its alarm, or its parent.

A request is a line of JSON, whose `size` bytes of code stream follow; so is the answer.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[Any]


def main() -> None:
    """Serve until the standard input ends."""
    requests, answers = _take_over_streams()
    base = _memory_in_use()
    while True:
        line = requests.readline()
        if not line:
            return
        request = json.loads(line)
        data = requests.read(request["size"])
        if len(data) < request["size"]:
            return
        _limit(base + request["memory"], request["seconds"])
        answer, payload = _answer(request, data)
        _rest()
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.write(payload)
        answers.flush()


def _answer(request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], memoryview | bytes]:
    try:
        frame = np.ascontiguousarray(_DECODERS[request["codec"]](data, request))
    except MemoryError:
        return {"error": "it needs too much memory"}, b""
    except Exception as error:  # noqa: BLE001 - decoders raise anything; the parent makes a sentence of it
        return {"error": "", "detail": f"{type(error).__name__}: {error}"[:500]}, b""
    return {"dtype": frame.dtype.str, "shape": frame.shape, "size": frame.nbytes}, frame.data.cast("B")


def _jpeg_8bit(data: bytes, request: dict[str, Any]) -> Frame:
    from PIL import Image, ImageFile

    ImageFile.LOAD_TRUNCATED_IMAGES = True  # the missing end is reported by the parent
    Image.MAX_IMAGE_PIXELS = None  # the size was compared with the header
    image = Image.open(BytesIO(data), formats=("JPEG",))
    if request["raw"] and image.mode == "RGB":
        image.draft("YCbCr", image.size)  # components as stored
    return np.asarray(image)


def _jpeg_other(data: bytes, request: dict[str, Any]) -> Frame:
    import libjpeg

    return libjpeg.decode(data, colour_transform=0)


def _jpegls(data: bytes, request: dict[str, Any]) -> Frame:
    import jpeg_ls

    if not request["complete"]:  # CharLS searches for the end for seconds, and gives nothing of a part
        return _jpeg_other(data + b"\xff\xd9", request)
    raw, info = jpeg_ls.decode_buffer(data)
    samples = info["components"]
    values = np.frombuffer(raw, "<u1" if info["bits_per_sample"] <= 8 else "<u2")
    if samples == 1:
        return values.reshape(info["height"], info["width"])
    if info["interleave_mode"] == 0:
        return values.reshape(samples, info["height"], info["width"]).transpose(1, 2, 0)
    return values.reshape(info["height"], info["width"], samples)


def _j2k(data: bytes, request: dict[str, Any]) -> Frame:
    import openjpeg

    return openjpeg.decode(data)


def _rle(data: bytes, request: dict[str, Any]) -> Frame:
    rows, columns, samples, bits = (request[k] for k in ("rows", "columns", "samples", "bits"))
    width = max(1, bits // 8)
    if bits == 1:
        return _rle_bits(data, rows, columns)
    if request["complete"]:
        from rle.rle import decode_frame  # type: ignore[import-not-found]

        raw = decode_frame(data, rows * columns, bits, "<")
    else:
        raw = _rle_part(data, rows * columns, width)
    values: Frame = np.frombuffer(raw, f"<u{width}")
    if samples == 1:
        return values.reshape(rows, columns)
    return values.reshape(samples, rows, columns).transpose(1, 2, 0)


def _rle_bits(data: bytes, rows: int, columns: int) -> Frame:
    """Segmentations: eight pixels to a byte, or (older writers) a byte each."""
    pixels = rows * columns
    raw = np.frombuffer(_unpack_bits(data[struct.unpack_from("<2I", data)[1]:], pixels), np.uint8)
    packed = -(-pixels // 8)
    if len(raw) <= packed + 1:
        raw = np.unpackbits(raw, bitorder="little")
    out = np.zeros(pixels, np.uint8)
    out[:min(pixels, len(raw))] = raw[:pixels] != 0
    return out.reshape(rows, columns)


def _rle_part(data: bytes, pixels: int, width: int) -> bytes:
    """Decode what there is of a frame that was cut short; the rest is zero."""
    count, *offsets = struct.unpack_from("<16I", data)
    ends = [*offsets[1:count], len(data)]
    out = np.zeros((count // width, pixels, width), np.uint8)
    for n in range(count):
        plane = _unpack_bits(data[offsets[n]:ends[n]], pixels)
        out[n // width, :len(plane), width - 1 - n % width] = np.frombuffer(plane, np.uint8)
    return out.tobytes()


def _unpack_bits(data: bytes, limit: int) -> bytes:
    out, at = bytearray(), 0
    while at + 1 < len(data) and len(out) < limit:
        code = data[at]
        if code < 128:
            out += data[at + 1:at + 2 + code]
            at += 2 + code
        else:
            if code > 128:
                out += data[at + 1:at + 2] * (257 - code)
            at += 2 if code > 128 else 1
    return bytes(out[:limit])


_DECODERS = {"jpeg-8bit": _jpeg_8bit, "jpeg": _jpeg_other, "jpegls": _jpegls, "j2k": _j2k, "rle": _rle}


def _take_over_streams() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes for us: libraries that print must not write into the answers."""
    requests, answers = os.fdopen(os.dup(0), "rb", 1 << 16), os.fdopen(os.dup(1), "wb", 1 << 16)
    silent = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silent, stream)
    if hasattr(signal, "SIGINT"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the parent's business
    return requests, answers


def _memory_in_use() -> int:
    """Address space taken before any frame (Linux)."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _limit(memory: int, seconds: int) -> None:
    """Let the system stop a decoder that runs away, even if nobody else watches any more."""
    if sys.platform == "linux":
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        soft = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    if hasattr(signal, "alarm"):
        signal.alarm(seconds + 5)


def _rest() -> None:
    if hasattr(signal, "alarm"):
        signal.alarm(0)


if __name__ == "__main__":
    main()
