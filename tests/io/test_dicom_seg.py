"""DICOM segmentations: counts and masks of data/README.md, odd files, and what other programs see in ours."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from dicom_objects import ct_series, dump, referee

from medviewer.core.errors import ReadError, WriteError
from medviewer.core.geometry import Geometry
from medviewer.core.labels import Code, LabelMap, Segment
from medviewer.io.access import read, read_labels, scan
from medviewer.io.formats.dicom_seg import read_segmentation, write_seg

LIVER = ((221, 130, 101), [107098])
OVERLAPS = {"GREEN": 9602, "ORANGE": 11888, "PURPLE": 10743, "LIGHT_BLUE": 6693, "DARK_BLUE": 4713}


def counts(labels: LabelMap) -> list[int]:
    return [int(labels.mask(s).sum()) for s in labels.segments]


def nrrd_mask(path) -> np.ndarray:
    import nrrd
    return nrrd.read(str(path))[0].transpose(2, 1, 0)


@pytest.mark.parametrize(("path", "shape", "expected"), [
    ("liver.dcm", (3, 512, 512), [107098]), ("23x38x3/seg/label.seg", (3, 38, 23), [322]),
    ("24x38x3/seg/label.seg", (3, 38, 24), [315]), ("sparse-labelmap-noppv.dcm", (3, 38, 24), [630]),
    ("sparse-labelmap-ppv5.dcm", (3, 38, 24), [630]), ("pydicom-data/liver_rle.dcm", (3, 512, 512), [107098]),
    ("pydicom-data/liver_j2k.dcm", (3, 512, 512), [107098]),
    ("pydicom-data/liver_deflate.dcm", (3, 512, 512), [107098]),
    ("pydicom-data/liver_nonbyte_aligned.dcm", (3, 510, 510), [107098]),
    ("highdicom/seg_image_ct_binary.dcm", (3, 16, 16), [638]),
    ("highdicom/seg_image_ct_binary_fractional.dcm", (3, 16, 16), [638]),
    ("highdicom/seg_image_ct_true_fractional.dcm", (3, 16, 16), [638]),
])
def test_counts(shared, path, shape, expected):
    (series,) = scan(shared / "dicom-seg" / path)
    assert (series.kind, series.shape) == ("seg", shape)
    labels = read_labels(series)
    assert labels.geometry.shape == shape
    assert counts(labels) == expected
    assert labels.refers_to == series.refers_to != ""
    if "highdicom" not in path:
        (segment,) = labels.segments
        assert (segment.name, segment.colour, segment.value) == ("Liver", (221, 130, 101), 1)
        assert segment.type.meaning == "Liver"
        assert segment.algorithm == "SlicerEditor"


@pytest.mark.parametrize(("path", "nrrd"), [
    ("liver.dcm", "nrrd/liver_seg.nrrd"), ("pydicom-data/liver_rle.dcm", "nrrd/liver_seg.nrrd"),
    ("23x38x3/seg/label.seg", "23x38x3/nrrd/label.nrrd"), ("24x38x3/seg/label.seg", "24x38x3/nrrd/label.nrrd"),
    ("sparse-labelmap-ppv5.dcm", "nrrd/sparse_labelmap_ppv5_seg.nrrd")])
def test_masks_equal_the_reference(shared, path, nrrd):
    pytest.importorskip("nrrd")
    labels = read_labels(shared / "dicom-seg" / path)
    # 1 is the liver; the sparse reference is filled up with the padding value
    np.testing.assert_array_equal(labels.array == 1, nrrd_mask(shared / "dicom-seg" / nrrd) == 1)


def test_overlapping_segments_lie_on_the_image_in_layers(shared):
    volume = read(shared / "dicom-seg/ct-3slice")
    labels = read_labels(shared / "dicom-seg/partial_overlaps.dcm", on=volume)
    assert labels.geometry is volume.geometry
    assert dict(zip([s.name for s in labels.segments], counts(labels), strict=True)) == OVERLAPS
    assert labels.refers_to == volume.series_uid
    assert len(labels.layers) == 3
    # the three reference files hold the parts that do not overlap
    union = np.zeros(volume.geometry.shape, bool)
    for n in (1, 2, 3):
        union |= nrrd_mask(shared / f"dicom-seg/nrrd/partial_overlaps-{n}.nrrd") != 0
    np.testing.assert_array_equal(np.logical_or.reduce([labels.mask(s) for s in labels.segments]), union)


@pytest.mark.parametrize(("name", "top"), [("binary_fractional", 255), ("true_fractional", 128)])
def test_fractions_are_kept(shared, name, top):
    labels = read_labels(shared / f"dicom-seg/highdicom/seg_image_ct_{name}.dcm")
    assert labels.fractional[1].max() == top
    np.testing.assert_array_equal(labels.mask(labels.segments[0]), labels.fractional[1] >= 127.5)


def test_frames_go_by_position_onto_uneven_slices(shared):
    # the four source slices lie at -99.48, 103.02, 104.27, 105.52 mm
    volume = read(shared / "dicom-seg/highdicom/dicomdirtests-77654033-CT2")
    binary = read_labels(shared / "dicom-seg/highdicom/seg_image_ct_binary.dcm", on=volume)
    assert binary.geometry is volume.geometry
    assert [int(p.sum()) for p in binary.array] == [0, 127, 256, 255]
    overlap = read_labels(shared / "dicom-seg/highdicom/seg_image_ct_binary_overlap.dcm", on=volume)
    assert counts(overlap) == [64, 16]
    assert len(overlap.layers) == 2


def test_frames_outside_or_off_the_grid_are_reported(shared):
    volume = read(shared / "dicom-seg/ct-3slice")
    cropped = volume.geometry.crop((1, 100, 0), (3, 400, 300))
    labels, reports = read_segmentation(shared / "dicom-seg/liver.dcm", cropped)
    whole = read_labels(shared / "dicom-seg/liver.dcm", on=volume)
    np.testing.assert_array_equal(labels.array, whole.array[1:3, 100:400, :300])
    assert [r.code for r in reports] == ["frames-outside-image"]
    other = Geometry.from_spacing((5, 60, 70), (2, 1.7, 1.7), (-60, -60, -130))
    labels, reports = read_segmentation(shared / "dicom-seg/liver.dcm", other)
    assert [r.code for r in reports] == ["own-grid"]
    assert counts(labels) == [107098]


# written by us

def grid(shape=(5, 19, 26), step=2.5) -> Geometry:
    q, _ = np.linalg.qr(np.random.default_rng(6).normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, 1], affine[:3, 2] = q[:, 1] * 0.9, q[:, 2] * 1.3
    affine[:3, 0] = np.cross(q[:, 2], q[:, 1]) * step
    affine[:3, 3] = -20.5, 31.25, 400
    return Geometry(shape, affine)


def painted(geometry: Geometry, overlap: bool = True) -> LabelMap:
    rng = np.random.default_rng(9)
    layers = [(rng.random(geometry.shape) < 0.3).astype(np.uint8) for _ in range(2)]
    for layer in layers:
        layer[1] = 0  # an empty slice
    lung = Segment(1, "Lung 肺", (200, 10, 30), 0, Code("123037004", "SCT", "Anatomical Structure"),
                   Code("39607008", "SCT", "Lung"), "unet", "1.2.3.4")
    if overlap:
        layers[1] *= 9
        return LabelMap(tuple(layers), geometry, (lung, Segment(9, "hand", (1, 250, 3), layer=1)), name="two")
    return LabelMap((layers[0] + 4 * layers[1],), geometry, (lung, Segment(4, "hand", (1, 250, 3)),
                                                             Segment(5, "both", (7, 7, 250))), name="three")


@pytest.mark.parametrize("elements", [{}, {"SpacingBetweenSlices": 5.0}, {"SliceThickness": 7.0}],
                         ids=["plain", "wrong-spacing", "wrong-thickness"])
@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_written_segments_come_back(tmp_path, kind, elements):
    geometry = grid()
    files = ct_series(tmp_path / "ct", geometry, **elements)
    labels = painted(geometry, overlap=kind == "BINARY")
    path = tmp_path / "seg.dcm"
    write_seg(labels, path, source_files=files, segmentation_type=kind)
    volume = read(tmp_path / "ct")
    (series,) = scan(path)
    assert series.refers_to == volume.series_uid
    assert series.geometry.same_grid(geometry, 1e-3)  # the empty slice included
    for on in (volume, None):
        again = read_labels(path, on=on)
        for a, b in zip(again.segments, labels.segments, strict=True):
            np.testing.assert_array_equal(again.mask(a), labels.mask(b))
            assert (a.name, a.colour, a.algorithm) == (b.name, b.colour, b.algorithm)
            assert a.value == (b.value if kind == "LABELMAP" else labels.segments.index(b) + 1)
    assert again.segments[0].type == labels.segments[0].type
    assert again.segments[0].tracking_uid == "1.2.3.4"
    header = dump(path)
    measures = header.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert float(measures.SpacingBetweenSlices) == pytest.approx(2.5)
    if kind == "BINARY":  # the referee does not know label maps yet
        assert referee(path) == []


def test_written_frames_refer_to_the_slice_they_lie_on(tmp_path):
    geometry = grid()
    files = ct_series(tmp_path / "ct", geometry)
    write_seg(painted(geometry), tmp_path / "seg.dcm", source_files=files[::-1])
    places = {dump(f).SOPInstanceUID: np.array(dump(f).ImagePositionPatient, float) for f in files}
    groups = dump(tmp_path / "seg.dcm").PerFrameFunctionalGroupsSequence
    assert len(groups) == 2 * 4
    for group in groups:
        source = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        np.testing.assert_allclose(np.array(group.PlanePositionSequence[0].ImagePositionPatient, float),
                                   places[source], atol=1e-3)


def test_labels_on_part_of_the_image_and_upside_down(tmp_path):
    geometry = grid()
    files = ct_series(tmp_path / "ct", geometry)
    part = painted(geometry)
    flipped = geometry.affine.copy()
    flipped[:3, 3] = geometry.to_lps((4, 18, 0))
    flipped[:3, :2] *= -1
    turned = LabelMap(tuple(layer[::-1, ::-1] for layer in part.layers), Geometry(geometry.shape, flipped),
                      part.segments)
    write_seg(turned, tmp_path / "seg.dcm", source_files=files)
    again = read_labels(tmp_path / "seg.dcm", on=read(tmp_path / "ct"))
    for a, b in zip(again.segments, part.segments, strict=True):
        np.testing.assert_array_equal(again.mask(a), part.mask(b))


def test_what_cannot_be_written_is_refused(tmp_path):
    geometry = grid()
    files = ct_series(tmp_path / "ct", geometry)
    with pytest.raises(WriteError, match="overlapping"):
        write_seg(painted(geometry), tmp_path / "s.dcm", source_files=files, segmentation_type="LABELMAP")
    with pytest.raises(WriteError, match="no segments"):
        write_seg(LabelMap((), geometry), tmp_path / "s.dcm", source_files=files)
    with pytest.raises(WriteError, match="refer"):
        write_seg(painted(geometry), tmp_path / "s.dcm", source_files=[])
    assert not (tmp_path / "s.dcm").exists()


def test_a_source_without_identity_is_refused_plainly(shared, tmp_path):
    files = sorted((shared / "totalseg-ct/example_ct_dicom").glob("*"))
    with pytest.raises(WriteError, match="identifiers"):
        write_seg(painted(grid()), tmp_path / "s.dcm", source_files=files)


# files that are odd

@pytest.fixture
def overlaps(shared) -> pydicom.Dataset:
    return pydicom.dcmread(shared / "dicom-seg/partial_overlaps.dcm")


def test_any_frame_order(overlaps, shared, tmp_path):
    order = [4, 0, 6, 3, 1, 5, 2]
    size = 512 * 512 // 8
    pieces = [overlaps.PixelData[n * size:(n + 1) * size] for n in order]
    overlaps.PixelData = b"".join(pieces)
    overlaps.PerFrameFunctionalGroupsSequence = [overlaps.PerFrameFunctionalGroupsSequence[n] for n in order]
    overlaps.save_as(tmp_path / "odd.dcm")
    a, b = read_labels(tmp_path / "odd.dcm"), read_labels(shared / "dicom-seg/partial_overlaps.dcm")
    for x, y in zip(a.segments, b.segments, strict=True):
        np.testing.assert_array_equal(a.mask(x), b.mask(y))


def test_frames_along_another_axis(tmp_path):
    geometry = grid((6, 7, 9))
    files = ct_series(tmp_path / "ct", geometry)
    mask = np.random.default_rng(1).random(geometry.shape) < 0.4
    sagittal = geometry.affine[:, [2, 0, 1, 3]]  # frames are planes of constant column
    labels = LabelMap.from_array(mask.transpose(2, 0, 1), Geometry((9, 6, 7), sagittal), (Segment(1, "s"),))
    write_seg(labels, tmp_path / "seg.dcm", source_files=files)
    again = read_labels(tmp_path / "seg.dcm", on=geometry)
    assert again.geometry is geometry
    np.testing.assert_array_equal(again.array != 0, mask)


def test_undescribed_and_renumbered_segments(overlaps, tmp_path):
    del overlaps.SegmentSequence[4]
    overlaps.SegmentSequence[0].RecommendedDisplayCIELabValue = [1, 2]
    overlaps.save_as(tmp_path / "odd.dcm")
    labels, reports = read_segmentation(tmp_path / "odd.dcm")
    assert [r.code for r in reports] == ["segment-not-described"]
    assert counts(labels) == list(OVERLAPS.values())
    assert labels.segments[4].name == "Segment 5"


def test_missing_positions_stack_frames_in_order(overlaps, tmp_path):
    for group in overlaps.PerFrameFunctionalGroupsSequence:
        del group.PlanePositionSequence
    overlaps.save_as(tmp_path / "odd.dcm")
    (series,) = scan(tmp_path / "odd.dcm")
    assert "no-positions" in [w.code for w in series.warnings]
    labels, reports = read_segmentation(tmp_path / "odd.dcm")
    assert [r.code for r in reports] == ["no-positions"]
    assert counts(labels) == list(OVERLAPS.values())


def test_a_segment_numbered_0_gets_a_value(shared, tmp_path):
    header = pydicom.dcmread(shared / "dicom-seg/sparse-labelmap-ppv5.dcm")
    code = header.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0]
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "85756007", "SCT", "Tissue"
    header.save_as(tmp_path / "odd.dcm")
    labels, reports = read_segmentation(tmp_path / "odd.dcm")
    assert [(s.name, s.value) for s in labels.segments] == [("Background", 2), ("Liver", 1)]
    assert counts(labels) == [2 * 38 * 24 - 630, 630]
    assert [r.code for r in reports] == ["segments-renumbered"]


@pytest.mark.parametrize("change", [{"Rows": 60000, "Columns": 60000}, {"NumberOfFrames": 100000},
                                    {"BitsAllocated": 32}, {"PixelData": b""}])
def test_headers_that_claim_too_much_are_refused(overlaps, tmp_path, change):
    for name, value in change.items():
        setattr(overlaps, name, value)
    overlaps.save_as(tmp_path / "odd.dcm")
    with pytest.raises(ReadError):
        read_segmentation(tmp_path / "odd.dcm")


def test_frames_a_kilometre_apart_do_not_fill_the_memory(overlaps, tmp_path):
    overlaps.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient = [-235.2, -226.8, 1e6]
    overlaps.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence[0].ImagePositionPatient = [1e7, -226.8, 5]
    overlaps.save_as(tmp_path / "odd.dcm")
    with pytest.raises(ReadError, match="apart|grids"):
        read_segmentation(tmp_path / "odd.dcm")
