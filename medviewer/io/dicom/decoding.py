"""Choose the decoder of a compressed frame, after its code stream was compared with the header."""

from __future__ import annotations

from medviewer.io.dicom import codestream, syntaxes, worker
from medviewer.io.dicom.layout import PixelLayout
from medviewer.io.dicom.stored import Tell


class UnusableError(Exception):
    """The frame must not or cannot be decoded; the message is a sentence without its full stop."""


def request_of(data: bytes, layout: PixelLayout, tell: Tell) -> worker.Request:
    """Make the request for the worker.

    Parameters
    ----------
    tell : callable
        Takes the oddities (parts of a `Report`).

    Raises
    ------
    UnusableError, BadStreamError
        If the stream is of a kind nobody decodes, is damaged, or contradicts the header.
    """
    syntax = layout.transfer_syntax
    if syntax in syntaxes.PROGRESSIVE or (syntax in syntaxes.COMPRESSED and syntax not in syntaxes.DECODABLE):
        raise UnusableError(f"the compression {syntaxes.name_of(syntax)} is not supported")
    size = (layout.rows, layout.columns, layout.samples, layout.bits_allocated)
    if syntax == syntaxes.RLE:
        pixels = layout.rows * layout.columns
        complete = codestream.check_rle(data, pixels // 8 if layout.bits_allocated == 1 else pixels,
                                        layout.samples * max(1, layout.bits_allocated // 8))
        _tell_end(data, complete, tell)
        return worker.Request("rle", data, *size, complete=complete)
    stream = codestream.inspect(data)
    _compare(stream, layout, tell)
    complete = codestream.seems_complete(data, stream.codec)
    _tell_end(data, complete, tell)
    return worker.Request(_codec(stream), data, *size, raw=_keeps_components(stream, layout), complete=complete)


def gives_rgb(request: worker.Request, layout: PixelLayout) -> bool:
    """Whether the decoder converts Y'CbCr to RGB itself."""
    if layout.photometric in ("YBR_RCT", "YBR_ICT"):
        return True
    return request.codec == "jpeg-8bit" and not request.raw


def _tell_end(data: bytes, complete: bool, tell: Tell) -> None:
    if not complete:
        tell("truncated", f"a compressed frame breaks off after {len(data)} bytes", "it is shown as far as it goes")


def _codec(stream: codestream.Stream) -> str:
    if stream.codec == "jpeg" and stream.bits == 8 and stream.marker in (0xC0, 0xC1, 0xC2):
        return "jpeg-8bit"
    if stream.marker in codestream.PROGRESSIVE_SOF:
        raise UnusableError("progressive JPEG with more than 8 bits is not supported")
    return stream.codec


def _compare(stream: codestream.Stream, layout: PixelLayout, tell: Tell) -> None:
    """Refuse a code stream whose size is not the one in the header."""
    if (stream.rows, stream.columns, stream.samples) != (layout.rows, layout.columns, layout.samples):
        raise UnusableError(
            f"the compressed picture says it has {stream.columns} x {stream.rows} pixels with {stream.samples} "
            f"samples, the header says {layout.columns} x {layout.rows} with {layout.samples}")
    if stream.bits > max(8, layout.bits_allocated):
        raise UnusableError(f"the compressed picture has {stream.bits} bits per sample, "
                            f"the header allows {layout.bits_allocated}")
    if stream.codec == "j2k" and stream.subsampled:
        raise UnusableError("JPEG 2000 with colours at lower resolution is not supported")
    if stream.codec == "j2k" and stream.signed != layout.signed and not layout.colour:
        tell("j2k-sign", "the compressed picture and the header disagree on whether values are signed",
             "the header was followed")


def _keeps_components(stream: codestream.Stream, layout: PixelLayout) -> bool:
    """Whether a colour JPEG must not be converted by the decoder.

    A picture labelled RGB was stored without conversion, unless the stream itself says otherwise.
    """
    return layout.photometric == "RGB" and stream.adobe is None and not stream.subsampled
