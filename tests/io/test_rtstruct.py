"""RT Structure Sets: facts of data/README.md, odd files, and what other programs see in ours."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from dicom_objects import ct_series, dump, referee

from medviewer.core.contours import Contour, ContourSegment, ContourSet
from medviewer.core.errors import ReadError, WriteError
from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap, Segment
from medviewer.io.access import read, read_contours, scan
from medviewer.io.dicom.guards import read_header
from medviewer.io.formats.rtstruct import READER, parse, write_rtstruct
from medviewer.ops.contouring import mask_to_contours
from medviewer.ops.rasterise import rasterise

PHANTOM = {"ROI-1": (255, 0, 255), "ROI-2": (0, 235, 235), "ROI-3": (255, 255, 0), "ROI-4": (255, 0, 0)}


def grid(shape=(5, 24, 31)) -> Geometry:
    q, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = q * (2.5, 0.9, 1.3)
    affine[:3, 0] = np.cross(affine[:3, 2], affine[:3, 1])
    affine[:3, 0] *= 2.5 / np.linalg.norm(affine[:3, 0])
    affine[:3, 3] = -20.5, 31.25, 400
    return Geometry(shape, affine)


def blobs(geometry: Geometry) -> LabelMap:
    rng = np.random.default_rng(4)
    layers = tuple((rng.random(geometry.shape) < p).astype(np.uint8) for p in (0.5, 0.15))
    segments = (Segment(1, "Nodule", (200, 10, 30)), Segment(1, "Läsion 肺", (1, 2, 3), layer=1))
    return LabelMap(layers, geometry, segments)


def test_phantom_as_described(shared):
    (series,) = [s for s in scan(shared / "rtstruct-phantom/rt.dcm") if s.kind == "rtstruct"]
    assert (series.modality, series.description, series.warnings) == ("RTSTRUCT", "RTstruct", ())
    contours = read_contours(series)
    assert {s.name: s.colour for s in contours.segments} == PHANTOM
    assert [len(s.contours) for s in contours.segments] == [3] * 4
    assert [round(float(c.points_lps[0, 2])) for c in contours.segments[0].contours] == [70, 65, 60]
    assert all(c.image_uid in contours.image_uids and c.is_closed for s in contours.segments for c in s.contours)
    images = {pydicom.dcmread(f, stop_before_pixels=True).SOPInstanceUID
              for f in (shared / "rtstruct-phantom").glob("*.dcm")}
    assert contours.image_uids < images
    assert contours.refers_to == read(shared / "rtstruct-phantom").series_uid


@pytest.mark.parametrize("name", ["invalid_reference_rt.dcm", "non_existent_reference_rt.dcm"])
def test_bad_references_load(shared, name):
    (series,) = scan(shared / "rtstruct-phantom/bad-references" / name)
    assert series.kind == "rtstruct"
    if name.startswith("non"):
        assert [w.code for w in series.warnings] == ["no-referenced-series"]
        assert series.refers_to == ""
    assert [len(s.contours) for s in read_contours(series).segments] == [3] * 4


@pytest.mark.parametrize(("path", "name", "count", "z"), [
    ("ibsi-ct-phantom/dicom/mask", "GTV-1", 26, (-49.4, 25.6)),
    ("sts-001-petct/CT_crop/mask", "GTV_Mass_CT", 32, None)])
def test_contour_counts(shared, path, name, count, z):
    (segment,) = read_contours(shared / path).segments
    assert (segment.name, len(segment.contours)) == (name, count)
    if z:
        found = [float(c.points_lps[0, 2]) for c in segment.contours]
        assert (min(found), max(found)) == pytest.approx(z, abs=1e-3)


# written by us

def test_mask_comes_back_and_references_are_right(tmp_path):
    geometry = grid()
    files = ct_series(tmp_path / "ct", geometry)
    labels = blobs(geometry)
    path = tmp_path / "rs.dcm"
    write_rtstruct(mask_to_contours(labels), path, source_files=files, label="First try", algorithm="unet 3")
    contours, reports = parse(read_header(path))
    assert not reports
    assert [(s.name, s.colour) for s in contours.segments] == [("Nodule", (200, 10, 30)), ("Läsion 肺", (1, 2, 3))]
    for rule in ("exact", "pixel-centre"):
        again, _ = rasterise(contours, read(tmp_path / "ct").geometry, rule=rule)
        for a, b in zip(again.segments, labels.segments, strict=True):
            np.testing.assert_array_equal(again.mask(a), labels.mask(b))  # Dice 1.000
    header = dump(path)
    slices = {dump(f).SOPInstanceUID: np.array(dump(f).ImagePositionPatient, float) for f in files}
    listed = header.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    assert {i.ReferencedSOPInstanceUID for i in listed.ContourImageSequence} == set(slices)
    for entry in header.ROIContourSequence[0].ContourSequence:
        away = np.array(entry.ContourData[:3], float) - slices[entry.ContourImageSequence[0].ReferencedSOPInstanceUID]
        assert abs(away @ geometry.slice_normal) < 1e-3
        assert entry.NumberOfContourPoints * 3 == len(entry.ContourData)
    assert header.StructureSetROISequence[0].ROIGenerationAlgorithm == "AUTOMATIC"
    series = READER.describe(path, read_header(path))
    assert (series.refers_to, series.warnings) == (dump(files[0]).SeriesInstanceUID, ())
    assert series.frame_of_reference_uid == dump(files[0]).FrameOfReferenceUID
    assert referee(path) == []


def test_plastimatch_reads_the_same_structure(tmp_path):
    if shutil.which("plastimatch") is None:
        pytest.skip("needs plastimatch")
    geometry = Geometry.from_spacing((6, 40, 50), (3, 1.5, 1.25), (-30, -20, 100))
    kk, jj, ii = np.ogrid[:6, :40, :50]
    mask = ((kk - 2.4) * 3) ** 2 + ((jj - 18) * 1.5) ** 2 + ((ii - 27) * 1.25) ** 2 < 13**2
    files = ct_series(tmp_path / "ct", geometry)
    contours = mask_to_contours(LabelMap.from_array(mask, geometry, (Segment(1, "ball", (250, 0, 0)),)))
    (tmp_path / "rs").mkdir()
    write_rtstruct(contours, tmp_path / "rs/rs.dcm", source_files=files)
    subprocess.run(["plastimatch", "convert", "--input", str(tmp_path / "rs"), "--referenced-ct", str(tmp_path / "ct"),
                    "--output-prefix", str(tmp_path / "out"), "--prefix-format", "nii"],
                   check=True, capture_output=True, timeout=120)
    import nibabel
    seen = np.asarray(nibabel.load(tmp_path / "out/ball.nii").dataobj).transpose(2, 1, 0) != 0
    assert 2 * (seen & mask).sum() / (seen.sum() + mask.sum()) > 0.999


def test_non_ascii_patients_survive(shared, tmp_path):
    geometry = grid()
    files = ct_series(tmp_path / "ct", geometry, SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg")
    write_rtstruct(mask_to_contours(blobs(geometry)), tmp_path / "rs.dcm", source_files=files)
    assert dump(tmp_path / "rs.dcm").PatientName == "Müller^Jörg"
    assert READER.describe(tmp_path / "rs.dcm", read_header(tmp_path / "rs.dcm")).patient.name == "Müller^Jörg"


def test_long_contours_and_awkward_names(tmp_path):
    geometry = grid((1, 24, 31))
    files = ct_series(tmp_path / "ct", geometry)
    t = np.linspace(0, 2 * np.pi, 9000, endpoint=False)  # more text than an explicit VR can hold
    ring = geometry.to_lps(np.column_stack([np.zeros(9000), 11 + 9 * np.sin(t), 14 + 9 * np.cos(t)]))
    contours = ContourSet((ContourSegment(5, "a\\b\n" + "x" * 80, (9, 9, 9), (Contour(ring),), "GTV"),
                           ContourSegment(6, "", (9, 9, 8), ())))
    write_rtstruct(contours, tmp_path / "rs.dcm", source_files=files)
    again, _ = parse(read_header(tmp_path / "rs.dcm"))
    assert again.segments[0].name == "a/b" + "x" * 61
    assert again.segments[0].type == "GTV"
    np.testing.assert_allclose(again.segments[0].contours[0].points_lps, ring, atol=1e-6)
    assert (again.segments[1].name, again.segments[1].contours) == ("ROI 6", ())
    assert referee(tmp_path / "rs.dcm") == []


def test_what_cannot_be_written_is_refused(tmp_path):
    geometry = grid()
    bad = ContourSet((ContourSegment(1, "a", (1, 1, 1), (Contour(np.full((3, 3), np.nan)),)),))
    with pytest.raises(WriteError, match="not numbers"):
        write_rtstruct(bad, tmp_path / "rs.dcm", source_files=ct_series(tmp_path / "ct", geometry))
    with pytest.raises(WriteError, match="refer"):
        write_rtstruct(ContourSet(()), tmp_path / "rs.dcm", source_files=[])
    two = [*ct_series(tmp_path / "a", geometry), *ct_series(tmp_path / "b", geometry)]
    with pytest.raises(WriteError, match="several series"):
        write_rtstruct(ContourSet(()), tmp_path / "rs.dcm", source_files=two)
    assert not (tmp_path / "rs.dcm").exists()


# files that are odd

@pytest.fixture
def phantom(shared) -> pydicom.Dataset:
    return pydicom.dcmread(shared / "rtstruct-phantom/rt.dcm")


def described(dataset: pydicom.Dataset, tmp_path) -> tuple[list[str], ContourSet, list[str]]:
    dataset.save_as(tmp_path / "odd.dcm")
    header = read_header(tmp_path / "odd.dcm")
    contours, reports = parse(header)
    return ([w.code for w in READER.describe(tmp_path / "odd.dcm", header).warnings], contours,
            [r.code for r in reports])


def test_missing_contours_names_and_colours(phantom, tmp_path):
    del phantom.ROIContourSequence[0].ContourSequence
    del phantom.ROIContourSequence[1].ROIDisplayColor
    phantom.StructureSetROISequence[2].ROIName = ""
    del phantom.StructureSetROISequence[3]
    warnings, contours, _ = described(phantom, tmp_path)
    assert warnings == ["segment-without-contours", "segment-without-name", "segment-without-name", "no-colour"]
    assert [(s.name, len(s.contours)) for s in contours.segments] == [("ROI-1", 0), ("ROI-2", 3), ("ROI 3", 3),
                                                                     ("ROI 4", 3)]
    assert contours.segments[1].colour != contours.segments[0].colour


@pytest.mark.parametrize("text", [b"1\\2\\3\\4 ", b"1\\2\\abc\\4\\5\\6 ", b"1\\2\\nan ", b"", b"1\\2\\1e400\\4\\5\\6"])
def test_unreadable_positions_leave_out_one_contour(phantom, tmp_path, text):
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import Tag
    entry = phantom.ROIContourSequence[0].ContourSequence[1]
    entry[Tag(0x30060050)] = RawDataElement(Tag(0x30060050), "DS", len(text), text, 0, True, True)
    _, contours, reports = described(phantom, tmp_path)
    assert reports == ["contour-unreadable"]
    assert [len(s.contours) for s in contours.segments] == [2, 3, 3, 3]


def test_closing_points_are_dropped_and_types_kept(phantom, tmp_path):
    first, second, third = phantom.ROIContourSequence[0].ContourSequence
    count = len(first.ContourData) // 3
    first.ContourData = [*first.ContourData, *first.ContourData[:3]]
    second.ContourGeometricType = "OPEN_PLANAR"
    third.ContourGeometricType, third.ContourData = "POINT", third.ContourData[:3]
    _, contours, _ = described(phantom, tmp_path)
    a, b, c = contours.segments[0].contours
    assert len(a.points_lps) == count
    assert [x.is_closed for x in (a, b, c)] == [True, False, False]
    assert c.points_lps.shape == (1, 3)


def test_references_outside_the_list_and_no_uids(phantom, tmp_path):
    first, second = phantom.ROIContourSequence[0].ContourSequence[:2]
    first.ContourImageSequence[0].ReferencedSOPInstanceUID = "1.2.3"
    second.ContourImageSequence[0].ReferencedSOPInstanceUID = "nonsense"
    warnings, contours, _ = described(phantom, tmp_path)
    assert warnings == ["invalid-references", "unlisted-references"]
    assert len(contours.segments[0].contours) == 3


def test_a_set_without_structures_is_refused(phantom, tmp_path):
    del phantom.StructureSetROISequence, phantom.ROIContourSequence
    phantom.save_as(tmp_path / "odd.dcm")
    series = READER.describe(tmp_path / "odd.dcm", read_header(tmp_path / "odd.dcm"))
    with pytest.raises(ReadError, match="no structures"):
        READER.read_contours(series, job=Job())
    with pytest.raises(ReadError, match="not an image"):
        READER.open(replace(series), job=Job())
