"""DICOM objects that are no images: named and listed, so that nobody wonders where the file went."""

from __future__ import annotations

from medviewer.core.errors import ReadError
from medviewer.core.study import Series
from medviewer.io.dicom import doctor
from medviewer.io.dicom.describe import identity, plain, stable_id
from medviewer.io.dicom.headers import Header

_STORAGE = "1.2.840.10008.5.1.4.1.1."
DIRECTORY = "1.2.840.10008.1.3.10"
NAMES = {
    _STORAGE + "481.4": "a treatment record", _STORAGE + "481.5": "a radiotherapy plan",
    _STORAGE + "481.8": "an ion radiotherapy plan", _STORAGE + "481.3": "a structure set",
    _STORAGE + "11.1": "a presentation state", _STORAGE + "88.59": "a list of key images",
    _STORAGE + "88.67": "a dose report", _STORAGE + "66": "raw data", _STORAGE + "66.1": "a spatial registration",
    _STORAGE + "66.3": "a deformable registration", _STORAGE + "66.2": "a list of fiducials",
    _STORAGE + "66.5": "a surface segmentation", _STORAGE + "104.1": "a PDF document",
    _STORAGE + "104.2": "a text document", _STORAGE + "104.3": "a surface model",
    _STORAGE + "4.2": "MR spectroscopy", _STORAGE + "9.1.1": "an ECG", _STORAGE + "9.1.2": "an ECG",
    _STORAGE + "67": "a real-world value mapping", DIRECTORY: "a DICOMDIR (a list of files)",
}
# prefixes of classes with many members
FAMILIES = ((_STORAGE + "88.", "a structured report"), (_STORAGE + "11.", "a presentation state"),
            (_STORAGE + "9.", "a waveform"), (_STORAGE + "481.", "a radiotherapy object"),
            (_STORAGE + "104.", "an encapsulated document"))
MODALITIES = {"SR": "a structured report", "PR": "a presentation state", "KO": "a list of key images",
              "RTPLAN": "a radiotherapy plan", "REG": "a registration", "DOC": "a document", "ECG": "an ECG"}


def other_series(header: Header, reader: str) -> Series:
    """Describe a DICOM object without pixel data.

    Raises
    ------
    ReadError
        If it does not say what it is.
    """
    uid, modality = header.text("SOPClassUID"), plain(header.text("Modality"))
    what = NAMES.get(uid) or next((name for prefix, name in FAMILIES if uid.startswith(prefix)), "") \
        or MODALITIES.get(modality, "")
    is_image = not what and any(map(header.has, ("Rows", "Columns", "BitsAllocated")))
    if not is_image and not what and not uid and not header.text("SeriesInstanceUID") and not modality:
        raise ReadError(f"{header.path.name} holds no image and does not say what it is", path=header.path)
    what = what or ("an image" if is_image else "a DICOM object without pixels")
    patient, study, reports = identity(header)
    oddity = doctor.no_pixels() if is_image else doctor.no_image(what)
    number = header.number("SeriesNumber")
    description = plain(header.text("SeriesDescription")) or what.split(" ", 1)[-1].capitalize()
    return Series(
        id=stable_id(reader, "other", header.text("SeriesInstanceUID"), header.text("SOPInstanceUID"),
                     header.path.name),
        reader=reader, kind="other", files=(header.path,), modality=modality, description=description,
        number=None if number is None else int(number), series_uid=plain(header.text("SeriesInstanceUID")),
        frame_of_reference_uid=plain(header.text("FrameOfReferenceUID")), patient=patient, study=study,
        transfer_syntax=header.syntax, warnings=(oddity, *header.reports, *reports))
