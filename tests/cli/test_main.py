"""The frame of the command line: which command runs, exit status, one sentence instead of a traceback."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from medviewer.app.screenshot_request import ScreenshotRequest
from medviewer.cli.main import run
from medviewer.core.errors import Cancelled, ReadError
from medviewer.core.volume import Window


class FakeWindow:
    """Remembers what it was asked for."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.opened: list[tuple[list[Path], bool]] = []
        self.pictures: list[ScreenshotRequest] = []
        self.error = error

    def open(self, paths, demo: bool) -> int:
        self.opened.append((list(paths), demo))
        if self.error is not None:
            raise self.error
        return 0

    def picture(self, request: ScreenshotRequest) -> int:
        self.pictures.append(request)
        return 0

    def run(self, *argv: object) -> int:
        return run([str(a) for a in argv], self.open, self.picture)


@pytest.fixture
def window() -> FakeWindow:
    return FakeWindow()


def test_without_arguments_the_window_opens_empty(window):
    assert window.run() == 0
    assert window.opened == [([], False)]


def test_paths_open_the_window(window, tmp_path):
    strange = tmp_path / "info scan"
    strange.mkdir()
    assert window.run(strange, tmp_path) == 0
    assert window.opened == [([strange, tmp_path], False)]


def test_a_path_named_like_an_option_opens_after_two_dashes(window, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("--help").touch()
    assert window.run("--", "--help") == 0
    assert window.opened == [([Path("--help")], False)]


def test_demo_opens_the_demo_study(window):
    assert window.run("demo") == 0
    assert window.opened == [([], True)]


def test_demo_can_be_only_written(window, tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr("medviewer.export.demo_study.write_demo_study",
                        lambda folder, *, job: asked.append(folder) or folder)
    assert window.run("demo", "--write", tmp_path / "study") == 0
    assert asked == [tmp_path / "study"]
    assert not window.opened
    assert "study" in capsys.readouterr().err


def test_help_and_version(window, capsys):
    assert window.run("--help") == 0
    shown = capsys.readouterr().out
    for name in ("info", "screenshot", "convert", "export", "doctor", "demo"):
        assert name in shown
    # commands that are not there yet do not appear
    assert not re.search(r"^\W*(segment|train|nodules)\s", shown, re.MULTILINE)
    assert window.run("--version") == 0
    assert capsys.readouterr().out.startswith("medviewer 0.")
    assert not window.opened


@pytest.mark.parametrize("argv", [
    ("infoo",), ("/no/such/file",), ("info",), ("info", "/no/such/file"), ("info", "--wrong", "."), ("--wrong",),
    ("doctor", "/no/such/file"), ("export", "."), ("export", ".", "-o", "out"), ("convert", "."),
    ("convert", ".", "out.docx"), ("export", ".", "-o", "out", "--layout", "nothing"),
    ("export", "/no/such/file", "-o", "out", "--layout", "npz-slices"),
    ("export", ".", "-o", "out", "--layout", "npz-slices", "--rule", "generous"),
    ("export", ".", "-o", "out", "--recipe", "missing.yaml"), ("screenshot", "."), ("screenshot", "-o", "x.png"),
])
def test_what_cannot_start_gives_one_sentence_and_status_2(window, argv, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert window.run(*argv) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.strip()
    assert "Traceback" not in said.err
    assert not window.opened
    assert not list(tmp_path.iterdir())


def test_a_misspelt_command_is_recognised(window, capsys):
    assert window.run("inof", "x") == 2
    assert "Did you mean info?" in capsys.readouterr().err


@pytest.mark.parametrize(("error", "status"), [
    (KeyboardInterrupt(), 130), (Cancelled(), 130), (ReadError("the file is bad", path="x.dcm"), 2),
    (MemoryError(), 2), (OSError(28, "No space left on device"), 2), (RuntimeError("surprise"), 2),
])
def test_no_error_shows_a_traceback(error, status, capsys):
    window = FakeWindow(error)
    assert window.run() == status
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1 or (status == 130 and not said)


def test_debug_shows_the_traceback(capsys):
    window = FakeWindow(RuntimeError("surprise"))
    assert window.run("--debug") == 2
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_during_work_ends_with_130(tmp_path, monkeypatch, capsys):
    def scan_all(paths, job):
        os.kill(os.getpid(), signal.SIGINT)
        job.check()
        raise AssertionError("the job went on")

    monkeypatch.setattr("medviewer.io.access.scan_all", scan_all)
    before = signal.getsignal(signal.SIGINT)
    assert FakeWindow().run("info", tmp_path) == 130
    assert signal.getsignal(signal.SIGINT) is before
    assert "Traceback" not in capsys.readouterr().err


def test_nothing_slow_is_imported_for_help():
    code = ("import sys, medviewer\nassert 'numpy' not in sys.modules\nfrom medviewer.__main__ import main\n"
            "status = main(['--help'])\n"
            "slow = {'scipy', 'vtk', 'PyQt6', 'pydicom', 'SimpleITK', 'nibabel', 'highdicom', 'torch', 'PIL'}\n"
            "assert not slow & set(sys.modules), slow & set(sys.modules)\nsys.exit(status)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    command = f"{sys.executable} -m medviewer info --json {tmp_path} | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr


def test_screenshot_request(window, tmp_path):
    scan, mask, dose = (tmp_path / n for n in ("scan", "mask.dcm", "dose.dcm"))
    for path in (scan, mask, dose):
        path.touch()
    out = tmp_path / "picture.png"
    assert window.run("screenshot", scan, "-o", out, "--mask", mask, "--overlay", dose, "--task", "check", "--layout",
                      "1+3", "--window", "lung", "--at", "-10.5,20,-116.25", "--size", "800x600", "--theme", "light",
                      "--scale", "2", "--names") == 0
    assert window.pictures == [ScreenshotRequest(
        (scan,), out, (mask,), (dose,), "check", "1+3", Window(-600, 1500, "Lung"), (-10.5, 20.0, -116.25), (800, 600),
        "light", 2.0, True)]


def test_names_are_hidden_in_screenshots_by_default(window, tmp_path):
    assert window.run("screenshot", tmp_path, "-o", tmp_path / "x.png") == 0
    assert window.pictures[0].names is False
    assert window.pictures[0].window is None


def test_a_window_may_be_given_in_numbers(window, tmp_path):
    assert window.run("screenshot", tmp_path, "-o", tmp_path / "x.png", "--window", "1500/-600") == 0
    assert window.pictures[0].window == Window(-600.0, 1500.0)


@pytest.mark.parametrize("options", [
    ("-o", "x.jpg"), ("-o", "x.png", "--size", "big"), ("-o", "x.png", "--size", "10x10"),
    ("-o", "x.png", "--at", "1,2"),
    ("-o", "x.png", "--at", "1,2,nan"), ("-o", "x.png", "--window", "pink"), ("-o", "x.png", "--layout", "9x9"),
    ("-o", "x.png", "--task", "cook"), ("-o", "x.png", "--theme", "pink"), ("-o", "x.png", "--scale", "0"),
    ("-o", "x.png", "--mask", "missing.dcm"), ("-o", "x.png", "--window", "0/5"),
])
def test_impossible_screenshots_are_refused(window, tmp_path, options, capsys):
    assert window.run("screenshot", tmp_path, *options) == 2
    assert not window.pictures
    assert "Traceback" not in capsys.readouterr().err
