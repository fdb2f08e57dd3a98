"""Ordinary pictures (JPEG, PNG, TIFF, BMP) as uncalibrated volumes of one slice, or one slice a page.

Pixels are kept as stored: no rotation by EXIF, because annotations count stored pixels.
"""

from __future__ import annotations

import hashlib
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medviewer.core.contours import ContourSet
from medviewer.core.errors import ReadError
from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap
from medviewer.core.study import Report, ScanResult, Series, Skipped
from medviewer.core.volume import Volume
from medviewer.io.base import Loaded, Loading
from medviewer.io.formats._labels import named_as_labels, to_labels
from medviewer.io.formats._stream import check_budget

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 89_478_485  # Pillow's own limit: a quarter of a gigabyte in RGB
MAX_PAGES = 4096
FORMATS = ("JPEG", "PNG", "TIFF", "BMP")
GREY = {"1": np.uint8, "L": np.uint8, "I;16": np.uint16, "I;16B": np.uint16, "I;16L": np.uint16, "I": np.int32,
        "F": np.float32}
EXIF_ORIENTATION = 0x0112
MAGIC = {b"\xff\xd8\xff": 0.9, b"\x89PNG\r\n\x1a\n": 1.0, b"II*\0": 0.8, b"MM\0*": 0.8, b"II+\0": 0.8, b"MM\0+": 0.8}


class PictureReader:
    """Reads pictures with Pillow."""

    id, label, requires = "picture", "Picture", ("PIL",)
    suffixes = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp")

    def sniff(self, path: Path, head: bytes) -> float:
        """Judge by the first bytes; a DICOM file may begin like a TIFF."""
        if head[128:132] == b"DICM":
            return 0.0
        if head.startswith(b"BM") and path.name.lower().endswith(".bmp"):
            return 0.8
        return next((score for magic, score in MAGIC.items() if head.startswith(magic)), 0.0)

    def scan(self, paths: Sequence[Path], *, job: Job) -> ScanResult:
        """Describe each picture; unreadable ones are skipped with the reason."""
        found: list[Series] = []
        skipped: list[Skipped] = []
        for path in job.each(paths, "Looking at pictures"):
            try:
                with _opened(path) as image:
                    found.append(self._series(path, image))
            except ReadError as error:
                skipped.append(Skipped(path, error.message))
        return ScanResult(tuple(found), tuple(skipped))

    def _series(self, path: Path, image: Image) -> Series:
        pages, reports = _pages(image, path)
        colour = image.mode not in GREY
        if image.mode in ("RGBA", "LA", "PA"):
            reports.append(Report("alpha-dropped", "The picture has a transparency channel", "It is not used.", "info"))
        if image.getexif().get(EXIF_ORIENTATION, 1) != 1:
            reports.append(Report("exif-orientation", "The camera noted that the picture is to be turned",
                                  "Shown as stored, because annotations count stored pixels."))
        reports.append(Report("no-spacing", "A picture has no pixel size in the patient", "Lengths are in pixels.",
                              "info"))
        labels = image.mode in ("1", "L", "P", "I;16") and named_as_labels(path)
        return Series(
            id=f"picture-{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}", reader=self.id,
            kind="labels" if labels else "image", files=(path,), description=path.stem,
            geometry=_geometry(pages, image), frames=pages, dtype=str(np.dtype(GREY.get(image.mode, np.uint8))),
            colour=colour, warnings=tuple(reports), plan=pages)

    def open(self, series: Series, *, job: Job) -> Loading:
        """Decode the picture."""
        pages: int = series.plan
        with _opened(series.files[0]) as image:
            geometry = _geometry(pages, image)
            colour = image.mode not in GREY
            check_budget(int(np.prod(geometry.shape)) * (3 if colour else 4), series.files[0])
            stack = [_pixels(image, n, colour) for n in job.each(range(pages), "Reading")]
        return Loaded(Volume(np.stack(stack), geometry, calibrated=False, oriented=False, colour=colour))

    def read_labels(self, series: Series, on: Geometry | None, *, job: Job) -> LabelMap:
        """Read grey values, or the numbers of palette colours, as labels.

        Raises
        ------
        ReadError
            If the picture is in full colour.
        """
        path = series.files[0]
        with _opened(path) as image:
            if image.mode == "P":
                values = np.asarray(image)[None]
            elif image.mode in GREY:
                values = _pixels(image, 0, colour=False)[None]
            else:
                raise ReadError(f"{path.name} is in full colour, so its labels are not known", path=path,
                                hint="Save the mask as a grey or palette picture.")
            geometry = _geometry(1, image)
        return to_labels(values, geometry, (), path, name=series.description)

    def read_contours(self, series: Series, *, job: Job) -> ContourSet:
        """Pictures hold no contours."""
        raise ReadError(f"{series.files[0].name} holds no contours", path=series.files[0])


@contextmanager
def _opened(path: Path) -> Iterator[Image]:
    """Open a picture; whatever a damaged one raises becomes a ReadError."""
    from PIL import Image as Pillow

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata and large pictures
            with Pillow.open(path, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise ReadError(f"{path.name} has {image.width} x {image.height} pixels; "
                                    f"up to {MAX_PIXELS // 1_000_000} million can be opened", path=path)
                yield image
    except Pillow.DecompressionBombError as error:
        raise ReadError(f"{path.name} has more than {MAX_PIXELS // 1_000_000} million pixels", path=path) from error
    except (OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError,
            RuntimeError, MemoryError, struct.error, zlib.error) as error:
        raise ReadError(f"{path.name} is damaged or not a picture ({str(error)[:200]})", path=path) from error


def _pages(image: Image, path: Path) -> tuple[int, list[Report]]:
    """Return how many pages can be stacked: all if they are alike, else the first."""
    count = min(int(getattr(image, "n_frames", 1)), MAX_PAGES) if image.format == "TIFF" else 1
    size, mode = image.size, image.mode
    for n in range(1, count):
        image.seek(n)
        if image.size != size or image.mode != mode:
            image.seek(0)
            return 1, [Report("pages-differ", f"The {count} pages of {path.name} differ in size or type",
                              "Only the first page is shown.")]
    image.seek(0)
    return count, []


def _geometry(pages: int, image: Image) -> Geometry:
    return Geometry.from_spacing((pages, image.height, image.width))


def _pixels(image: Image, page: int, colour: bool) -> NDArray[Any]:
    if page:
        image.seek(page)
    if colour:
        return np.asarray(image.convert("RGB"))
    values = np.asarray(image)
    return values.astype(np.uint8) * np.uint8(255) if image.mode == "1" else values.astype(GREY[image.mode])


READER = PictureReader()
