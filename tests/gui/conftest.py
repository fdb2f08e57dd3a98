"""The window under test: off screen, with fresh settings; leaks fail the test."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

os.environ["QT_QPA_PLATFORM"] = "offscreen"
os.environ.setdefault("QT_LOGGING_RULES", "qt.qpa.*=false")

from PyQt6.QtWidgets import QApplication  # noqa: E402

from medviewer.app.layers import ImageLayer  # noqa: E402
from medviewer.app.session import Session  # noqa: E402
from medviewer.app.settings import SettingsStore  # noqa: E402
from medviewer.core.geometry import Geometry  # noqa: E402
from medviewer.core.study import Series  # noqa: E402
from medviewer.core.volume import Volume  # noqa: E402
from medviewer.gui.main_thread import MainThread  # noqa: E402
from medviewer.io.base import Loaded  # noqa: E402

SHAPE = (20, 60, 50)
SPACING = (2.0, 1.0, 0.8)


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the tests away from the user's settings, sessions and caches."""
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


@pytest.fixture(autouse=True)
def _no_leaks(qapp: QApplication) -> Iterator[None]:
    """Fail a test that leaves a window open or a thread running."""
    threads = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and any(t.is_alive() and not t.daemon for t in set(threading.enumerate())
                                              - threads):
        time.sleep(0.02)
    left = [t.name for t in set(threading.enumerate()) - threads if t.is_alive() and not t.daemon]
    windows = [w.objectName() or type(w).__name__ for w in qapp.topLevelWidgets() if w.isVisible()]
    for widget in qapp.topLevelWidgets():
        widget.close()
    assert not left, f"threads left running: {left}"
    assert not windows, f"windows left open: {windows}"


@pytest.fixture
def settings(tmp_path: Path) -> SettingsStore:
    """Fresh settings."""
    return SettingsStore(tmp_path / "settings.json")


@pytest.fixture
def session(settings: SettingsStore, qapp: QApplication) -> Iterator[Session]:
    """An empty session whose answers come back on the main thread."""
    main = MainThread()
    made = Session(main.post, settings)
    yield made
    made.close()


@pytest.fixture
def make_image() -> Callable[..., ImageLayer]:
    """Make an image layer; by default value = 100 k + j + i / 10 in HU on an axial grid."""
    def make(values: np.ndarray | None = None, *, spacing: tuple[float, float, float] = SPACING, name: str = "image",
             frame: str = "1.2.3", **more: object) -> ImageLayer:
        if values is None:
            k, j, i = np.meshgrid(*map(np.arange, SHAPE), indexing="ij")
            values = (100 * k + j + i // 10).astype(np.int16)
        shape = values.shape[-3:]
        geometry = Geometry.from_spacing(shape, spacing, (-20.0, -30.0, 100.0))
        options: dict[str, object] = {"unit": "HU", "modality": "CT", "frame_of_reference_uid": frame}
        volume = Volume(values, geometry, **{**options, **more})  # type: ignore[arg-type]
        series = Series(id=name, reader="synthetic", kind="image", files=(), modality="CT", description=name,
                        series_uid=f"1.9.{name}", frame_of_reference_uid=frame, geometry=geometry,
                        time_points=volume.time_points)
        return ImageLayer(series, Loaded(volume))
    return make
