"""NIfTI-1, NIfTI-2 and Analyze 7.5: reading and writing.

Array axes (k, j, i) are the file's (z, y, x) and time comes first, which is the order of the bytes in the file:
nothing is transposed. Voxels keep their stored type, with slope and intercept beside them.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path

from medviewer.core.errors import GeometryError, ReadError
from medviewer.core.job import Job
from medviewer.core.labels import Segment
from medviewer.core.study import ScanResult, Series, Skipped
from medviewer.io.formats._labels import from_caret, from_json
from medviewer.io.formats._nifti_header import Header, is_header, printable, read_header
from medviewer.io.formats._nifti_write import NiftiWriter
from medviewer.io.formats._plain import READ_ERRORS, PlainReader
from medviewer.io.formats._source import head_of

SUFFIXES = (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz", ".nii.bz2")
COMMENT = 6  # extension code
MAX_NAMES = 4 << 20  # bytes of label names


class NiftiReader(PlainReader):
    """Reads .nii, .nii.gz and .hdr/.img pairs."""

    id, label, suffixes, requires = "nifti", "NIfTI", SUFFIXES, ("nibabel",)

    def sniff(self, path: Path, head: bytes) -> float:
        """1 for a NIfTI header, less for an Analyze one or a promising name."""
        name = path.name.lower()
        if head.startswith((b"\x1f\x8b", b"BZh")):
            if not name.endswith((".nii.gz", ".hdr.gz", ".img.gz", ".nii.bz2")):
                return 0.0
            return 0.6 if name.endswith(".img.gz") else 1.0 if is_header(_inflate(head)) else 0.5
        if is_header(head):
            sure = head[344:346] in (b"n+", b"ni") or head[4:6] in (b"n+", b"ni") or name.endswith((".hdr", ".nii"))
            return 1.0 if sure else 0.3
        if name.endswith((".img", ".img.gz")):
            return 0.6 if header_of(path) is not None else 0.0
        return 0.5 if name.endswith(".nii") else 0.0

    def header(self, path: Path) -> Header:
        """Parse the header; names of labels and our own notes are in its extensions."""
        header = read_header(path, image_of(path))
        header.segments, header.own_segments = label_names(header)
        facts = own_facts(header)
        header.modality, header.unit = facts.get("modality", ""), facts.get("unit", "")
        return header

    def scan(self, paths: Sequence[Path], *, job: Job) -> ScanResult:
        """Find volumes; a pair of header and image is one."""
        found: dict[Path, Series] = {}
        skipped: list[Skipped] = []
        for path in job.each(paths, "Looking at NIfTI files"):
            head = header_of(path) if path.name.lower().endswith((".img", ".img.gz")) else path
            if head is None:
                skipped.append(Skipped(path, f"{path.name} has no header file (.hdr) beside it"))
            elif head not in found:
                try:
                    found[head] = self.series(head, (head,))
                except READ_ERRORS as error:
                    skipped.append(Skipped(path, f"{path.name} cannot be read: {error}"))
                except (ReadError, GeometryError) as error:
                    skipped.append(Skipped(path, error.message))
        return ScanResult(tuple(found.values()), tuple(skipped))


def _inflate(head: bytes) -> bytes:
    if head.startswith(b"BZh"):
        return b""
    try:
        return zlib.decompressobj(wbits=31).decompress(head, 1024)
    except zlib.error:
        return b""


def _partner(path: Path, suffixes: Sequence[str]) -> Path | None:
    name = path.name.lower()
    stem = path.name[: name.rindex(".hdr" if ".hdr" in name else ".img")]
    for suffix in suffixes:
        for spelling in (stem + suffix, stem + suffix.upper()):
            if (beside := path.with_name(spelling)).is_file():
                return beside
    return None


def header_of(image: Path) -> Path | None:
    """Return the header file of an .img file, if it lies beside it."""
    return _partner(image, (".hdr", ".hdr.gz"))


def image_of(path: Path) -> Path:
    """Return the file with the voxels of a header file (itself for single files).

    Raises
    ------
    ReadError
        If the partner is missing.
    """
    if not path.name.lower().endswith((".hdr", ".hdr.gz")) or head_of(path, 348)[0][344:347] == b"n+1":
        return path
    image = _partner(path, (".img", ".img.gz"))
    if image is None:
        raise ReadError(f"{path.name} has no image file (.img) beside it", path=path)
    return image


def label_names(header: Header) -> tuple[tuple[Segment, ...], bool]:
    """Return the segments that the header extensions name, and whether we wrote them; else Caret's table."""
    texts = [printable(content) for _, content in header.extensions if len(content) <= MAX_NAMES]
    for text in texts:
        if text.lstrip().startswith("{") and (segments := from_json(text)):
            return segments, True
    for text in texts:
        if "<LabelTable" in text and (segments := from_caret(text)):
            return segments, False
    return (), False


def own_facts(header: Header) -> dict[str, str]:
    """Return unit and modality as our writer notes them in a comment extension."""
    for code, content in header.extensions:
        if code == COMMENT and content.startswith(b'{"medviewer_volume"'):
            try:
                facts = json.loads(content)
            except ValueError:
                return {}
            return {k: str(facts[k])[:32] for k in ("unit", "modality") if k in facts}
    return {}


READER = NiftiReader()
WRITER = NiftiWriter()
