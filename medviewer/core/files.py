"""Writing whole or not at all, and names that stay inside their folder.

A file is written under a temporary name in its own folder, flushed to the disk and renamed, so after a
crash there is the old file or the new one and never half of it (write, fsync, rename, fsync of the folder).
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from medviewer.core.errors import WriteError

_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$", re.IGNORECASE)
_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
MAX_NAME = 120  # bytes; leaves room for suffixes below the 255 of common file systems


def fsync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, where the system allows it."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def atomic_path(path: str | Path, *, keep_suffix: bool = True) -> Iterator[Path]:
    """Give a temporary path that becomes `path` when the block ends without an error.

    For libraries that want a file name; the temporary name keeps all suffixes of `path`. Without them
    (`keep_suffix` False), what a killed process leaves behind is never taken for a file of that kind.

    Raises
    ------
    WriteError
        If the folder cannot be written, or the disk is full.
    """
    path = Path(path)
    suffix = "".join(path.suffixes[-2:]) if keep_suffix else ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".part-", suffix=suffix, dir=path.parent)
        os.close(handle)
        os.chmod(name, 0o666 & ~_umask())
    except OSError as error:
        raise WriteError(f"{path.name} cannot be written: {error.strerror}", path=path) from error
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        fsync_folder(path.parent)
    except OSError as error:
        raise WriteError(f"{path.name} cannot be written: {error.strerror or error}", path=path) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_write(path: str | Path, mode: str = "wb", **options: Any) -> Iterator[IO[Any]]:
    """Open a file for writing that appears under its name only when complete (see `atomic_path`)."""
    with atomic_path(path) as temporary, open(temporary, mode, **options) as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def safe_name(text: str, fallback: str = "unnamed") -> str:
    """Make one file name, valid on every system, of any text (an id, a series description)."""
    name = _UNSAFE.sub("_", text).strip(" .")
    while len(name.encode()) > MAX_NAME:
        name = name[:-1]
    name = name.strip(" .")
    if not name or _RESERVED.match(name):
        name = f"{fallback}_{name}" if name else fallback
    return name


def safe_join(root: str | Path, *parts: str) -> Path:
    """Join parts from a file to a folder, refusing whatever leads out of it (`..`, links, drive letters).

    Raises
    ------
    WriteError
        If the result lies outside `root`.
    """
    base = Path(root).resolve()
    text = "/".join(p.replace("\\", "/") for p in parts)
    target = (base / text).resolve()
    if not target.is_relative_to(base) or re.match(r"^[A-Za-z]:", text) or "\x00" in text:
        raise WriteError(f"the name {text!r} leads outside its folder", path=base)
    return target
