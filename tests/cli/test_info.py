"""`info` and `doctor`: fields, exit status, and what garbage does to them."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medviewer.cli.main import run
from medviewer.cli.output import jsonable

SERIES_FIELDS = {  # SPEC, section 7
    "id": str, "modality": str, "description": str, "patient_id": str, "study_uid": str, "series_uid": str, "kind": str,
    "shape": list, "spacing_mm": list, "affine_lps": list, "dtype": str, "unit": str, "files": int, "frames": int,
    "transfer_syntax": str, "warnings": list,
}


def command(*argv: object) -> int:
    return run([str(a) for a in argv], lambda paths, demo: 0, lambda request: 0)


def strict_json(text: str) -> dict:
    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture
def nifti(tmp_path) -> Path:
    """A RAS image of 2 x 3 x 4 mm voxels whose first voxel lies at RAS (-10, -20, -30)."""
    affine = np.array([[2, 0, 0, -10], [0, 3, 0, -20], [0, 0, 4, -30], [0, 0, 0, 1]], float)
    path = tmp_path / "scan" / "brain.nii.gz"
    path.parent.mkdir()
    nibabel.save(nibabel.Nifti1Image(np.arange(5 * 6 * 7, dtype=np.int16).reshape(5, 6, 7), affine), path)
    return path


def test_json_fields(nifti, capsys):
    assert command("info", "--json", nifti) == 0
    document = strict_json(capsys.readouterr().out)
    assert document["skipped"] == []
    (series,) = document["series"]
    for name, kind in SERIES_FIELDS.items():
        assert isinstance(series[name], kind), name
    assert series["kind"] == "image"
    assert series["files"] == 1
    assert series["paths"] == [str(nifti)]
    assert series["dtype"] == "int16"
    # every voxel keeps its place, in whatever order the reader puts the axes: RAS (x, y, z) -> LPS (-x, -y, z)
    affine, shape = np.array(series["affine_lps"]), series["shape"]
    assert sorted(shape) == [5, 6, 7]
    corners = {tuple(np.round(affine @ [k, j, i, 1], 6)[:3]) for k in (0, shape[0] - 1) for j in (0, shape[1] - 1)
               for i in (0, shape[2] - 1)}
    assert corners == {(x, y, z) for x in (10, 2) for y in (20, 5) for z in (-30, -6)}
    np.testing.assert_allclose(series["spacing_mm"], np.linalg.norm(affine[:3, :3], axis=0), atol=1e-6)


def test_text_goes_to_stderr(nifti, capsys):
    assert command("info", nifti) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "7 slices" in said.err


def test_one_bad_file_does_not_stop_the_others(nifti, capsys):
    bad = nifti.parent / "broken.nii"
    bad.write_bytes(b"")
    assert command("info", "--json", nifti.parent) == 1
    document = strict_json(capsys.readouterr().out)
    assert len(document["series"]) == 1
    (skipped,) = document["skipped"]
    assert skipped["path"] == str(bad)
    assert skipped["reason"]


def test_one_missing_path_does_not_stop_the_others(nifti, capsys):
    assert command("info", "--json", nifti, nifti.parent / "missing.dcm") == 1
    document = strict_json(capsys.readouterr().out)
    assert len(document["series"]) == len(document["skipped"]) == 1


def test_nothing_readable_is_status_2_with_a_document(tmp_path, capsys):
    (tmp_path / "scan.dcm").write_bytes(b"not an image")
    assert command("info", "--json", tmp_path) == 2
    document = strict_json(capsys.readouterr().out)
    assert document["series"] == []
    assert len(document["skipped"]) == 1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["x.dcm", "x.nii", "x.nii.gz", "x.nrrd", "x.mha", "noname"])
def test_garbage_gives_no_traceback(tmp_path, name, seed, capsys):
    heads = (b"", b"\0" * 128 + b"DICM", b"NRRD0004\n", b"\x1f\x8b\x08", b"\x5c\x01\0\0", b"ObjectType = Image\n")
    path = tmp_path / name
    random.seed(seed)
    path.write_bytes(heads[(seed * 2 + len(name)) % len(heads)] + random.randbytes(3000))
    for argv in (("info", "--json", path), ("doctor", "--json", path), ("convert", path, tmp_path / "out.nii.gz"),
                 ("export", path, "-o", tmp_path / "out", "--layout", "npz-slices")):
        assert command(*argv) in (1, 2)
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        if "--json" in argv:
            strict_json(said.out)
    assert not (tmp_path / "out.nii.gz").exists()


def test_file_names_cannot_steer_the_terminal(tmp_path, capsys):
    (tmp_path / "evil\x1b[2J.dcm").write_bytes(b"x" * 10)
    command("info", tmp_path)
    assert "\x1b" not in capsys.readouterr().err


def test_doctor_reads_the_voxels(nifti, capsys):
    assert command("doctor", nifti) == 0
    whole = nifti.read_bytes()
    nifti.write_bytes(whole[:len(whole) // 2])
    assert command("doctor", "--json", nifti) in (1, 2)
    document = strict_json(capsys.readouterr().out)
    assert document["skipped"] or document["series"][0]["problems"]


def test_doctor_of_the_installation(capsys):
    status = command("doctor", "--json")
    checks = strict_json(capsys.readouterr().out)["checks"]
    assert {"program", "packages", "decoders", "3d", "qt", "memory", "disk", "settings"} <= {c["id"] for c in checks}
    assert all(c["fix"] for c in checks if c["status"] != "ok")
    assert status == (0 if all(c["status"] == "ok" for c in checks) else 1)


def test_convert_writes_an_image_another_reader_understands(nifti, tmp_path, capsys):
    out = tmp_path / "las.nii.gz"
    assert command("convert", nifti.parent, out, "--orient", "LAS") == 0
    source, made = nibabel.load(nifti), nibabel.load(out)
    assert nibabel.aff2axcodes(made.affine) == ("L", "A", "S")
    np.testing.assert_array_equal(np.asanyarray(made.dataobj), np.asanyarray(source.dataobj)[::-1])
    np.testing.assert_allclose(made.affine @ [0, 0, 0, 1], source.affine @ [4, 0, 0, 1], atol=1e-4)
    assert capsys.readouterr().out == ""


def test_convert_never_writes_onto_its_source(nifti, capsys):
    before = nifti.read_bytes()
    assert command("convert", nifti, nifti) == 2
    assert nifti.read_bytes() == before


def test_the_program_as_users_start_it(nifti):
    done = subprocess.run([sys.executable, "-m", "medviewer", "info", "--json", str(nifti.parent)],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert strict_json(done.stdout)["series"][0]["kind"] == "image"


def test_what_json_cannot_hold_becomes_null():
    value = {"a": float("nan"), "b": [np.float32(1.5), np.inf], "c": Path("x"), "d": "\udce4", 1: np.arange(2)}
    assert jsonable(value) == {"a": None, "b": [1.5, None], "c": "x", "d": "?", "1": [0, 1]}
