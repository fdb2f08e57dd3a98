"""The Alignment Inspector without a window."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue

import numpy as np
import pytest

from medviewer.app.inspector import BOTH, ONLY_A, ONLY_B
from medviewer.app.layers import ContourLayer, ImageLayer, LabelLayer
from medviewer.app.session import Session
from medviewer.app.settings import SettingsStore
from medviewer.core.geometry import Geometry
from medviewer.core.labels import LabelMap
from medviewer.core.study import Series
from medviewer.core.volume import Volume
from medviewer.io.base import Loaded
from medviewer.ops.contour_cut import ContourCutter
from medviewer.ops.contouring import mask_to_contours

SHAPE = (12, 30, 40)


@pytest.fixture
def calls() -> Queue[Callable[[], None]]:
    return Queue()


@pytest.fixture
def session(calls: Queue[Callable[[], None]], tmp_path: Path) -> Iterator[Session]:
    made = Session(calls.put, SettingsStore(tmp_path / "s.json"))
    geometry = Geometry.from_spacing(SHAPE, (2.0, 1.0, 0.5), (-5, 7, 20))
    series = Series("image", "t", "image", (), geometry=geometry)
    made.add_layer(ImageLayer(series, Loaded(Volume(np.zeros(SHAPE, np.int16), geometry))))
    made.set_task("check")
    yield made
    made.close()


def finish(session: Session, calls: Queue[Callable[[], None]]) -> None:
    deadline = time.monotonic() + 10
    while session.jobs.running:
        assert time.monotonic() < deadline
        try:
            calls.get(timeout=0.02)()
        except Empty:
            continue


def add(session: Session, array: np.ndarray, name: str) -> LabelLayer:
    geometry = session.active.volume.geometry  # type: ignore[union-attr]
    layer = LabelLayer(Series(name, "t", "labels", (), geometry=geometry), LabelMap.from_array(array, geometry), name)
    session.add_layer(layer)
    return layer


def masks() -> tuple[np.ndarray, np.ndarray]:
    a = np.zeros(SHAPE, np.uint8)
    a[3:9, 5:20, 10:30] = 1
    b = a.copy()
    b[7] = 0
    b[7, 8:20, 10:30] = 1  # three rows less in slice 7
    b[4, 5:20, 10:32] = 1  # two columns more in slice 4
    return a, b


def test_voxels_are_told_apart_and_the_worst_slice_comes_first(session: Session,
                                                               calls: Queue[Callable[[], None]]) -> None:
    a, b = masks()
    add(session, a, "a")
    add(session, b, "b")
    first, second = session.inspector.choices()
    session.inspector.start(first, second)
    finish(session, calls)
    result = session.inspector.result
    assert result is not None
    difference = result.layers["difference"].labels.array
    assert (difference == ONLY_A).sum() == 3 * 20
    assert (difference == ONLY_B).sum() == 15 * 2
    assert (difference == BOTH).sum() == (a & b).sum()
    strip = {r.slice: r for r in session.inspector.strip()}
    assert sorted(strip) == [3, 4, 5, 6, 7, 8]
    assert strip[7].dice == pytest.approx(2 * 240 / (300 + 240))
    geometry = session.active.volume.geometry  # type: ignore[union-attr]
    assert round(float(geometry.to_index(session.focus())[0])) == 7  # it went there by itself
    assert session.inspector.next_worst() == 4
    index = geometry.to_index(session.focus())
    assert difference[tuple(np.rint(index).astype(int))] == ONLY_B  # on the differing voxels
    assert session.inspector.next_worst() == 7  # and around again


def test_masks_that_agree_say_so(session: Session, calls: Queue[Callable[[], None]]) -> None:
    a, _ = masks()
    add(session, a, "a")
    add(session, a.copy(), "b")
    session.inspector.start(*session.inspector.choices())
    finish(session, calls)
    messages: list[str] = []
    session.message.connect(messages.append)
    assert session.inspector.next_worst() is None
    assert "agree" in messages[0]


def test_a_structure_set_is_compared_with_its_own_filling(session: Session,
                                                          calls: Queue[Callable[[], None]]) -> None:
    a, _ = masks()
    geometry = session.active.volume.geometry  # type: ignore[union-attr]
    contours = mask_to_contours(LabelMap.from_array(a, geometry))
    session.add_layer(ContourLayer(Series("c", "t", "rtstruct", ()), contours, ContourCutter(contours), "drawn"))
    add(session, a, "a")
    choices = {c.title: c for c in session.inspector.choices()}
    assert len(choices) == 4
    session.inspector.start(choices["drawn, filled: pixel-centre"], choices["a"])
    finish(session, calls)
    (row,) = session.inspector.result.comparison.labels  # type: ignore[union-attr]
    assert row.agreement.dice == 1.0
    session.inspector.start(choices["drawn, filled: pillow"], choices["a"])
    finish(session, calls)
    assert session.inspector.result.comparison.labels[0].agreement.dice < 1.0  # type: ignore[union-attr]


def test_it_is_shown_only_in_its_own_task_and_gone_with_the_image(session: Session,
                                                                  calls: Queue[Callable[[], None]]) -> None:
    a, b = masks()
    add(session, a, "a")
    add(session, b, "b")
    session.inspector.start(*session.inspector.choices())
    finish(session, calls)
    assert session.inspector.shown
    session.set_task("view")
    assert not session.inspector.shown
    session.clear_layers()
    assert session.inspector.result is None
