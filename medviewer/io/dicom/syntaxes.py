"""Transfer syntaxes: what they are called, and which decoder family they need."""

from __future__ import annotations

IMPLICIT, EXPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
GE_PRIVATE = "1.2.840.113619.5.2"  # implicit little endian with big endian pixels
DEFLATED = frozenset(("1.2.840.10008.1.2.1.99",))
DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
RLE = "1.2.840.10008.1.2.5"
_JPEG = "1.2.840.10008.1.2.4."
PROGRESSIVE = frozenset((_JPEG + "53", _JPEG + "55"))

COMPRESSED = {
    _JPEG + "50": "JPEG Baseline", _JPEG + "51": "JPEG Extended",
    _JPEG + "53": "JPEG Spectral Selection, Non-Hierarchical (Process 6 & 8)",
    _JPEG + "55": "JPEG Full Progression, Non-Hierarchical (Process 10 & 12)",
    _JPEG + "57": "JPEG Lossless", _JPEG + "70": "JPEG Lossless, first-order prediction",
    _JPEG + "80": "JPEG-LS Lossless", _JPEG + "81": "JPEG-LS Near-lossless",
    _JPEG + "90": "JPEG 2000 Lossless", _JPEG + "91": "JPEG 2000",
    _JPEG + "92": "JPEG 2000 Part 2 Lossless", _JPEG + "93": "JPEG 2000 Part 2",
    _JPEG + "201": "HTJ2K Lossless", _JPEG + "202": "HTJ2K Lossless RPCL", _JPEG + "203": "HTJ2K",
    _JPEG + "94": "JPIP Referenced", _JPEG + "95": "JPIP Referenced Deflate",
    _JPEG + "100": "MPEG2 Main Level", _JPEG + "101": "MPEG2 High Level", _JPEG + "102": "MPEG-4 AVC",
    _JPEG + "103": "MPEG-4 AVC BD-compatible", _JPEG + "104": "MPEG-4 AVC 4.2 2D", _JPEG + "105": "MPEG-4 AVC 4.2 3D",
    _JPEG + "106": "MPEG-4 AVC Stereo", _JPEG + "107": "HEVC Main", _JPEG + "108": "HEVC Main 10",
    _JPEG + "110": "JPEG XL Lossless", _JPEG + "111": "JPEG XL JPEG Recompression", _JPEG + "112": "JPEG XL",
    RLE: "RLE Lossless", DEFLATED_FRAMES: "Deflated Image Frame",
}
NAMES = {
    IMPLICIT: "Implicit VR Little Endian", EXPLICIT: "Explicit VR Little Endian",
    BIG_ENDIAN: "Explicit VR Big Endian", GE_PRIVATE: "GE private (big endian pixels)",
    "1.2.840.10008.1.2.1.99": "Deflated Explicit VR Little Endian", **COMPRESSED,
}

# Families that a decoder of ours reads; the code stream itself says the rest.
JPEG_FAMILY = frozenset(_JPEG + n for n in ("50", "51", "57", "70", "80", "81"))
J2K_FAMILY = frozenset(_JPEG + n for n in ("90", "91", "92", "93", "201", "202", "203"))
DECODABLE = JPEG_FAMILY | J2K_FAMILY | {RLE, DEFLATED_FRAMES}


def name_of(uid: str) -> str:
    """Name with UID for people."""
    return f"{NAMES[uid]} ({uid})" if uid in NAMES else uid
