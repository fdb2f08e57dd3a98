"""A few thousand random events on a small study: no error, no warning of Qt, nothing that takes long."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from monkey import Monkey, without_3d
from pytestqt.qtbot import QtBot

from medviewer.app.session import Session
from medviewer.app.settings import SettingsStore
from medviewer.export.demo_study import write_demo_study
from medviewer.gui.main_thread import MainThread
from medviewer.gui.main_window import MainWindow

pytestmark = pytest.mark.gui
EVENTS = 1200


@pytest.fixture(scope="module")
def things_to_drop(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A CT with segmentation and structure set, a dynamic series, and what nobody can open."""
    folder = tmp_path_factory.mktemp("drops")
    study = write_demo_study(folder / "study", shape=(24, 48, 56))
    values = np.random.default_rng(2).integers(0, 900, (12, 10, 8, 3)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([2.0, 2.0, 3.0, 1.0])), folder / "dynamic.nii.gz")
    (folder / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 99)
    (folder / "empty.nii.gz").write_bytes(b"")
    (folder / "nothing").mkdir()
    return [study, *(folder / n for n in ("dynamic.nii.gz", "broken.dcm", "empty.nii.gz", "nothing", "gone"))]


@pytest.mark.parametrize("seed", [1, 2])
def test_random_events(seed: int, things_to_drop: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                       qtbot: QtBot) -> None:
    monkeypatch.chdir(tmp_path)  # texts typed into path fields stay here
    main = MainThread()
    window = MainWindow(Session(main.post, SettingsStore(tmp_path / "settings.json")))
    qtbot.addWidget(window)
    window.show()
    without_3d(window)
    window.session.open_paths(things_to_drop[:1])
    qtbot.waitUntil(lambda: len(window.session.layers) == 3, timeout=20_000)
    try:
        Monkey(window, seed, things_to_drop, tmp_path).run(EVENTS)
    finally:
        window.close()
