"""DICOMDIR: the list of files on a medium. Only the references are used; the files speak for themselves.

Records are taken in the order they are stored, not by their offsets, which are often wrong.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from medviewer.core.errors import ReadError
from medviewer.core.study import Skipped
from medviewer.io.dicom import guards
from medviewer.io.dicom.quiet import quietly

DIRECTORY_CLASS = re.compile(rb"1\.2\.840\.10008\.1\.3\.10(?![0-9.])")
# (0004,1500) in explicit little endian, explicit big endian and implicit, with its length
STRAY_ID = re.compile(rb"\x04\x00\x00\x15CS(..)|\x00\x04\x15\x00CS(..)|\x04\x00\x00\x15(.\x00\x00\x00)", re.DOTALL)
MAX_ID = 255
MAX_DAMAGED = 64 << 20  # bytes of a damaged DICOMDIR that are searched
META_WITHIN = 1024  # bytes in which the class of the file is looked for
INACTIVE = 0  # Record In-use Flag: the file was deleted
MISSING, OUTSIDE = "is missing", "leads out of its folder"
MAX_PARTS = 8  # components of a file ID (PS3.10 8.2)


def looks_like_directory(head: bytes) -> bool:
    """Whether this is a DICOMDIR, by its class (the name is free to differ)."""
    return head[128:132] == b"DICM" and DIRECTORY_CLASS.search(head, 132, META_WITHIN) is not None


def referenced(path: Path) -> tuple[list[Path], list[Skipped]]:
    """List the files a DICOMDIR refers to, and what was left out.

    References stay inside the folder of the DICOMDIR; names match in any case.
    """
    try:
        with quietly():
            records = guards.read_header(path).get("DirectoryRecordSequence")
            ids = [_file_id(record) for record in records] if records else _stray_ids(path)
    except (ReadError, *guards.BAD_VALUE) as error:
        return [], [Skipped(path, f"{path.name} cannot be read as a DICOMDIR: {error}")]
    files: dict[Path, None] = {}
    skipped: dict[str, Skipped] = {}
    listing: dict[Path, dict[str, str]] = {}
    for parts in ids:
        if not parts:
            continue
        shown = "/".join(parts)
        found, reason = _resolve(path.parent, parts, listing)
        if found is not None:
            files[found] = None
        else:
            place = path.parent.joinpath(*parts) if reason == MISSING else path
            skipped.setdefault(shown, Skipped(place, f"{shown[:200]}, listed in a DICOMDIR, {reason}."))
    if not files and not skipped:
        return [], [Skipped(path, f"{path.name} is a DICOMDIR that lists no files.")]
    return list(files), list(skipped.values())


def _file_id(record: Any) -> list[str]:
    if guards.value(record, "RecordInUseFlag", 0xFFFF) == INACTIVE:
        return []
    found = guards.value(record, "ReferencedFileID")
    if found is None:
        return []
    parts = [found] if isinstance(found, str) else list(found)
    return _parts("\\".join(map(str, parts)))


def _parts(text: str) -> list[str]:
    return [p.strip(" \0") for p in text.replace("\\", "/").split("/") if p.strip(" \0")]


def _stray_ids(path: Path) -> list[list[str]]:
    """Collect the file IDs of a DICOMDIR whose records do not follow each other as they should."""
    with open(path, "rb") as file:
        data = file.read(MAX_DAMAGED)
    found = []
    for match in STRAY_ID.finditer(data):
        little, big, implicit = match.groups()
        length = int.from_bytes(little or implicit or big, "big" if big else "little")
        value = data[match.end():match.end() + length]
        if 0 < length <= MAX_ID and value.isascii():
            found.append(_parts(value.decode("ascii")))
    return found


def _resolve(root: Path, parts: list[str], listing: dict[Path, dict[str, str]]) -> tuple[Path | None, str]:
    """Find the file below `root`, in any case; else the reason why not."""
    if ".." in parts or len(parts) > 4 * MAX_PARTS or any(":" in p or "\0" in p for p in parts):
        return None, OUTSIDE
    place = root
    for part in parts:
        names = _names(place, listing)
        name = part if part in names.values() else names.get(part.lower()) or names.get(part.lower() + ".")
        if name is None:
            return None, MISSING
        place = place / name
    if not place.resolve().is_relative_to(root.resolve()):
        return None, OUTSIDE
    return (place, "") if place.is_file() else (None, MISSING)


def _names(folder: Path, listing: dict[Path, dict[str, str]]) -> dict[str, str]:
    if folder not in listing:
        try:
            listing[folder] = {name.lower(): name for name in sorted(os.listdir(folder))}
        except OSError:
            listing[folder] = {}
    return listing[folder]
