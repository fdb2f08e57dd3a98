"""Sunnybrook contour text files: one outline of one image, a line "x y" per point in image pixels.

``IM-0001-0048-icontour-manual.txt`` is the inner (i) or outer (o) contour of image 48. ``link.csv`` says which
folder of images (patient_id) the contours of a folder (original_id) belong to.
"""

from __future__ import annotations

import csv
import io
import math
import re
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medviewer.core.errors import ReadError
from medviewer.core.files import atomic_write

MAX_BYTES = 16_000_000  # real files have a few kB
_NAME = re.compile(r"IM-\d+-(\d+)-([io])contour-manual\.txt", re.IGNORECASE)


def parse_name(path: Path | str) -> tuple[int, str] | None:
    """Return (image number, "i" or "o") of a contour file's name; None if it is not such a name."""
    found = _NAME.fullmatch(Path(path).name)
    return (int(found[1]), found[2].lower()) if found else None


def read_contour_text(path: Path | str) -> NDArray[np.float64]:
    """Read one outline.

    Returns
    -------
    ndarray of float64, shape (N, 2)
        x (column) and y (row) in image pixels, as written.

    Raises
    ------
    ReadError
        If the file cannot be opened or a line is not two numbers (the message names the line).
    """
    path = Path(path)
    points = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip():
            continue  # a blank last line is common
        try:
            x, y = (float(part) for part in line.split())
        except ValueError:
            raise ReadError(f"{path.name}, line {number}: {line.strip()[:60]!r} is not two numbers",
                            path=path) from None
        if not (math.isfinite(x) and math.isfinite(y)):
            raise ReadError(f"{path.name}, line {number}: a position must be a number", path=path)
        points.append((x, y))
    if not points:
        raise ReadError(f"{path.name} holds no points", path=path)
    return np.array(points)


def write_contour_text(points_xy: ArrayLike, path: Path | str) -> None:
    """Write one outline with two decimals, as the original files are written."""
    with atomic_write(path, "w", encoding="ascii", newline="\n") as file:
        file.writelines(f"{x:.2f} {y:.2f}\n" for x, y in np.asarray(points_xy, float).reshape(-1, 2).tolist())


def read_links(path: Path | str) -> list[tuple[str, str]]:
    """Read ``link.csv``: (patient_id, original_id) of each row, in the order of the file.

    Raises
    ------
    ReadError
        If the file has no such columns, or a row lacks one of the two values.
    """
    path = Path(path)
    rows = csv.DictReader(io.StringIO(_text(path)))
    names = {(name or "").strip().lower(): name for name in rows.fieldnames or ()}
    if not {"patient_id", "original_id"} <= set(names):
        raise ReadError(f"{path.name} has no columns patient_id and original_id", path=path)
    links = []
    for row in rows:
        patient, original = (str(row[names[key]] or "").strip() for key in ("patient_id", "original_id"))
        if not patient and not original:
            continue
        if not patient or not original:
            raise ReadError(f"{path.name}, line {rows.line_num}: patient_id or original_id is missing", path=path)
        links.append((patient, original))
    return links


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ReadError(f"{path.name} is too large for a contour or link file", path=path)
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ReadError(f"{path.name} cannot be read: {error.strerror or error}", path=path) from error
    except UnicodeDecodeError as error:
        raise ReadError(f"{path.name} is not a text file", path=path) from error
