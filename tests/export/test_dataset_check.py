"""The dataset check from files to report: pairing, every fault first, right cases quiet, bad files listed, repairs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medviewer.core.errors import ParamError, WriteError
from medviewer.core.geometry import Geometry
from medviewer.core.study import Series
from medviewer.export.check_pairs import pair_masks
from medviewer.export.dataset_check import CheckReport, check_dataset, find_pairs
from medviewer.export.fixes import fix_cases, fix_mask
from medviewer.export.reports.check_html import check_html
from tests.export.chests import chest, organs, save, write_case


def codes(report: CheckReport) -> dict[str, list[str]]:
    return {Path(c.mask).name.split(".")[0]: [p.code for p in c.problems] for c in report.cases}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    """Five patients: two right, one mirrored, one with an offset in the header, one with a missing slice."""
    root = tmp_path_factory.mktemp("chests")
    write_case(root, 11)
    write_case(root, 12)
    write_case(root, 13, organs(13)[:, :, ::-1])
    shifted = chest(14).geometry.affine.copy()
    shifted[:3, 3] += (0, 6.0, 0)
    write_case(root, 14, affine=shifted)
    gap = organs(15).copy()
    gap[20] = 0
    write_case(root, 15, gap)
    (root / "labelsTr" / "chest_099.nii.gz").write_bytes(b"no NIfTI at all")
    return root


@pytest.fixture(scope="module")
def report(dataset) -> CheckReport:
    return check_dataset([dataset], pictures=True)


def test_faults_are_found_and_right_cases_are_quiet(report):
    found = codes(report)
    assert found["chest_011"] == found["chest_012"] == []
    assert found["chest_013"] == ["flip-lr"]
    assert "origin-differs" in found["chest_014"]
    assert found["chest_015"] == ["slice-gap"]
    assert report.cases[0].score >= report.cases[1].score > 0
    assert [c.score for c in report.cases[-2:]] == [0, 0]
    gap = next(c for c in report.cases if "chest_015" in c.mask)
    assert gap.problems[0].slice == 20


def test_a_bad_file_is_listed_and_stops_nothing(report):
    assert len(report.cases) == 5
    assert [Path(f.item).name for f in report.skipped] == ["chest_099.nii.gz"]


def test_document_has_the_fields_of_the_specification(report):
    document = json.loads(json.dumps(report.document()))
    for case in document["cases"]:
        assert {"image", "mask", "score", "problems"} <= set(case)
        for problem in case["problems"]:
            assert {"code", "problem", "fix", "slice"} <= set(problem)
            assert problem["problem"].endswith(".")


def test_workers_give_the_same_answer(dataset, report):
    assert check_dataset([dataset], workers=2).document() == report.document()


def test_html_is_self_contained_and_escapes_texts(report):
    html = check_html(report)
    assert html.count("data:image/png;base64,iVBOR") == 3  # one for each case with problems
    assert "<script" not in html
    assert "http" not in html
    from dataclasses import replace
    evil = replace(report.cases[0], mask="a/<img src=x onerror=alert(1)>.nii")
    assert "<img src=x" not in check_html(CheckReport((evil,)))


def test_nothing_to_check(tmp_path):
    with pytest.raises(ParamError):
        check_dataset([tmp_path])
    with pytest.raises(ParamError):
        check_dataset([tmp_path / "missing"])


def test_a_mask_of_another_patient(tmp_path):
    """Masks of two patients exchanged: nothing in one case alone tells it but the picture."""
    for seed in (11, 12, 13, 14, 15):
        write_case(tmp_path, seed, organs({11: 12, 12: 11}.get(seed, seed)))
    found = codes(check_dataset([tmp_path]))
    assert found["chest_011"] == found["chest_012"] == ["fits-badly"]
    assert found["chest_013"] == found["chest_014"] == found["chest_015"] == []


def test_a_mask_copied_to_another_patient(tmp_path):
    for seed in (11, 12, 13):
        write_case(tmp_path, seed, organs(11) if seed == 12 else None)
    found = codes(check_dataset([tmp_path]))
    assert "duplicate-mask" in found["chest_011"]
    assert "duplicate-mask" in found["chest_012"]
    assert found["chest_013"] == []


def test_merged_and_renumbered_labels(tmp_path):
    for seed in (11, 12, 13, 14, 15, 16):
        labels = organs(seed).copy()
        if seed == 15:
            labels[labels == 2] = 1
        if seed == 16:
            labels[labels == 2] = 40
        write_case(tmp_path, seed, labels)
    found = codes(check_dataset([tmp_path]))
    assert "labels-merged" in found.pop("chest_015")
    assert "labels-renumbered" in found.pop("chest_016")
    assert not any(found.values())


def series(path: str, kind: str = "image", shape: tuple[int, int, int] = (4, 5, 6)) -> Series:
    return Series(path, "nifti", kind, (Path("/d") / path,), geometry=Geometry.from_spacing(shape))  # type: ignore[arg-type]


@pytest.mark.parametrize(("images", "mask", "expected"), [
    (["imagesTr/c_1_0000.nii.gz", "imagesTr/c_2_0000.nii.gz"], "labelsTr/c_2.nii.gz", ["imagesTr/c_2_0000.nii.gz"]),
    (["a_0001/image.nii.gz", "a_0002/image.nii.gz"], "a_0002/mask.nii.gz", ["a_0002/image.nii.gz"]),
    (["case_0001.nii.gz", "case_0002.nii.gz"], "case_0001_seg.nii.gz", ["case_0001.nii.gz"]),
    (["images/7.nrrd", "images/8.nrrd"], "masks/8.nrrd", ["images/8.nrrd"]),
    (["p1/t1.nii.gz", "p1/t2.nii.gz", "p2/t1.nii.gz"], "p1/seg.nii.gz", ["p1/t1.nii.gz", "p1/t2.nii.gz"]),
])
def test_names_pair_masks_with_images(images, mask, expected):
    found = [series(name) for name in images]
    pairs, failures = pair_masks([*found, series(mask, "labels")])
    assert not failures
    assert [str(s.files[0].relative_to("/d")) for s in pairs[0].images] == expected


def test_names_win_over_the_voxel_grid():
    """A mask with the grid of another patient belongs to the image of its own name: that is the fault to find."""
    images = [series("a.nii.gz", shape=(4, 5, 6)), series("b.nii.gz", shape=(7, 8, 9))]
    pairs, _ = pair_masks([*images, series("a_seg.nii.gz", "labels", (7, 8, 9))])
    assert pairs[0].images == (images[0],)


def test_repairs_write_new_files_with_their_origin(dataset, report, tmp_path):
    pairs, _ = find_pairs([dataset])
    before = {p: p.read_bytes() for p in (dataset / "labelsTr").iterdir()}
    mirrored = [c for c in report.cases if "chest_013" in c.mask]
    written, failures = fix_cases("apply-transform", mirrored, pairs, tmp_path)
    assert not failures
    voxels = np.asarray(nibabel.load(written[0]).dataobj).transpose(2, 1, 0)
    assert np.array_equal(voxels, organs(13))
    note = json.loads(next(tmp_path.glob("*.provenance.json")).read_text())
    assert note["repair"] == "apply-transform"
    assert Path(note["mask"]).name == "chest_013.nii.gz"
    assert {p: p.read_bytes() for p in (dataset / "labelsTr").iterdir()} == before
    wrong = next(p for p in pairs if "chest_014" in p.mask.files[0].name)
    copied = fix_mask("copy-geometry", wrong, tmp_path)
    np.testing.assert_allclose(nibabel.load(copied).affine,
                               nibabel.load(dataset / "imagesTr" / "chest_014_0000.nii.gz").affine, atol=1e-4)
    with pytest.raises(WriteError):
        fix_mask("copy-geometry", wrong, tmp_path)  # never over a file that is there


def test_resampled_repair_lies_on_the_grid_of_the_image(tmp_path):
    half = chest(11).geometry.affine.copy()
    half[:3, :2] *= 2
    mask = organs(11)[::2, ::2]
    write_case(tmp_path / "d", 11, mask, affine=half)
    found = check_dataset([tmp_path / "d"])
    assert "shape-differs" in codes(found)["chest_011"]
    pairs, _ = find_pairs([tmp_path / "d"])
    written, _ = fix_cases("resample", found.cases, pairs, tmp_path / "fixed")
    assert nibabel.load(written[0]).shape == (84, 84, 44)


def test_channels_are_asked_before_a_mask_is_doubted(tmp_path):
    """The first channel shows nothing, the second shows the organs."""
    write_case(tmp_path, 11, name="a")
    rng = np.random.default_rng(0)
    made = chest(11)
    shutil.move(tmp_path / "imagesTr" / "a_0000.nii.gz", tmp_path / "imagesTr" / "a_0001.nii.gz")
    save(tmp_path / "imagesTr" / "a_0000.nii.gz", rng.normal(50, 9, made.hu.shape).astype(np.int16),
         made.geometry.affine)
    report = check_dataset([tmp_path])
    assert codes(report) == {"a": []}


def test_sunnybrook_copies_are_found_and_nothing_else(shared, tmp_path):
    """As in the published data, where the outer contours of SC-HF-I-6 are those of SC-HF-I-1."""
    shutil.copytree(shared / "sunnybrook", tmp_path / "s")
    root = tmp_path / "s"
    clean = check_dataset([root])
    assert not clean.problems
    assert len(clean.cases) == 54  # 18 + 9 contours of each of the two patients
    outer, inner = (root / "contourfiles" / "SC-HF-I-6" / f"{kind}-contours" for kind in "oi")
    outer.mkdir(parents=True)
    inner.mkdir()
    for path in (root / "contourfiles" / "SC-HF-I-1" / "o-contours").glob("*.txt"):
        shutil.copy(path, outer)
        own = np.loadtxt(root / "contourfiles" / "SC-HF-I-1" / "i-contours" / path.name.replace("ocontour", "icontour"))
        np.savetxt(inner / path.name.replace("ocontour", "icontour"), own + 25.0, fmt="%.2f")  # a heart elsewhere
    found = check_dataset([root])
    bad = [c for c in found.cases if c.problems]
    assert {Path(c.mask).parent for c in bad} == {outer}
    assert len(bad) == 9
    assert {p.code for c in bad for p in c.problems} == {"inner-outside-outer", "duplicate-contour"}


def test_real_pairs_are_quiet(shared):
    for folder in ("ibsi-ct-phantom", "nrrd-mha", "rtstruct-phantom"):
        report = check_dataset([shared / folder])
        assert report.cases
        assert codes(report) == {name: [] for name in codes(report)}
