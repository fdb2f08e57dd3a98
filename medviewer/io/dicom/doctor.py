"""The data doctor: every oddity of a DICOM series in plain words, with what medviewer did about it.

Codes are stable: programs and tests look at them. Texts may change.
"""

from __future__ import annotations

from collections.abc import Sequence

from medviewer.core.study import Report


def _mm(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") + " mm"


def _few(items: Sequence[str], count: int = 5) -> str:
    return ", ".join(items[:count]) + (f" and {len(items) - count} more" if len(items) > count else "")


def orientations_differ(cosine: float) -> Report:
    """Direction cosines differ a little between slices."""
    return Report("odd-orientation", f"The slices are turned a little against each other (direction cosines differ by "
                  f"up to {cosine:.4f}).", "Their mean orientation is used for all.", "info")


def odd_orientation(lengths: tuple[float, float], cosine: float) -> Report:
    """Direction cosines are not unit vectors at right angles."""
    return Report("odd-orientation", f"The direction vectors are not of unit length and at right angles "
                  f"(lengths {lengths[0]:.3f} and {lengths[1]:.3f}, cosine {cosine:.4f}).",
                  "They were normalised; the row direction was kept.")


def uneven(gaps_mm: Sequence[float]) -> Report:
    """Gaps between slices differ."""
    return Report("uneven-slices", f"The slices are {_mm(min(gaps_mm))} to {_mm(max(gaps_mm))} apart.",
                  "Every slice is shown where it was acquired.")


def missing(count: int, places_mm: Sequence[float], step_mm: float) -> Report:
    """Slices are missing from an even series."""
    where = _few([_mm(p) for p in places_mm])
    return Report("missing-slices", f"{count} slice{'s' if count > 1 else ''} of the {_mm(step_mm)} grid "
                  f"{'are' if count > 1 else 'is'} missing (after {where} from the first slice).",
                  "The other slices stay where they were acquired; the gaps are interpolated in other planes.")


def jitter(deviation_mm: float) -> Report:
    """Positions deviate a little from an even grid."""
    return Report("slice-jitter", f"Slice positions deviate by up to {deviation_mm:.3f} mm from an even grid.",
                  "They are treated as evenly spaced.", "info")


def tilt(angle_deg: float, step_mm: float) -> Report:
    """Slices are shifted sideways from one to the next."""
    return Report("gantry-tilt", f"The slices are stacked at {angle_deg:.1f} degrees to their normal (gantry tilt).",
                  f"The grid is sheared so that every voxel is in its true place; the step along the normal is "
                  f"{_mm(step_mm)}.")


def thickness(thickness_mm: float, step_mm: float) -> Report:
    """Slice thickness is not the distance of slices."""
    how = "overlap" if thickness_mm > step_mm else "have gaps between them"
    return Report("thickness-differs", f"Slices are {_mm(thickness_mm)} thick and {_mm(step_mm)} apart: they {how}.",
                  "Only the positions are used for the geometry.", "info")


def one_slice(step_mm: float, known: bool) -> Report:
    """A single slice has no step."""
    source = "is its slice thickness" if known else "is made up (1 mm)"
    return Report("one-slice", f"There is only one slice; its extent along the normal ({_mm(step_mm)}) {source}.",
                  "Volumes measured on it depend on that extent.", "info")


def duplicates(count: int, places_mm: Sequence[float]) -> Report:
    """Several frames at one position without a meaning."""
    where = _few([_mm(p) for p in places_mm])
    return Report("duplicate-slices", f"{count} picture{'s' if count > 1 else ''} repeat a position that another one "
                  f"has (at {where} from the first slice), and nothing says that they differ in time.",
                  "One picture of each position is shown.")


def copies(count: int) -> Report:
    """Files with the same instance UID."""
    return Report("duplicate-files", f"{count} file{'s are copies' if count > 1 else ' is a copy'} of another one "
                  "(same instance UID).", "One of each is used.", "info")


def split(count: int, reason: str) -> Report:
    """A series was split."""
    return Report("split-series", f"The series holds {reason}.", f"It is shown as {count} separate series.")


def time_points(count: int, by: str) -> Report:
    """Several frames at each position."""
    return Report("time-points", f"Every position holds up to {count} pictures that differ in {by}.",
                  f"They are shown as {count} time points.", "info")


def incomplete(missing_cells: int, cells: int) -> Report:
    """Time points without some slices."""
    return Report("missing-cells", f"{missing_cells} of {cells} slices (positions x time points) are not in the files.",
                  "They are shown empty and never exported as data.")


def shared_series_uid(several: str, kept_apart: bool) -> Report:
    """A series UID that is not one of a kind; `several` patients or studies have it."""
    if kept_apart:
        return Report("shared-series-uid", f"Several {several} use the same series UID.",
                      "They are shown as separate series.")
    return Report("study-uid-differs", "Every file of the series has a study UID of its own.",
                  "They are shown as one series of one study.")


def mosaic() -> Report:
    """Several slices in one picture."""
    return Report("mosaic", "Each picture is a mosaic of several slices (Siemens); its position is that of none.",
                  "It is shown as stored; convert it to single slices before measuring or comparing.")


def cine(count: int) -> Report:
    """Frames without position."""
    return Report("no-position", f"The {count} pictures carry no position in the patient.",
                  "They are shown one after the other as time points.", "info")


def no_position() -> Report:
    """A single picture without position."""
    return Report("no-position", "The picture carries no position in the patient.",
                  "It is shown by itself and cannot be combined with other series.", "info")


def no_spacing(region: tuple[float, float] | None) -> Report:
    """No pixel size of the whole picture; `region` is that of an ultrasound region."""
    known = f" Inside the ultrasound region it is {_mm(region[0])} x {_mm(region[1])}." if region else ""
    return Report("no-pixel-spacing", f"The file does not say how large a pixel is.{known}",
                  "Lengths are given in pixels.")


def detector_spacing(magnification: bool) -> Report:
    """Pixel size at the detector."""
    how = "corrected by the stated magnification" if magnification else "larger than in the patient"
    return Report("detector-spacing", f"Pixel size is that of the detector (a projection image); lengths are {how}.",
                  "Measure with care.", "info" if magnification else "warning")


def aspect_only(rows: float, columns: float) -> Report:
    """Only the shape of pixels is known."""
    return Report("pixel-aspect", f"Pixels are not square (height : width = {rows:g} : {columns:g}), but their size "
                  "is not given.", "The picture is drawn in its true shape; lengths are in pixels of the short side.")


def not_square(row_mm: float, column_mm: float) -> Report:
    """Pixels are not square."""
    return Report("non-square-pixels", f"Pixels are not square: rows are {_mm(row_mm)} apart, columns "
                  f"{_mm(column_mm)}.", "The picture is drawn in its true shape.", "info")


def padding_sign(stored: int, meant: int) -> Report:
    """Padding value is written with the wrong sign."""
    return Report("padding-sign", f"The padding value is written as {stored}, which does not fit the signed pixels.",
                  f"It was read as {meant}.", "info")


def padding_unfit(stored: float) -> Report:
    """Padding value cannot occur."""
    return Report("padding-unfit", f"The padding value {stored:g} cannot occur in these pixels.", "It is ignored.",
                  "info")


def slope_zero(count: int, frames: int) -> Report:
    """Rescale slope of zero."""
    where = "" if count == frames else f" of {count} of {frames} pictures"
    return Report("rescale-slope", f"The rescale slope{where} is zero, which would make all values equal.",
                  "Stored values are shown without rescale there.")


def no_rescale() -> Report:
    """A CT that does not say how stored values become HU."""
    return Report("no-rescale", "The CT does not say how stored values become Hounsfield units (no slope).",
                  "Stored values are taken as Hounsfield units; compare air (-1000) and water (0) before measuring.")


def modality_lut(usable: bool) -> Report:
    """Values pass through a table."""
    problem = "Stored values become real values by a table (modality LUT)"
    if usable:
        return Report("modality-lut", f"{problem}, not by a straight line.", "The table was applied.", "info")
    return Report("modality-lut", f"{problem}, which is damaged.", "Stored values are shown without it.")


def mixed_rescale(low: float, high: float) -> Report:
    """Slope differs from slice to slice."""
    return Report("rescale-per-slice", f"The rescale slope differs between slices ({low:g} to {high:g}).",
                  "Each slice is rescaled with its own.", "info")


def mixed_types(names: Sequence[str]) -> Report:
    """Stored types differ."""
    return Report("mixed-types", f"Slices are stored as different number types ({_few(list(names))}).",
                  "A type that holds all of them is used.", "info")


def truncated(names: Sequence[str], have: int, want: int) -> Report:
    """Pixel data ends too early."""
    return Report("truncated", f"{_few(list(names))}: only {have:,} of {want:,} bytes of pixel data are there.",
                  "What is missing is shown empty; do not use it as data.", "error")


def unreadable(count: int, reasons: Sequence[str]) -> Report:
    """Slices that cannot be decoded."""
    slices = f"{count} slices" if count > 1 else "1 slice"
    return Report("unreadable-slices", f"{slices} cannot be read: {_few(list(reasons), 2)}", "They are left empty.",
                  "error")


def empty_uids() -> Report:
    """Blank UIDs."""
    return Report("no-series-uid", "The series UID is blank.", "The files of one folder with the same patient, study "
                  "and series fields were taken as one series.")


def no_image(what: str) -> Report:
    """An object without pixels."""
    return Report("not-an-image", f"This is {what}, not an image.", "There is nothing to show.", "info")


def no_pixels() -> Report:
    """An image without pixels."""
    return Report("no-pixel-data", "This is an image whose pixel data are missing.", "There is nothing to show.",
                  "error")


def frames_short(have: int, want: int) -> Report:
    """Per-frame descriptions are missing."""
    return Report("frame-groups-missing", f"Only {have} of {want} frames are described in the file.",
                  "Frames without a description are left out.")


def varying_windows() -> Report:
    """Windows differ from slice to slice."""
    return Report("windows-vary", "The stored window differs between slices.", "That of the middle slice is used.",
                  "info")


def bad_dates(names: Sequence[str]) -> Report:
    """Dates are not dates."""
    return Report("invalid-date", f"Not a valid date: {_few(list(names))}.", "It is shown as written.", "info")


def lossy(ratio: float) -> Report:
    """Lossy compression."""
    by = f" by a factor of {ratio:g}" if ratio > 1 else ""
    return Report("lossy", f"The pixels were compressed with loss{by}.", "Values differ a little from the original.",
                  "info")
