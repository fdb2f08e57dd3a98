"""The elements a scan needs, and what their stored bytes say."""

from __future__ import annotations

import math
import struct
from typing import NamedTuple

Raw = tuple[str | None, bytes, bool]  # VR (None if implicit), value, little endian

_FORMATS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FD": "d", "FL": "f"}


class Tag(NamedTuple):
    """Number and usual VR of an element."""

    tag: int
    vr: str


TAGS = {
    "SpecificCharacterSet": Tag(0x00080005, "CS"), "ImageType": Tag(0x00080008, "CS"),
    "SOPClassUID": Tag(0x00080016, "UI"), "SOPInstanceUID": Tag(0x00080018, "UI"),
    "StudyDate": Tag(0x00080020, "DA"), "StudyTime": Tag(0x00080030, "TM"),
    "AcquisitionTime": Tag(0x00080032, "TM"), "ContentTime": Tag(0x00080033, "TM"),
    "AccessionNumber": Tag(0x00080050, "SH"), "Modality": Tag(0x00080060, "CS"),
    "StudyDescription": Tag(0x00081030, "LO"), "SeriesDescription": Tag(0x0008103E, "LO"),
    "PatientName": Tag(0x00100010, "PN"), "PatientID": Tag(0x00100020, "LO"),
    "PatientBirthDate": Tag(0x00100030, "DA"), "PatientSex": Tag(0x00100040, "CS"),
    "SliceThickness": Tag(0x00180050, "DS"), "EchoTime": Tag(0x00180081, "DS"),
    "EchoNumbers": Tag(0x00180086, "IS"), "SpacingBetweenSlices": Tag(0x00180088, "DS"),
    "TriggerTime": Tag(0x00181060, "DS"), "FrameTime": Tag(0x00181063, "DS"), "FrameTimeVector": Tag(0x00181065, "DS"),
    "CardiacNumberOfImages": Tag(0x00181090, "IS"),
    "EstimatedRadiographicMagnificationFactor": Tag(0x00181114, "DS"), "ImagerPixelSpacing": Tag(0x00181164, "DS"),
    "ConvolutionKernel": Tag(0x00181210, "SH"), "NominalScannedPixelSpacing": Tag(0x00182010, "DS"),
    "RecommendedDisplayFrameRate": Tag(0x00082144, "IS"), "CineRate": Tag(0x00180040, "IS"),
    "SequenceOfUltrasoundRegions": Tag(0x00186011, "SQ"),
    "DiffusionBValue": Tag(0x00189087, "FD"), "DiffusionGradientOrientation": Tag(0x00189089, "FD"),
    "StudyInstanceUID": Tag(0x0020000D, "UI"), "SeriesInstanceUID": Tag(0x0020000E, "UI"),
    "SeriesNumber": Tag(0x00200011, "IS"), "AcquisitionNumber": Tag(0x00200012, "IS"),
    "InstanceNumber": Tag(0x00200013, "IS"), "ImagePositionPatient": Tag(0x00200032, "DS"),
    "ImageOrientationPatient": Tag(0x00200037, "DS"), "FrameOfReferenceUID": Tag(0x00200052, "UI"),
    "TemporalPositionIdentifier": Tag(0x00200100, "IS"), "DimensionIndexSequence": Tag(0x00209222, "SQ"),
    "SamplesPerPixel": Tag(0x00280002, "US"), "PhotometricInterpretation": Tag(0x00280004, "CS"),
    "PlanarConfiguration": Tag(0x00280006, "US"), "NumberOfFrames": Tag(0x00280008, "IS"),
    "FrameIncrementPointer": Tag(0x00280009, "AT"),
    "Rows": Tag(0x00280010, "US"), "Columns": Tag(0x00280011, "US"), "PixelSpacing": Tag(0x00280030, "DS"),
    "PixelAspectRatio": Tag(0x00280034, "IS"), "BitsAllocated": Tag(0x00280100, "US"),
    "BitsStored": Tag(0x00280101, "US"), "HighBit": Tag(0x00280102, "US"),
    "PixelRepresentation": Tag(0x00280103, "US"), "PixelPaddingValue": Tag(0x00280120, "US"),
    "PixelPaddingRangeLimit": Tag(0x00280121, "US"), "PixelSpacingCalibrationType": Tag(0x00280A02, "CS"),
    "WindowCenter": Tag(0x00281050, "DS"), "WindowWidth": Tag(0x00281051, "DS"),
    "RescaleIntercept": Tag(0x00281052, "DS"), "RescaleSlope": Tag(0x00281053, "DS"),
    "RescaleType": Tag(0x00281054, "LO"), "WindowCenterWidthExplanation": Tag(0x00281055, "LO"),
    "LossyImageCompression": Tag(0x00282110, "CS"), "LossyImageCompressionRatio": Tag(0x00282112, "DS"),
    "ModalityLUTSequence": Tag(0x00283000, "SQ"), "VOILUTSequence": Tag(0x00283010, "SQ"),
    "RealWorldValueMappingSequence": Tag(0x00409096, "SQ"),
    "DetectorInformationSequence": Tag(0x00540022, "SQ"),
    "EnergyWindowVector": Tag(0x00540010, "US"), "TimeSlotVector": Tag(0x00540070, "US"),
    "SliceVector": Tag(0x00540080, "US"),
    "Units": Tag(0x00541001, "CS"), "SUVType": Tag(0x00541006, "CS"), "FrameReferenceTime": Tag(0x00541300, "DS"),
    "PresentationLUTShape": Tag(0x20500020, "CS"),
    "SharedFunctionalGroupsSequence": Tag(0x52009229, "SQ"), "PerFrameFunctionalGroupsSequence": Tag(0x52009230, "SQ"),
}
KEYWORDS = tuple(TAGS)
NUMBERS = frozenset(entry.tag for entry in TAGS.values())
PIXEL_TAGS = tuple(TAGS[k].tag for k in (
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"))


def text_of(value: bytes) -> str | None:
    """Decode plain ASCII text; None if it needs the file's character set."""
    if not value.isascii() or b"\x1b" in value:
        return None
    parts = value.decode("ascii").split("\\")
    return "\\".join(p.strip(" \0") for p in parts)


def numbers_of(raw: Raw, usual: str) -> tuple[float, ...]:
    """Decode numbers of any VR; () if a value is not one."""
    vr = raw[0] if raw[0] not in (None, "UN", "OW", "OB") else usual
    code = _FORMATS.get(vr or usual)
    if code is not None:
        count = len(raw[1]) // struct.calcsize(code)
        values = tuple(float(v) for v in struct.unpack_from(f"{'<' if raw[2] else '>'}{count}{code}", raw[1]))
    else:
        try:
            text = raw[1].decode("ascii").strip(" \0")
            values = tuple(float(v) for v in text.split("\\")) if text else ()
        except ValueError:
            return ()
    return values if all(math.isfinite(v) for v in values) else ()
