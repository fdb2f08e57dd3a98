"""Makes multi-frame DICOM objects frame by frame; the first pixel of a frame names it, as in `series_files`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import EnhancedMRImageStorage, generate_uid

from tests.io.series_files import AXIAL, SPACING, picture, pixels

SERIES = "1.2.3.4"


def item(**values: Any) -> Dataset:
    """Make a sequence item; a value that is an item itself becomes a sequence of one."""
    made = Dataset()
    for key, value in values.items():
        setattr(made, key, Items([value]) if isinstance(value, Dataset) else value)
    return made


def frame(position: Sequence[float] | None, orientation: Sequence[float] = AXIAL, *,
          content: dict[str, Any] | None = None, spacing: Sequence[float] = SPACING, **macros: Dataset) -> Dataset:
    """Make the functional groups of one frame."""
    made = item(PixelMeasuresSequence=item(PixelSpacing=list(spacing), SliceThickness=3.0),
                PlaneOrientationSequence=item(ImageOrientationPatient=[float(v) for v in orientation]),
                FrameContentSequence=item(**(content or {})), **macros)
    if position is not None:
        made.PlanePositionSequence = Items([item(ImagePositionPatient=[float(v) for v in position])])
    return made


def enhanced(frames: Sequence[Dataset], *, first: int = 1, sop_class: str = EnhancedMRImageStorage,
             **tags: Any) -> Dataset:
    """Make an enhanced image; the frames are numbered from `first`."""
    ds = multiframe(len(frames), first=first, sop_class=sop_class, Modality="MR", SeriesInstanceUID=SERIES,
                    PerFrameFunctionalGroupsSequence=Items(frames), SharedFunctionalGroupsSequence=Items([Dataset()]))
    del ds.RescaleSlope, ds.RescaleIntercept
    for key, value in tags.items():
        setattr(ds, key, value)
    return ds


def multiframe(count: int, *, first: int = 1, sop_class: str = "", **tags: Any) -> Dataset:
    """Make an object of several frames without any description of them."""
    ds = picture(1)
    if sop_class:
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = sop_class
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.NumberOfFrames = count
    ds.PixelData = b"".join(pixels(first + n).tobytes() for n in range(count))
    for key, value in tags.items():
        setattr(ds, key, value)
    return ds


def save(ds: Dataset, path: Path) -> None:
    """Write a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)


def first_pixels(stored: np.ndarray) -> Any:
    """Return the numbers of the frames, (T, K) or (K,), after a look at the other pixels."""
    numbers = stored[..., 0, 0]
    expected = numbers[..., None, None].astype(int) + np.asarray(pixels(0), int)
    np.testing.assert_array_equal(stored.astype(int), expected)
    return numbers.tolist()
