"""Writing DICOM Segmentations that refer to the images they were drawn on.

Frames get their position, orientation and spacing from the grid of the labels, never from the headers of the
images, whose slice spacing is often wrong. Empty frames are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from medviewer.core.errors import WriteError
from medviewer.core.files import atomic_path
from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.labels import Code, LabelMap, Segment
from medviewer.io.formats._dicom_source import copy_context, source_images

if TYPE_CHECKING:
    from pydicom import Dataset

SegType = Literal["BINARY", "LABELMAP"]
TISSUE = Code("85756007", "SCT", "Tissue")  # what a segment is as long as nobody says more
SQUARE_ATOL = 1e-4  # cosine between rows and columns above which frames cannot be written


def write_seg(labels: LabelMap, path: Path | str, *, source_files: Sequence[Path],
              segmentation_type: SegType = "BINARY", algorithm: str = "", version: str = "",
              job: Job | None = None) -> None:
    """Write a label map as a DICOM Segmentation, whole or not at all.

    Parameters
    ----------
    labels : LabelMap
    source_files : sequence of Path
        The DICOM images the labels belong to; patient, study and references are taken from them.
    segmentation_type : {"BINARY", "LABELMAP"}
        LABELMAP keeps the label values, but cannot hold overlapping segments.
    algorithm, version : str
        Program that made the segments, for those that do not name one; empty for segments drawn by hand.

    Raises
    ------
    WriteError
        If the labels cannot be written as wanted, or the images cannot be referred to.
    """
    path, job = Path(path), job or Job()
    if not labels.segments:
        raise WriteError("there are no segments to write", path=path)
    if segmentation_type == "LABELMAP" and len(labels.layers) > 1:
        raise WriteError("overlapping segments do not fit into one label map", path=path,
                         hint="Write a BINARY segmentation instead.")
    source = source_images(source_files)
    job.report(0.1, "Writing segmentation")
    numbers = _numbers(labels, segmentation_type)
    slices = _used(labels)
    pixels = _pixels(labels, numbers, slices)
    job.report(0.3, "Writing segmentation")
    try:
        dataset = _segmentation(labels, pixels, slices, numbers, _complete(source.headers), segmentation_type,
                                algorithm, version)
    except (ValueError, AttributeError, KeyError, TypeError, IndexError) as error:
        raise WriteError(f"the segmentation does not fit the source images ({error})", path=path) from error
    job.report(0.8, "Writing segmentation")
    with atomic_path(path) as temporary:
        dataset.save_as(temporary, enforce_file_format=True)


def _numbers(labels: LabelMap, kind: SegType) -> list[int]:
    """Segment numbers: the label values in a label map, else 1, 2, ... as the standard wants."""
    values = [s.value for s in labels.segments]
    if kind == "LABELMAP" and len(set(values)) == len(values):
        return values
    return list(range(1, len(values) + 1))


def _used(labels: LabelMap) -> NDArray[np.intp]:
    used = np.zeros(labels.geometry.shape[0], bool)
    for layer in labels.layers:
        used |= layer.any(axis=(1, 2))
    return np.flatnonzero(used) if used.any() else np.zeros(1, np.intp)


def _pixels(labels: LabelMap, numbers: list[int], slices: NDArray[np.intp]) -> NDArray[np.unsignedinteger]:
    """Frames of all used slices: numbers (K, J, I), or one plane per segment (K, J, I, S) where segments overlap."""
    if len(labels.layers) == 1:
        layer = labels.layers[0]
        table = np.zeros(int(np.iinfo(layer.dtype).max) + 1 if layer.dtype.itemsize <= 2 else int(layer.max()) + 1,
                         np.uint8 if max(numbers) <= 255 else np.uint16)
        for segment, number in zip(labels.segments, numbers, strict=True):
            if segment.value < len(table):
                table[segment.value] = number
        return table[layer[slices]]
    out = np.zeros((len(slices), *labels.geometry.shape[1:], len(numbers)), np.uint8)
    for n, segment in enumerate(labels.segments):
        out[..., n] = labels.layers[segment.layer][slices] == segment.value
    return out


def _complete(headers: Sequence[Dataset]) -> list[Dataset]:
    """Give the images the elements that an object made from them must repeat, empty where they are missing."""
    for header in headers:
        header.decode()
        header.SpecificCharacterSet = "ISO_IR 192"  # texts of ours may need it
        copy_context(header, header)
    return list(headers)


def _segmentation(labels: LabelMap, pixels: NDArray[np.unsignedinteger], slices: NDArray[np.intp],
                  numbers: list[int], images: list[Dataset], kind: SegType, algorithm: str,
                  version: str) -> Any:
    import highdicom as hd
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    from medviewer import __version__

    positions, orientation, measures = _planes(labels.geometry, slices)
    dataset = hd.seg.Segmentation(
        source_images=images, pixel_array=pixels, segmentation_type=kind,
        segment_descriptions=[_description(s, n, algorithm, version)
                              for s, n in zip(labels.segments, numbers, strict=True)],
        series_instance_uid=generate_uid(None), series_number=100, sop_instance_uid=generate_uid(None),
        instance_number=1, manufacturer="medviewer", manufacturer_model_name="medviewer",
        software_versions=__version__, device_serial_number="0",
        content_description="Research use only, not for diagnosis", series_description=_short(labels.name)
        or "Segmentation", transfer_syntax_uid=ExplicitVRLittleEndian, pixel_measures=measures,
        plane_orientation=orientation, plane_positions=positions, omit_empty_frames=True)
    # highdicom prefers the spacing in the images' headers when the pixels agree, right or wrong
    dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence = measures
    return dataset


def _planes(geometry: Geometry, slices: NDArray[np.intp]) -> tuple[list[Any], Any, Any]:
    import highdicom as hd

    axes = geometry.directions
    if abs(float(axes[:, 1] @ axes[:, 2])) > SQUARE_ATOL:
        raise WriteError("rows and columns of the labels are not at right angles",
                         hint="Resample the labels on a regular grid first.")
    corners = geometry.to_lps(np.column_stack([slices, np.zeros((len(slices), 2))]))
    positions = [hd.PlanePositionSequence(coordinate_system=hd.CoordinateSystemNames.PATIENT,
                                          image_position=tuple(p)) for p in corners.tolist()]
    orientation = hd.PlaneOrientationSequence(coordinate_system=hd.CoordinateSystemNames.PATIENT,
                                              image_orientation=(*axes[:, 2].tolist(), *axes[:, 1].tolist()))
    # distance between planes, which in a sheared grid is less than the way from voxel to voxel
    step = geometry.spacing_mm[0] * abs(float(axes[:, 0] @ geometry.slice_normal))
    measures = hd.PixelMeasuresSequence(pixel_spacing=geometry.spacing_mm[1:], slice_thickness=step,
                                        spacing_between_slices=step if geometry.is_even else None)
    return positions, orientation, measures


def _description(segment: Segment, number: int, algorithm: str, version: str) -> Any:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    name = segment.algorithm or algorithm
    by_hand = hd.seg.SegmentAlgorithmTypeValues.MANUAL
    made_by = hd.AlgorithmIdentificationSequence(
        name=_short(name), family=codes.DCM.ArtificialIntelligence, version=_short(version) or "unknown"
    ) if name else None
    return hd.seg.SegmentDescription(
        segment_number=number, segment_label=_short(segment.name) or f"Segment {number}",
        segmented_property_category=_code(segment.category), segmented_property_type=_code(segment.type),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC if name else by_hand,
        algorithm_identification=made_by, tracking_uid=segment.tracking_uid or None,
        tracking_id=f"{_short(segment.name, 48)} {number}" if segment.tracking_uid else None,
        display_color=hd.color.CIELabColor.from_rgb(*segment.colour))


def _code(code: Code | None) -> Any:
    import highdicom as hd

    used = code or TISSUE
    return hd.sr.CodedConcept(used.value, used.scheme, _short(used.meaning) or used.value)


def _short(text: str, length: int = 64) -> str:
    return "".join("/" if c == "\\" else c for c in text if c.isprintable())[:length].strip()
