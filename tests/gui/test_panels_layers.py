"""The panel of open images: state to widgets and back."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QWheelEvent
from PyQt6.QtWidgets import QAbstractButton, QApplication, QCheckBox, QComboBox, QDoubleSpinBox, QSlider, QWidget

from medviewer.core.volume import Window
from medviewer.gui.panels.layers import PANEL

pytestmark = pytest.mark.gui


@pytest.fixture
def panel(session, qtbot):  # noqa: ANN001, ANN201
    widget = PANEL.build(session, None)
    qtbot.addWidget(widget)
    widget.resize(300, 700)
    widget.show()
    return widget


def find(panel: QWidget, kind: type, name: str):  # noqa: ANN201
    found = panel.findChild(kind, name)
    assert found is not None, name
    return found


def test_empty_panel_says_what_to_do(panel) -> None:  # noqa: ANN001
    assert panel.empty.isVisible()
    assert not find(panel, QDoubleSpinBox, "window-centre").isVisible()


def test_window_is_shown_with_unit_and_set(panel, session, make_image, qtbot) -> None:  # noqa: ANN001
    layer = make_image()
    session.add_layer(layer)
    layer.set_window(Window(-600, 1500))
    centre, width = (find(panel, QDoubleSpinBox, f"window-{n}") for n in ("centre", "width"))
    qtbot.waitUntil(lambda: centre.value() == -600 and width.value() == 1500)
    assert centre.suffix() == " HU"
    assert find(panel, QComboBox, "window-preset").currentText().startswith("Lung")
    centre.setValue(30)
    assert (layer.window.centre, layer.window.width) == (30, 1500)
    qtbot.waitUntil(lambda: find(panel, QComboBox, "window-preset").currentIndex() == -1)


def test_preset_invert_and_colours(panel, session, make_image, qtbot) -> None:  # noqa: ANN001
    layer = make_image()
    session.add_layer(layer)
    preset, colours = find(panel, QComboBox, "window-preset"), find(panel, QComboBox, "window-lut")
    qtbot.waitUntil(lambda: preset.count() > 5)
    preset.setCurrentIndex(preset.findText("Bone", Qt.MatchFlag.MatchStartsWith))
    preset.activated.emit(preset.currentIndex())
    assert (layer.window.centre, layer.window.width) == (350, 2000)
    find(panel, QCheckBox, "window-invert").click()
    assert layer.inverted
    colours.setCurrentIndex(colours.findData("hot"))
    colours.activated.emit(colours.currentIndex())
    assert layer.lut == "hot"


def test_presets_in_hu_are_not_offered_for_other_units(panel, session, make_image, qtbot) -> None:  # noqa: ANN001
    session.add_layer(make_image(unit="", modality="MR", windows=(Window(400, 800, "T1"),)))
    preset = find(panel, QComboBox, "window-preset")
    qtbot.waitUntil(lambda: preset.count() == 2)
    assert preset.itemText(1).startswith("T1")


def test_automatic_window_covers_the_values(panel, session, make_image, qtbot) -> None:  # noqa: ANN001
    layer = make_image()
    session.add_layer(layer)
    find(panel, QAbstractButton, "window-auto").click()
    assert layer.window.name == "Auto"
    low, high = layer.window.centre - layer.window.width / 2, layer.window.centre + layer.window.width / 2
    assert low < 100
    assert high > 1800  # values 0 ... 1963


def test_rows_activate_hide_and_close(panel, session, make_image, qtbot) -> None:  # noqa: ANN001
    a, b = make_image(name="a"), make_image(name="b")
    session.add_layer(a)
    session.add_layer(b)
    qtbot.waitUntil(lambda: panel.findChild(QAbstractButton, f"image-active-{b.number}") is not None)
    find(panel, QAbstractButton, f"image-active-{b.number}").click()
    assert session.active is b
    find(panel, QAbstractButton, f"image-eye-{a.number}").click()
    assert not a.visible
    find(panel, QAbstractButton, f"image-close-{b.number}").click()
    assert session.images() == [a]
    qtbot.waitUntil(lambda: len(panel._shown) == 1)


def test_fusion_offers_only_the_same_frame(panel, session, make_image, qtbot) -> None:  # noqa: ANN001
    ct, pet, other = make_image(name="ct"), make_image(name="pet"), make_image(name="other", frame="9.9")
    for layer in (ct, pet, other):
        session.add_layer(layer)
    combo = find(panel, QComboBox, "fusion-image")
    qtbot.waitUntil(lambda: combo.count() == 2)
    assert [combo.itemText(n) for n in range(2)] == ["None", "pet"]
    combo.setCurrentIndex(1)
    combo.activated.emit(1)
    assert session.fusion is pet
    slider = find(panel, QSlider, "fusion-opacity")
    qtbot.waitUntil(slider.isVisible)
    slider.setValue(80)
    assert pet.opacity == pytest.approx(0.8)
    find(panel, QAbstractButton, "fusion-off").click()
    assert session.fusion is None


def test_slab_acts_on_all_slice_views(panel, session, make_image, qtbot) -> None:  # noqa: ANN001
    session.add_layer(make_image())
    spin, mode = find(panel, QDoubleSpinBox, "slab-thickness"), find(panel, QComboBox, "slab-mode")
    qtbot.waitUntil(spin.isVisible)
    mode.setCurrentIndex(mode.findData("min"))
    mode.activated.emit(mode.currentIndex())
    spin.setValue(12)
    slices = [v for v in session.views if v.content != "3d"]
    assert {(v.slab_mm, v.slab) for v in slices} == {(12.0, "min")}
    slices[0].set_slab(0.0)
    qtbot.waitUntil(lambda: spin.value() == 0)
    assert spin.text() == "One slice"


def test_time_slider_only_for_dynamic_series(panel, session, make_image, qtbot) -> None:  # noqa: ANN001
    layer = make_image(np.zeros((5, 4, 6, 7), np.int16))
    session.add_layer(layer)
    slider = find(panel, QSlider, "time-slider")
    qtbot.waitUntil(slider.isVisible)
    slider.setValue(3)
    assert layer.time_point == 3
    layer.set_time_point(1)
    qtbot.waitUntil(lambda: slider.value() == 1)
    find(panel, QAbstractButton, "time-play").click()
    assert session.cine
    session.toggle_cine()


def test_wheel_does_not_change_a_value_that_was_not_clicked(panel, session, make_image, qtbot) -> None:  # noqa: ANN001
    layer = make_image()
    session.add_layer(layer)
    spin = find(panel, QDoubleSpinBox, "window-centre")
    qtbot.waitUntil(spin.isVisible)
    before = layer.window.centre
    QApplication.sendEvent(spin, QWheelEvent(QPointF(5, 5), QPointF(spin.mapToGlobal(QPoint(5, 5))), QPoint(),
                                             QPoint(0, 240), Qt.MouseButton.NoButton,
                                             Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False))
    assert layer.window.centre == before
