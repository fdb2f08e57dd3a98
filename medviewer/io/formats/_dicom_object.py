"""What DICOM objects without image stacks (structure sets, segmentations, doses) share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medviewer.core.study import Kind, Patient, Report, Series, Study

if TYPE_CHECKING:
    from pydicom import Dataset

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


def value(dataset: Dataset, name: str, default: Any = None) -> Any:
    """Return the value of an element; `default` where it is missing, empty or cannot be understood."""
    from medviewer.io.dicom import guards

    return guards.value(dataset, name, default)


def reports_of(header: Dataset) -> tuple[Report, ...]:
    """Oddities met while reading a header."""
    from medviewer.io.dicom import guards

    return guards.reports_of(header)


def text(dataset: Dataset, name: str) -> str:
    """Return an element as plain text; empty if it is missing."""
    from medviewer.io.dicom.describe import plain

    return plain(str(value(dataset, name, "")))


def items(dataset: Dataset, name: str) -> list[Dataset]:
    """Return the items of a sequence; none if it is missing or not a sequence."""
    from pydicom.sequence import Sequence

    found = value(dataset, name)
    return list(found) if isinstance(found, Sequence) else []


def item(dataset: Dataset, name: str) -> Dataset:
    """Return the first item of a sequence, or an empty data set."""
    from pydicom import Dataset as Empty

    found = items(dataset, name)
    return found[0] if found else Empty()


def integer(dataset: Dataset, name: str, default: int | None = None) -> int | None:
    """Return an element as an integer; `default` if it is missing or not one."""
    try:
        return int(value(dataset, name))
    except (TypeError, ValueError, OverflowError):
        return default


def floats(dataset: Dataset, name: str, count: int) -> tuple[float, ...] | None:
    """Return an element of `count` finite numbers; None if it is anything else."""
    found = value(dataset, name)
    try:
        values = tuple(float(v) for v in (found if count > 1 else [found]))
    except (TypeError, ValueError, OverflowError):
        return None
    return values if len(values) == count and all(abs(v) < 1e12 for v in values) else None


def is_uid(uid: str) -> bool:
    """Whether text is a UID as the standard wants it (leading zeros, which some archives write, are let pass)."""
    return len(uid) <= 64 and _UID.fullmatch(uid) is not None


def series_of(path: Path, header: Dataset, reader: str, kind: Kind, **more: Any) -> Series:
    """Make the `Series` of one DICOM object from its header."""
    from medviewer.io.dicom.describe import stable_id

    series_uid, uid = text(header, "SeriesInstanceUID"), text(header, "SOPInstanceUID")
    known: dict[str, Any] = {
        "modality": text(header, "Modality"), "number": integer(header, "SeriesNumber"),
        "description": text(header, "SeriesDescription"), "series_uid": series_uid,
        "frame_of_reference_uid": text(header, "FrameOfReferenceUID"), "transfer_syntax": syntax_of(header),
        "patient": Patient(text(header, "PatientID"), text(header, "PatientName"), text(header, "PatientBirthDate"),
                           text(header, "PatientSex")),
        "study": Study(text(header, "StudyInstanceUID"), text(header, "StudyDate"), text(header, "StudyTime"),
                       text(header, "StudyDescription"), text(header, "AccessionNumber")),
    }
    known |= more
    known["warnings"] = (*reports_of(header), *known.get("warnings", ()))
    return Series(id=stable_id(reader, series_uid, uid or path.name), reader=reader, kind=kind, files=(path,), **known)


def syntax_of(header: Dataset) -> str:
    """Transfer syntax the data are in."""
    from pydicom import Dataset as Empty

    return str(getattr(header, "syntax", "")) or text(getattr(header, "file_meta", Empty()), "TransferSyntaxUID")
