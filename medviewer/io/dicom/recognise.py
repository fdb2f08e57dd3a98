"""Tell DICOM from other files, and how its elements are stored, by the bytes alone."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from medviewer.core.study import Report
from medviewer.io.dicom import syntaxes
from medviewer.io.dicom.parse import LONG_VR, SHORT_VR, VRS

MAGIC_WITHIN = 512  # bytes in which a misplaced DICM is looked for
MAX_JUNK = 16  # stray bytes before a dataset without preamble
FIRST_GROUPS = (0x02, 0x04, 0x08, 0x10)
LONGEST_FIRST = 4096

# Starts of files that are something else: legal in the 128 bytes before DICM, and a known way to smuggle programs.
DISGUISES = (
    (b"MZ", "a Windows program"), (b"\x7fELF", "a Linux program"), (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"\xce\xfa\xed\xfe", "a macOS program"), (b"\xfe\xed\xfa\xce", "a macOS program"),
    (b"\xfe\xed\xfa\xcf", "a macOS program"), (b"\xca\xfe\xba\xbe", "a macOS program"), (b"#!", "a script"),
    (b"PK\x03\x04", "a ZIP archive"), (b"%PDF", "a PDF document"),
)


def sniff_dicom(path: Path, head: bytes) -> float:
    """Judge by the first bytes: 1 = DICM where it belongs ... 0 = not DICOM."""
    if head[128:132] == b"DICM":
        return 1.0
    start = data_start(head)
    if start and plausible(head[start:]):
        return 0.9
    junk = junk_before(head)
    return 0.0 if junk is None else 0.6 if junk == 0 else 0.5


def preamble_report(head: bytes) -> Report | None:
    """Report a preamble that is also the start of a program, a script, an archive or a document."""
    if head[128:132] != b"DICM":
        return None
    for magic, what in DISGUISES:
        if head.startswith(magic):
            return Report("disguised-preamble", f"the file is DICOM and at the same time {what}",
                          "only the image is read; do not run or share it")
    return None


def encoding_of(sample: bytes, declared: str, reports: list[Report]) -> tuple[bool, bool]:
    """Whether the elements are implicit, and whether they are little endian."""
    implicit, little = declared == syntaxes.IMPLICIT, declared != syntaxes.BIG_ENDIAN
    if len(sample) < 8:
        return implicit, little
    group = int.from_bytes(sample[:2], "little")
    if group & 0xFF == 0 and group >> 8 in (0x02, 0x04, 0x08, 0x10):
        seems_little = False
    elif group >> 8 == 0 and group in (0x02, 0x04, 0x08, 0x10):
        seems_little = True
    else:
        seems_little = little
    seems_implicit = sample[4:6] not in VRS
    if not declared or declared not in syntaxes.NAMES:
        reports.append(Report(
            "no-transfer-syntax" if not declared else "unknown-transfer-syntax",
            "the file does not say its transfer syntax" if not declared else
            f"the transfer syntax {declared!r} is not known", "it was guessed from the first bytes"))
    elif (seems_implicit, seems_little) != (implicit, little):
        reports.append(mismatch(declared))
    return seems_implicit, seems_little


def mismatch(declared: str) -> Report:
    return Report("wrong-transfer-syntax", f"the file says it is {syntaxes.NAMES[declared]}, "
                  "but its elements are stored differently", "the stored form was used")


def syntax_of(declared: str, implicit: bool, little: bool) -> str:
    if declared in syntaxes.NAMES and (declared in syntaxes.COMPRESSED or declared in syntaxes.DEFLATED
                                       or declared == syntaxes.GE_PRIVATE):
        return declared
    if declared and declared not in syntaxes.NAMES:
        return declared
    return syntaxes.IMPLICIT if implicit else syntaxes.EXPLICIT if little else syntaxes.BIG_ENDIAN


def data_start(head: bytes) -> int | None:
    """Position after DICM; None if there is none."""
    if head[128:132] == b"DICM":
        return 132
    at = head.find(b"DICM", 0, MAGIC_WITHIN)
    return at + 4 if at >= 0 and plausible(head[at + 4:]) else None


def plausible(sample: bytes) -> bool:
    """Whether this can be the first element of a dataset or of the file meta information."""
    if len(sample) < 8:
        return False
    little = sample[1] == 0 and sample[0] in FIRST_GROUPS
    big = sample[0] == 0 and sample[1] in FIRST_GROUPS
    if not little and not big:
        return False
    return sample[4:6] in VRS or int.from_bytes(sample[4:8], "little" if little else "big") < LONGEST_FIRST


def junk_before(head: bytes) -> int | None:
    """Bytes before the first element of a dataset without preamble; None if there is no dataset."""
    if _chain(head, 0):
        return 0
    return next((at for at in range(1, MAX_JUNK) if head[at + 4:at + 6] in VRS and _chain(head, at)), None)


def _chain(head: bytes, at: int) -> bool:
    """Whether two elements follow each other here as they do in a dataset."""
    if not plausible(head[at:at + 8]):
        return False
    order: Literal["little", "big"] = "little" if head[at + 1] == 0 else "big"

    def number(position: int, count: int) -> int:
        return int.from_bytes(head[position:position + count], order)

    vr = head[at + 4:at + 6]
    if vr in SHORT_VR:
        end = at + 8 + number(at + 6, 2)
    elif vr in LONG_VR:
        end = at + 12 + number(at + 8, 4)
    else:
        end = at + 8 + number(at + 4, 4)
    if end + 8 > len(head) or (vr in VRS) != (head[end + 4:end + 6] in VRS):
        return False
    first, second = (number(at, 2), number(at + 2, 2)), (number(end, 2), number(end + 2, 2))
    return first < second and second[0] <= 0x0060
