"""`medviewer check`: exit status, JSON, HTML, repairs."""

from __future__ import annotations

import json

from medviewer.cli.main import run
from tests.export.chests import organs, write_case


def command(*argv: object) -> int:
    return run([str(a) for a in argv], lambda paths, demo: 0, lambda request: 0)


def test_status_tells_right_wrong_and_nothing(tmp_path, capsys):
    write_case(tmp_path / "right", 11)
    assert command("check", tmp_path / "right") == 0
    assert "1 masks checked, 0 with problems" in capsys.readouterr().err
    write_case(tmp_path / "wrong", 11, organs(11)[:, ::-1])
    assert command("check", "--json", tmp_path / "wrong") == 1
    (case,) = json.loads(capsys.readouterr().out)["cases"]
    assert case["problems"][0]["code"] == "flip-ap"
    assert case["mask"].endswith("chest_011.nii.gz")
    (tmp_path / "empty").mkdir()
    assert command("check", tmp_path / "empty") == 2
    assert command("check", tmp_path / "missing") == 2


def test_named_mask_and_html(tmp_path, capsys):
    mask = write_case(tmp_path, 12, organs(12)[::-1])
    plain = tmp_path / "elsewhere.nii.gz"  # a name that does not say what it holds
    mask.rename(plain)
    report = tmp_path / "report.html"
    assert command("check", tmp_path / "imagesTr", "--mask", plain, "--html", report) == 1
    assert "flip-hf" in report.read_text(encoding="utf-8")
    assert "head and feet exchanged" in capsys.readouterr().err


def test_repairs_need_a_folder_and_leave_the_mask_alone(tmp_path, capsys):
    mask = write_case(tmp_path / "d", 11, organs(11)[:, ::-1])
    before = mask.read_bytes()
    assert command("check", tmp_path / "d", "--fix", "apply-transform") == 2
    assert command("check", tmp_path / "d", "--fix", "apply-transform", "--out", tmp_path / "o", "--json") == 1
    (written,) = json.loads(capsys.readouterr().out)["written"]
    assert written.endswith("chest_011_apply-transform.nii.gz")
    assert mask.read_bytes() == before
