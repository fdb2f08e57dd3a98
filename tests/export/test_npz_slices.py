"""The npz-slices layout on real cardiac images with contour texts: pairing, masks, lists, log, resume."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw

from medviewer.cli.main import run as run_command
from medviewer.core.errors import Cancelled, ParamError, ReadError
from medviewer.core.job import Job
from medviewer.export.overlay import COLOURS, border, draw
from medviewer.export.recipe import Recipe, make_recipe, read_recipe
from medviewer.export.run import run_export
from medviewer.export.verify import VerifyError, verify_npz
from medviewer.export.writer import write_npz


def contour_files(root: Path, original: str, kind: str) -> dict[int, Path]:
    """List contour files by image number, independently of the program."""
    folder = root / "contourfiles" / original / f"{kind}-contours"
    return {int(re.search(r"IM-0001-(\d{4})-", p.name)[1]): p for p in sorted(folder.glob("*.txt"))}


def links(root: Path) -> list[tuple[str, str]]:
    with open(root / "link.csv", newline="") as file:
        return [(row["patient_id"], row["original_id"]) for row in csv.DictReader(file)]


def expected(root: Path, kind: str) -> tuple[dict[str, Path], int, int]:
    """Return contours with an image by npz name, the number without one, and the number of missing patients."""
    paired, unpaired, missing = {}, 0, 0
    for patient, original in links(root):
        if not (root / "dicoms" / patient).is_dir():
            missing += 1
            continue
        for n, path in contour_files(root, original, kind).items():
            if (root / "dicoms" / patient / f"{n}.dcm").exists():
                paired[f"{patient}/{n}.npz"] = path
            else:
                unpaired += 1
    return paired, unpaired, missing


def points(path: Path) -> list[tuple[float, float]]:
    return [tuple(map(float, line.split())) for line in path.read_text().splitlines() if line.strip()]


def shoelace(outline: list[tuple[float, float]]) -> float:
    pairs = zip(outline, outline[1:] + outline[:1], strict=True)
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairs)) / 2


def tree_hash(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def root(shared) -> Path:
    return shared / "sunnybrook"


@pytest.fixture(scope="module")
def pillow_export(root, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("pillow")
    run_export(Recipe(rule="pillow", overlays=True), [root], out)
    return out


@pytest.fixture
def small(root, tmp_path) -> Path:
    """A tree with two images and three contours of one patient, and a second patient with one of each."""
    tree = tmp_path / "tree"
    for patient, original, numbers in (("SCD0000101", "SC-HF-I-1", (48, 59)), ("SCD0000201", "SC-HF-I-2", (100,))):
        for n in numbers:
            for kind in "io":
                source = root / f"contourfiles/{original}/{kind}-contours/IM-0001-{n:04}-{kind}contour-manual.txt"
                if source.exists():
                    target = tree / source.relative_to(root)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(source, target)
            target = tree / "dicoms" / patient / f"{n}.dcm"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / target.relative_to(tree), target)
    (tree / "link.csv").write_text("patient_id,original_id\nSCD0000101,SC-HF-I-1\nSCD0000201,SC-HF-I-2\n")
    return tree


def test_pairs_and_lists(root, pillow_export):
    paired, unpaired, missing = expected(root, "i")
    # counted by hand from the tree: data README, section sunnybrook
    assert sum(name.startswith("SCD0000101") for name in paired) == 18
    assert (unpaired, missing) == (12, 3)
    lines = (pillow_export / "filelist.txt").read_text().splitlines()
    assert lines == sorted(paired, key=lambda n: (n.split("/")[0], int(n.split("/")[1][:-4])))
    assert {p.relative_to(pillow_export).as_posix() for p in pillow_export.rglob("*.npz")} == set(paired)
    log = (pillow_export / "export.log").read_text().splitlines()
    assert len(log) == unpaired + missing
    for patient in ("SCD0000301", "SCD0000401", "SCD0000501"):
        assert sum(line.startswith(patient) for line in log) == 1
    assert any("IM-0001-0047-icontour-manual.txt" in line for line in log)
    manifest = json.loads((pillow_export / "manifest.json").read_text())
    assert len(manifest["skipped"]) == len(log)
    without = [f["item"] for f in manifest["left_out"]]
    assert "SCD0000101/101.dcm" in without  # an image without a contour is no failure
    assert len([w for w in without if w.endswith(".dcm")]) == 36 + 6 - len(paired)


def test_masks_equal_pillow_and_images_equal_the_stored_values(root, pillow_export):
    for name, contour in expected(root, "i")[0].items():
        with np.load(pillow_export / name, allow_pickle=False) as data:
            assert data.files == ["image", "target"]
            stored = pydicom.dcmread(root / "dicoms" / name.replace(".npz", ".dcm")).pixel_array
            assert data["image"].dtype == np.int16
            np.testing.assert_array_equal(data["image"], stored)
            picture = Image.new("L", stored.shape[::-1], 0)
            ImageDraw.Draw(picture).polygon(points(contour), outline=0, fill=1)
            assert data["target"].dtype == bool
            np.testing.assert_array_equal(data["target"], np.array(picture).astype(bool))


@pytest.mark.parametrize(("contour", "kind"), [("inner", "i"), ("outer", "o")])
def test_exact_masks_have_the_area_of_their_contour(root, tmp_path, contour, kind):
    run_export(Recipe(contour=contour), [root], tmp_path / "out")
    paired = expected(root, kind)[0]
    cases = {c["file"]: c for c in json.loads((tmp_path / "out/manifest.json").read_text())["cases"]}
    assert set(cases) == set(paired)
    for name, path in paired.items():
        area = shoelace(points(path))
        with np.load(tmp_path / "out" / name) as data:
            assert data["target"].sum() == pytest.approx(area, rel=0.005)
        assert cases[name]["contour_area_px"]["target"] == pytest.approx(area, abs=1e-4)


def test_the_manifest_tells_place_and_content_of_every_file(root, pillow_export):
    manifest = json.loads((pillow_export / "manifest.json").read_text())
    found = tree_hash(pillow_export)
    found.pop("manifest.json")
    assert {f["path"]: f["sha256"] for f in manifest["files"]} == found
    assert manifest["verification"]["checked"] == manifest["verification"]["passed"] == len(manifest["cases"])
    sources = {s["path"]: s["sha256"] for s in manifest["sources"]}
    assert sources["sunnybrook/dicoms/SCD0000101/48.dcm"] == hashlib.sha256(
        (root / "dicoms/SCD0000101/48.dcm").read_bytes()).hexdigest()
    assert "sunnybrook/link.csv" in sources
    case = next(c for c in manifest["cases"] if c["file"] == "SCD0000101/48.npz")
    header = pydicom.dcmread(root / "dicoms/SCD0000101/48.dcm")
    assert case["pixel_spacing_mm"] == pytest.approx([float(v) for v in header.PixelSpacing])
    affine = np.array(case["affine_lps"])
    np.testing.assert_allclose(affine[:3, 3], np.array(header.ImagePositionPatient, float), atol=1e-6)
    np.testing.assert_allclose(affine[:3, 2] / header.PixelSpacing[1], header.ImageOrientationPatient[:3], atol=1e-5)
    assert str(root) not in (pillow_export / "manifest.json").read_text()


def test_both_contours(root, tmp_path):
    run_export(Recipe(both_contours=True, rule="pillow"), [root], tmp_path)
    inner, outer = (set(expected(root, kind)[0]) for kind in "io")

    def listed(name: str) -> set[str]:
        lines = (tmp_path / name).read_text().splitlines()
        assert len(lines) == len(set(lines))
        return set(lines)

    assert listed("i_contour.txt") == inner
    assert listed("o_contour.txt") == outer
    assert listed("both_contour.txt") == inner & outer
    assert listed("filelist.txt") == inner | outer
    assert len([n for n in outer if n.startswith("SCD0000101")]) == 9  # data README
    for name in inner | outer:
        with np.load(tmp_path / name) as data:
            wanted = ["image", *(["i_contour"] if name in inner else []), *(["o_contour"] if name in outer else [])]
            assert data.files == wanted
    with np.load(tmp_path / "SCD0000101/59.npz") as data:  # inner lies inside outer (data README)
        assert (data["i_contour"] & data["o_contour"]).sum() >= 0.98 * data["i_contour"].sum()
        assert data["o_contour"].sum() > 1.2 * data["i_contour"].sum()


def test_a_damaged_file_costs_only_itself(small):
    image = small / "dicoms/SCD0000101/48.dcm"
    image.write_bytes(image.read_bytes()[:40_000])
    (small / "contourfiles/SC-HF-I-2/i-contours/IM-0001-0100-icontour-manual.txt").write_text("1 2\n3 four\n5 6\n")
    with open(small / "link.csv", "a") as file:
        file.write("SCD0000301,SC-HF-I-4\n")
    out = small.parent / "out"
    result = run_export(Recipe(), [small], out)
    log = (out / "export.log").read_text().splitlines()
    assert len(log) == len(result.failures) == 3
    assert sum("48.dcm" in line for line in log) == 1
    assert sum("IM-0001-0100-icontour-manual.txt" in line and "line 2" in line for line in log) == 1
    assert sum(line.startswith("SCD0000301") for line in log) == 1
    assert (out / "filelist.txt").read_text() == "SCD0000101/59.npz\n"
    assert not list(out.rglob(".part-*"))


def test_a_bad_outer_contour_leaves_the_inner_one(small):
    bad = small / "contourfiles/SC-HF-I-1/o-contours/IM-0001-0059-ocontour-manual.txt"
    bad.write_text("1 1\n2 2\n")
    out = small.parent / "out"
    result = run_export(Recipe(both_contours=True), [small], out)
    assert [bad.name in f.item for f in result.failures] == [True]
    with np.load(out / "SCD0000101/59.npz") as data:
        assert data.files == ["image", "i_contour"]
    assert (out / "both_contour.txt").read_text() == "SCD0000201/100.npz\n"
    again = run_export(Recipe(both_contours=True), [small], out)
    assert (again.written, again.failures) == (0, result.failures)


def test_exit_status_of_the_command(small, root, capsys):
    def command(*argv: object) -> int:
        return run_command([str(a) for a in argv], lambda paths, demo: 0, lambda request: 0)

    out = small.parent / "out"
    assert command("export", small, "-o", out, "--layout", "npz-slices", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["written"], said["failed"]) == (3, [])
    (small / "dicoms/SCD0000201/100.dcm").unlink()
    assert command("export", small, "-o", out, "--layout", "npz-slices") == 1
    assert command("export", small / "contourfiles", "-o", out / "x", "--layout", "npz-slices") == 2
    assert "Traceback" not in capsys.readouterr().err


def test_the_same_inputs_give_the_same_bytes(small):
    recipe = Recipe(overlays=True, both_contours=True)
    run_export(recipe, [small], small.parent / "one")
    time.sleep(1.1)  # ZIP dates have a resolution of two seconds, PNG and JSON could hold seconds
    run_export(recipe, [small], small.parent / "elsewhere/two")
    assert tree_hash(small.parent / "one") == tree_hash(small.parent / "elsewhere/two")


def test_a_second_run_keeps_what_is_good(small):
    out = small.parent / "out"
    assert run_export(Recipe(), [small], out).written == 3
    before = tree_hash(out)
    damaged, gone = out / "SCD0000101/48.npz", out / "SCD0000201/100.npz"
    kept = (out / "SCD0000101/59.npz").stat().st_mtime_ns
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\1")
    gone.unlink()
    again = run_export(Recipe(), [small], out)
    assert (again.written, again.kept) == (2, 1)
    assert tree_hash(out) == before
    assert (out / "SCD0000101/59.npz").stat().st_mtime_ns == kept


def test_changed_inputs_are_done_again(small):
    out = small.parent / "out"
    run_export(Recipe(), [small], out)
    contour = small / "contourfiles/SC-HF-I-1/i-contours/IM-0001-0048-icontour-manual.txt"
    contour.write_text("10 10\n20 10\n20 20\n10 20\n")
    again = run_export(Recipe(), [small], out)
    assert (again.written, again.kept) == (1, 2)
    with np.load(out / "SCD0000101/48.npz") as data:
        assert data["target"].sum() == 100  # a square of 10 x 10
    assert run_export(Recipe(rule="pillow"), [small], out).written == 3


def test_cancel_and_resume(small):
    out, plain = small.parent / "out", small.parent / "plain"
    job = Job()
    job._progress = lambda fraction, text: job.cancel() if text == "Exporting" and fraction > 0.45 else None
    with pytest.raises(Cancelled):
        run_export(Recipe(), [small], out, job=job)
    assert 1 <= len(list(out.rglob("*.npz"))) < 3
    assert not (out / "manifest.json").exists()
    assert run_export(Recipe(), [small], out).kept >= 1
    run_export(Recipe(), [small], plain)
    assert tree_hash(out) == tree_hash(plain)


def test_kill_leaves_no_half_file(root, tmp_path):
    out, plain = tmp_path / "out", tmp_path / "plain"
    code = ("import sys; from pathlib import Path; from medviewer.export.run import run_export; "
            "from medviewer.export.recipe import Recipe; "
            "run_export(Recipe(overlays=True), [Path(sys.argv[1])], Path(sys.argv[2]))")
    child = subprocess.Popen([sys.executable, "-c", code, str(root), str(out)], stderr=subprocess.PIPE)
    end = time.monotonic() + 60
    while len(list(out.rglob("*.npz"))) < 5 and child.poll() is None and time.monotonic() < end:
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    found = list(out.rglob("*.npz"))
    assert len(found) >= 5
    for path in found:
        with np.load(path) as data:
            assert data["image"].shape == data["target"].shape == (256, 256)
    result = run_export(Recipe(overlays=True), [root], out)
    assert result.kept >= 4
    run_export(Recipe(overlays=True), [root], plain)
    assert tree_hash(out) == tree_hash(plain)


def test_overlay_pictures(root, pillow_export):
    names = set(expected(root, "i")[0])
    pictures = {p.name for p in (pillow_export / "overlaid").glob("*.png")}
    assert pictures == {n.replace("/", "_").replace(".npz", ".png") for n in names}
    picture = np.array(Image.open(pillow_export / "overlaid/SCD0000101_48.png"))
    with np.load(pillow_export / "SCD0000101/48.npz") as data:
        mask = data["target"]
    assert picture.shape == (256, 256, 3)
    assert (picture[border(mask)] == COLOURS["target"]).all()
    outside = picture[~mask]
    assert (outside.min(axis=1) == outside.max(axis=1)).all()  # grey


@pytest.mark.parametrize("brightness", [0, 100, 5000])
def test_the_mask_colour_does_not_depend_on_the_image(brightness):
    image = np.full((9, 12), brightness, np.int16)
    mask = np.zeros((9, 12), bool)
    mask[2:8, 3:9] = True
    inner = np.zeros((9, 12), bool)
    inner[4:6, 5:7] = True
    from medviewer.core.volume import Window

    picture = draw(image, {"i_contour": inner, "o_contour": mask}, Window(2500, 5000)).astype(int)
    assert tuple(picture[2, 3]) == COLOURS["o_contour"]
    assert tuple(picture[4, 5]) == COLOURS["i_contour"]
    grey, tinted = picture[0, 0], picture[3, 4]
    share = tinted - 0.75 * grey  # what the colour adds: the same at every brightness
    np.testing.assert_allclose(share, 0.25 * np.array(COLOURS["o_contour"]), atol=1)


def test_all_slices(small):
    extra = small / "dicoms/SCD0000101/7.dcm"
    shutil.copy(small / "dicoms/SCD0000101/48.dcm", extra)
    out = small.parent / "out"
    run_export(Recipe(slices="all"), [small], out)
    with np.load(out / "SCD0000101/7.npz") as data:
        assert not data["target"].any()
    with np.load(out / "SCD0000101/48.npz") as data:
        assert data["target"].any()


def test_numbers_decide_not_names(small):
    folder = small / "dicoms/SCD0000101"
    (folder / "48.dcm").rename(folder / "0048.dcm")
    shutil.copy(folder / "59.dcm", folder / "notes.dcm")
    (small / "contourfiles/SC-HF-I-1/i-contours/contour of slice 3.txt").write_text("1 1\n2 1\n2 2\n")
    (small / "dicoms/SCD0000999").mkdir()
    out = small.parent / "out"
    result = run_export(Recipe(), [small], out)
    assert (out / "SCD0000101/48.npz").exists()
    assert sorted(f.item for f in result.failures) == ["SC-HF-I-1/contour of slice 3.txt", "SCD0000101/notes.dcm"]
    assert [f.item for f in result.left_out] == ["dicoms/SCD0000999"]


def test_folders_named_one_by_one(small):
    out = small.parent / "out"
    recipe = make_recipe(link=small / "link.csv", images=small / "dicoms", contours=small / "contourfiles")
    assert run_export(recipe, [small / "dicoms"], out).written == 3


def test_patients_cannot_lead_out_of_the_folder(small):
    (small / "link.csv").write_text("patient_id,original_id\n../../secret,SC-HF-I-1\nSCD0000101,SC-HF-I-1\n")
    out = small.parent / "out"
    result = run_export(Recipe(), [small], out)
    assert [f.item for f in result.failures] == ["../../secret"]
    assert result.written == 2


def test_list_paths_as_given(small, monkeypatch):
    monkeypatch.chdir(small.parent)
    run_export(Recipe(list_paths="as-given"), [small], Path("training"))
    assert (small.parent / "training/filelist.txt").read_text().splitlines()[0] == "training/SCD0000101/48.npz"


def test_files_of_an_earlier_export_are_named_not_deleted(small):
    out = small.parent / "out"
    run_export(Recipe(), [small], out)
    shutil.rmtree(small / "dicoms/SCD0000201")
    result = run_export(Recipe(), [small], out)
    assert result.stale == ("SCD0000201/100.npz",)
    assert (out / "SCD0000201/100.npz").exists()
    assert "SCD0000201/100.npz" not in (out / "filelist.txt").read_text()


def test_sources_are_never_written_to(small):
    with pytest.raises(ParamError, match="holds the source"):
        run_export(Recipe(), [small], small)
    with pytest.raises(ReadError, match="nothing to export"):
        run_export(Recipe(), [small / "contourfiles"], small.parent / "out")
    assert not (small.parent / "out").exists()


def test_recipe_files(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("layout: npz-slices\nrule: pillow\nrois: GTV-1\ncontours: texts\n")
    recipe = read_recipe(path, overlays=True)
    assert (recipe.rule, recipe.rois, recipe.overlays) == ("pillow", ("GTV-1",), True)
    assert recipe.contours == tmp_path / "texts"
    for text in ("rule: generous\n", "colour: red\n"):
        path.write_text(text)
        with pytest.raises(ParamError):
            read_recipe(path)
    for text in ("- 1\n", "a: [", "!!python/object/apply:os.getcwd []\n"):
        path.write_text(text)
        with pytest.raises(ReadError):
            read_recipe(path)


def test_verification_notices_every_difference(tmp_path):
    arrays = {"image": np.arange(12, dtype=np.int16).reshape(3, 4), "target": np.eye(3, 4, dtype=bool)}
    write_npz(tmp_path, "a.npz", arrays)
    path = tmp_path / "a.npz"
    verify_npz(path, arrays)
    other = arrays["image"].copy()
    other[2, 3] += 1
    for wrong in ({**arrays, "image": other}, {"image": arrays["image"]}, {**arrays, "image": other.astype(np.int32)},
                  {**arrays, "target": arrays["target"].T}):
        with pytest.raises(VerifyError):
            verify_npz(path, wrong)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(VerifyError):
        verify_npz(path, arrays)
