"""The panel of masks and contours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PyQt6.QtWidgets import QAbstractButton, QCheckBox, QSlider

from medviewer.app.layers import ContourLayer, LabelLayer
from medviewer.core.contours import Contour, ContourSegment, ContourSet
from medviewer.core.labels import LabelMap, Segment
from medviewer.core.study import Series
from medviewer.gui.panels._overlay_tree import EYE, NAME, VOLUME, WHERE, volume_text
from medviewer.gui.panels.overlays import PANEL
from medviewer.ops.contour_cut import ContourCutter

pytestmark = pytest.mark.gui


@pytest.fixture
def panel(session, qtbot):  # noqa: ANN001, ANN201
    widget = PANEL.build(session, None)
    qtbot.addWidget(widget)
    widget.resize(300, 700)
    widget.show()
    return widget


def label_layer(image, count: int = 3, frame: str = "1.2.3", name: str = "mask") -> LabelLayer:  # noqa: ANN001
    array = np.zeros(image.volume.geometry.shape, np.uint16)
    for n in range(1, count + 1):
        array[n % 20, n % 50, : n % 40 + 1] = n
    array[5, 10:20, 10:20] = 2
    labels = LabelMap((array,), image.volume.geometry, tuple(Segment(n, f"organ {n}") for n in range(1, count + 1)))
    series = Series(name, "synthetic", "seg", (), description=name, frame_of_reference_uid=frame,
                    refers_to=image.series.series_uid)
    return LabelLayer(series, labels, name)


def contour_layer(frame: str = "1.2.3") -> ContourLayer:
    square = np.array([(0, 0, 110.0), (10, 0, 110), (10, 10, 110), (0, 10, 110)])
    drawn = (Contour(square), Contour(square + (0, 0, 2)))
    contours = ContourSet((ContourSegment(5, "GTV", (255, 0, 0), drawn),), frame)
    series = Series("rt", "synthetic", "rtstruct", (), description="rt", frame_of_reference_uid=frame)
    return ContourLayer(series, contours, ContourCutter(contours), "rt")


def rows(panel) -> list[tuple[str, list[str]]]:  # noqa: ANN001
    return [(i.text(NAME), [c.text(NAME) for c in panel.tree.segment_items(i)]) for i in panel.tree.layer_items()]


def test_empty_panel_has_a_text(panel) -> None:  # noqa: ANN001
    assert panel.empty.isVisible()
    assert not panel.tree.isVisible()


def test_volumes_are_measured_and_a_click_jumps(panel, session, make_image, qtbot) -> None:  # noqa: ANN001
    image = make_image()
    session.add_layer(image)
    session.series.append(replace(image.series, number=3))
    session.add_layer(label_layer(image))
    session.add_layer(contour_layer())
    qtbot.waitUntil(lambda: rows(panel) == [("mask", ["organ 1", "organ 2", "organ 3"]), ("rt", ["GTV"])])
    mask, rt = panel.tree.layer_items()
    organ, gtv = panel.tree.segment_items(mask)[1], panel.tree.segment_items(rt)[0]
    qtbot.waitUntil(lambda: organ.text(VOLUME) != "" and gtv.text(VOLUME) != "")
    assert organ.text(VOLUME) == volume_text((100 + 3) * 2.0 * 1.0 * 0.8 / 1000)
    assert gtv.text(VOLUME) == volume_text(100 * 2 * 2 / 1000)
    panel.tree.itemClicked.emit(organ, NAME)
    k, j, i = image.volume.geometry.to_index(session.focus())
    assert k == pytest.approx(5)
    assert 10 <= j < 20
    assert 10 <= i < 20
    panel.tree.itemClicked.emit(gtv, NAME)
    assert session.focus() == pytest.approx([5, 5, 110])


def test_origin_and_frame_are_told(panel, session, make_image, qtbot) -> None:  # noqa: ANN001
    image = make_image()
    session.add_layer(image)
    session.series.append(replace(image.series, number=3))
    session.add_layer(label_layer(image))
    session.add_layer(label_layer(image, frame="8.8", name="foreign"))
    qtbot.waitUntil(lambda: len(panel.tree.layer_items()) == 2)
    texts = [item.data(NAME, WHERE) for item in panel.tree.layer_items()]
    assert texts == [("drawn on series 3 · same frame", True),
                     ("drawn on series 3 · other frame of reference: not drawn", False)]


def test_eyes_and_style(panel, session, make_image, qtbot) -> None:  # noqa: ANN001
    image = make_image()
    layer, rt = label_layer(image), contour_layer()
    for x in (image, layer, rt):
        session.add_layer(x)
    qtbot.waitUntil(lambda: len(panel.tree.layer_items()) == 2)
    mask_item, rt_item = panel.tree.layer_items()
    panel.tree.itemClicked.emit(panel.tree.segment_items(mask_item)[0], EYE)
    panel.tree.itemClicked.emit(panel.tree.segment_items(rt_item)[0], EYE)
    panel.tree.itemClicked.emit(rt_item, EYE)
    assert layer.hidden == {(0, 1)}
    assert rt.hidden == {5}
    assert not rt.visible
    panel.tree.setCurrentItem(mask_item)
    panel.findChild(QSlider, "overlay-opacity").setValue(30)
    panel.findChild(QCheckBox, "overlay-fill").click()
    assert (layer.opacity, layer.fill, layer.outline) == (pytest.approx(0.3), False, True)
    panel.tree.setCurrentItem(rt_item)
    assert not panel.findChild(QCheckBox, "overlay-fill").isVisible()


def test_hide_and_show_all(panel, session, make_image, qtbot) -> None:  # noqa: ANN001
    image = make_image()
    layers = [label_layer(image), contour_layer()]
    for x in (image, *layers):
        session.add_layer(x)
    button = panel.findChild(QAbstractButton, "overlays-all")
    qtbot.waitUntil(lambda: button.isVisible() and button.text() == "Hide all")
    button.click()
    assert not any(x.visible for x in layers)
    qtbot.waitUntil(lambda: button.text() == "Show all")
    button.click()
    assert all(x.visible for x in layers)


def test_closing_the_chosen_layer(panel, session, make_image, qtbot) -> None:  # noqa: ANN001
    image = make_image()
    for x in (image, label_layer(image), contour_layer()):
        session.add_layer(x)
    qtbot.waitUntil(lambda: len(panel.tree.layer_items()) == 2)
    panel.tree.setCurrentItem(panel.tree.layer_items()[1])
    panel.findChild(QAbstractButton, "overlays-close").click()
    qtbot.waitUntil(lambda: [name for name, _ in rows(panel)] == ["mask"])


def test_many_segments_can_be_searched(panel, session, make_image, qtbot) -> None:  # noqa: ANN001
    image = make_image()
    session.add_layer(image)
    session.add_layer(label_layer(image, count=150))
    qtbot.waitUntil(lambda: panel.tree.segment_count() == 150)
    qtbot.waitUntil(panel.filter.isVisible)
    panel.filter.setText("organ 77")
    shown = [c.text(NAME) for c in panel.tree.segment_items(panel.tree.layer_items()[0]) if not c.isHidden()]
    assert shown == ["organ 77"]


@pytest.mark.parametrize(("ml", "text"), [(3621.4, "3621 ml"), (14.56, "14.6 ml"), (6.511, "6.51 ml"),
                                          (0.0052, "0.0052 ml")])
def test_volume_texts(ml: float, text: str) -> None:
    assert volume_text(ml) == text
