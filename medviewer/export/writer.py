"""Write files whole or not at all, with the same bytes for the same content."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from medviewer.core.errors import ReadError
from medviewer.core.files import atomic_path
from medviewer.export.verify import verify_npz

ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest a ZIP can hold; the hour of writing is no content
ZIP_UNIX, ZIP_MODE = 3, 0o644 << 16
COMPRESSION_LEVEL = 6
PNG_LEVEL = 3  # half the time of the usual 6, and no larger for grey pictures with few colours
BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Written:
    """A file of an export: its path relative to the export folder, with ``/``."""

    path: str
    sha256: str
    bytes: int


def hash_file(path: Path) -> tuple[str, int]:
    """Return SHA-256 (hex) and size of a file.

    Raises
    ------
    ReadError
        If it cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with open(path, "rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
                size += len(block)
    except OSError as error:
        raise ReadError(f"{path.name} cannot be read: {error.strerror or error}", path=path) from error
    return digest.hexdigest(), size


def write_npz(folder: Path, name: str, arrays: Mapping[str, NDArray[np.generic]]) -> Written:
    """Write arrays as compressed npz, and read the file again before it gets its name.

    Raises
    ------
    WriteError
        If the folder cannot be written or the disk is full.
    VerifyError
        If the file does not hold what it should; it is then not kept.
    """
    with atomic_path(folder / name, keep_suffix=False) as temporary:
        with open(temporary, "wb") as file:
            _pack(file, arrays)
        verify_npz(temporary, arrays)
        return _written(temporary, name)


def _pack(file: IO[bytes], arrays: Mapping[str, NDArray[np.generic]]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION_LEVEL) as archive:
        for key, array in arrays.items():
            entry = zipfile.ZipInfo(f"{key}.npy", ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system, entry.external_attr = ZIP_UNIX, ZIP_MODE
            with archive.open(entry, "w", force_zip64=array.nbytes >= 1 << 31) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)


def write_png(folder: Path, name: str, rgb: NDArray[np.uint8]) -> Written:
    """Write a colour picture (J, I, 3)."""
    from PIL import Image

    with atomic_path(folder / name, keep_suffix=False) as temporary:
        Image.fromarray(rgb).save(temporary, format="PNG", compress_level=PNG_LEVEL)
        return _written(temporary, name)


def write_text(folder: Path, name: str, text: str) -> Written:
    """Write a UTF-8 text file with ``\\n`` line ends on every system."""
    with atomic_path(folder / name, keep_suffix=False) as temporary:
        temporary.write_bytes(text.encode("utf-8", "replace"))
        return _written(temporary, name)


def _written(temporary: Path, name: str) -> Written:
    sha256, size = hash_file(temporary)
    return Written(name, sha256, size)


def npz_arrays(image: NDArray[np.generic], masks: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.generic]]:
    """Put image and masks in the fixed order in which they are written."""
    return {"image": image, **{key: masks[key].astype(bool) for key in sorted(masks)}}
