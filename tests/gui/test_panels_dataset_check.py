"""The data set check in the real window: worst first, a click opens the case."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from medviewer.app.session import Session
from medviewer.app.settings import SettingsStore
from medviewer.app.views import LAYOUTS
from medviewer.gui.main_thread import MainThread
from medviewer.gui.main_window import MainWindow
from medviewer.gui.panels.dataset_check import DatasetCheckPanel

pytestmark = pytest.mark.gui


@pytest.fixture
def window(settings: SettingsStore, qtbot: QtBot) -> Iterator[MainWindow]:
    settings.update(hints_seen=True)
    main = MainThread()
    made = MainWindow(Session(main.post, settings))
    made.setProperty("keep", main)
    qtbot.addWidget(made)
    made.resize(1300, 800)
    made.show()
    made.session.set_layout(LAYOUTS["single"])
    made.session.set_task("check")
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two cases: one right, one whose mask is empty; and one image that is damaged."""
    data = tmp_path / "set"
    rng = np.random.default_rng(3)
    affine = np.diag([-1.0, -1.0, 2.0, 1.0])
    for part in ("imagesTr", "labelsTr"):
        (data / part).mkdir(parents=True)
    for name in ("right", "empty", "damaged"):
        values = rng.normal(-900, 20, (48, 48, 24))
        values[8:40, 8:40, 2:22] = rng.normal(40, 10, (32, 32, 20))
        values[16:28, 18:30, 6:16] += 150
        mask = np.zeros(values.shape, np.uint8)
        if name != "empty":
            mask[16:28, 18:30, 6:16] = 1
        nibabel.save(nibabel.Nifti1Image(values.astype(np.int16), affine), data / "imagesTr" / f"{name}_0000.nii.gz")
        nibabel.save(nibabel.Nifti1Image(mask, affine), data / "labelsTr" / f"{name}.nii.gz")
    broken = data / "imagesTr" / "damaged_0000.nii.gz"
    broken.write_bytes(broken.read_bytes()[:900])
    return data


def test_the_wrong_case_comes_first_and_opens(window: MainWindow, folder: Path, tmp_path: Path, qtbot: QtBot) -> None:
    panel = window.findChild(DatasetCheckPanel)
    panel.check.start([folder])
    qtbot.waitUntil(lambda: panel.check.report is not None, timeout=60_000)
    qtbot.waitUntil(lambda: panel.tree.topLevelItemCount() >= 2, timeout=3000)
    rows = [(panel.tree.topLevelItem(n).text(1), panel.tree.topLevelItem(n).text(2))
            for n in range(panel.tree.topLevelItemCount())]
    assert rows[0][0] == "empty.nii.gz"
    assert "right.nii.gz" in {name for name, _ in rows}
    assert next(text for name, text in rows if name == "right.nii.gz") == "nothing suspicious"
    good = next(n for n, (name, _) in enumerate(rows) if name == "right.nii.gz")
    panel.tree.itemClicked.emit(panel.tree.topLevelItem(good), 0)
    session = window.session
    qtbot.waitUntil(lambda: bool(session.labels()) and not session.jobs.running, timeout=20_000)
    assert session.active is not None
    assert session.active.name == "right_0000"
    panel.check.save_html(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "empty.nii.gz" in text
    assert "<script" not in text
