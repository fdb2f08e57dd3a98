"""Slice views: what is on the screen, and what the mouse does."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QWheelEvent
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from medviewer.app.layers import ImageLayer, LabelLayer
from medviewer.app.session import Session
from medviewer.app.views import LAYOUTS
from medviewer.core.labels import LabelMap
from medviewer.core.study import Series
from medviewer.core.volume import Window
from medviewer.gui.views.slice_view import SliceView
from medviewer.gui.views.view_grid import ViewGrid

pytestmark = pytest.mark.gui
MakeImage = Callable[..., ImageLayer]


@pytest.fixture
def grid(session: Session, make_image: MakeImage, qtbot: QtBot) -> Iterator[ViewGrid]:
    session.set_layout(LAYOUTS["1x3"])
    session.set_display(text_level=0, show_crosshair=False)
    session.settings.values.smooth = False
    session.add_layer(make_image())
    grid = ViewGrid(session)
    qtbot.addWidget(grid)
    grid.resize(1000, 420)
    grid.show()
    qtbot.waitExposed(grid)
    yield grid
    grid.close_views()


def view(grid: ViewGrid, content: str) -> SliceView:
    return next(w for w in grid.slice_views if w.view.content == content)


def grey_at(widget: SliceView, lps: np.ndarray) -> int:
    picture = widget.grab().toImage()
    plane = widget.view.plane()
    x, y = widget.to_xy(plane, np.asarray(lps, float))
    ratio = picture.devicePixelRatio()
    return picture.pixelColor(int(x * ratio), int(y * ratio)).red()


def centre(widget: SliceView) -> QPoint:
    return QPoint(widget.width() // 2, widget.height() // 2)


def wheel(widget: SliceView, delta: int, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    at = QPointF(centre(widget))
    event = QWheelEvent(at, widget.mapToGlobal(at), QPoint(), QPoint(0, delta), Qt.MouseButton.NoButton, modifiers,
                        Qt.ScrollPhase.NoScrollPhase, False)
    QApplication.sendEvent(widget, event)


def drag(qtbot: QtBot, widget: SliceView, start: QPoint, stop: QPoint,
         button: Qt.MouseButton = Qt.MouseButton.LeftButton) -> None:
    qtbot.mousePress(widget, button, pos=start)
    middle = QPoint((start.x() + stop.x()) // 2, (start.y() + stop.y()) // 2)
    for at in (middle, stop):
        qtbot.mouseMove(widget, at)
        event_at = QPointF(at)
        from PyQt6.QtGui import QMouseEvent

        QApplication.sendEvent(widget, QMouseEvent(QMouseEvent.Type.MouseMove, event_at, widget.mapToGlobal(event_at),
                                                   Qt.MouseButton.NoButton, button, Qt.KeyboardModifier.NoModifier))
    qtbot.mouseRelease(widget, button, pos=stop)


@pytest.mark.parametrize("content", ["axial", "coronal", "sagittal"])
def test_a_bright_voxel_is_drawn_where_it_lies(grid: ViewGrid, session: Session, make_image: MakeImage,
                                               content: str) -> None:
    values = np.full((20, 60, 50), -1000, np.int16)
    values[13, 22, 31] = 1000
    session.clear_layers()
    layer = make_image(values, name="spot")
    session.add_layer(layer)
    spot = layer.volume.geometry.to_lps((13, 22, 31))
    session.set_focus(spot)
    layer.set_window(Window(0, 2000))
    widget = view(grid, content)
    assert grey_at(widget, spot) > 250
    plane = widget.view.plane()
    for step in (plane.right * 4, plane.down * 4, -plane.right * 4, -plane.down * 4):
        assert grey_at(widget, spot + step) < 5


def test_grey_follows_the_window(grid: ViewGrid, session: Session) -> None:
    layer = session.active
    assert layer is not None
    lps = session.focus()
    value = layer.volume.value_at(tuple(np.rint(layer.volume.geometry.to_index(lps)).astype(int)))
    widget = view(grid, "axial")
    layer.set_window(Window(float(value), 400))
    assert grey_at(widget, lps) == pytest.approx(127, abs=2)
    layer.set_window(Window(float(value) + 100, 400))
    assert grey_at(widget, lps) == pytest.approx(127 - 64, abs=2)
    layer.set_inverted(True)
    assert grey_at(widget, lps) == pytest.approx(255 - 63, abs=2)


def test_the_wheel_scrolls_by_whole_notches_and_small_steps_add_up(grid: ViewGrid, session: Session) -> None:
    widget = view(grid, "axial")
    start = session.focus()[2]
    wheel(widget, 120)
    assert session.focus()[2] == pytest.approx(start + 2.0)
    for _ in range(8):
        wheel(widget, 15)  # a touch pad
    assert session.focus()[2] == pytest.approx(start + 4.0)
    wheel(widget, -120 * 50)
    assert session.focus()[2] == pytest.approx(100.0)  # stays inside


def test_ctrl_wheel_zooms_at_the_cursor(grid: ViewGrid, session: Session) -> None:
    widget = view(grid, "axial")
    at = np.array([centre(widget).x(), centre(widget).y()], float)
    before, scale = widget.to_lps(at), widget.view.scale
    wheel(widget, 120, Qt.KeyboardModifier.ControlModifier)
    assert widget.view.scale == pytest.approx(scale * 1.1)
    np.testing.assert_allclose(widget.to_lps(at), before, atol=1e-6)
    assert view(grid, "coronal").view.scale == widget.view.scale  # linked


def test_alt_wheel_changes_the_slab(grid: ViewGrid) -> None:
    widget = view(grid, "axial")
    wheel(widget, 240, Qt.KeyboardModifier.AltModifier)
    assert widget.view.slab_mm == 5.0


def test_dragging_right_widens_and_up_brightens(grid: ViewGrid, session: Session, qtbot: QtBot) -> None:
    widget = view(grid, "axial")
    before = session.active.window
    drag(qtbot, widget, centre(widget), centre(widget) + QPoint(40, 0))
    assert session.active.window.width > before.width
    assert session.active.window.centre == before.centre
    before, lps = session.active.window, session.focus()
    grey = grey_at(widget, lps)
    drag(qtbot, widget, centre(widget), centre(widget) + QPoint(0, -40))
    assert session.active.window.centre < before.centre
    assert grey_at(widget, lps) >= grey


def test_escape_rolls_a_gesture_back(grid: ViewGrid, session: Session, qtbot: QtBot) -> None:
    widget = view(grid, "axial")
    before = session.active.window
    qtbot.mousePress(widget, Qt.MouseButton.LeftButton, pos=centre(widget))
    qtbot.mouseMove(widget, centre(widget) + QPoint(60, 0))
    assert widget.cancel_gesture()
    assert session.active.window == before


def test_the_crosshair_links_all_views(grid: ViewGrid, session: Session, qtbot: QtBot) -> None:
    session.set_tool("crosshair")
    axial = view(grid, "axial")
    target = session.active.volume.geometry.to_lps((10, 15, 12))
    x, y = axial.to_xy(axial.view.plane(), target)
    qtbot.mousePress(axial, Qt.MouseButton.LeftButton, pos=QPoint(int(x), int(y)))
    qtbot.mouseRelease(axial, Qt.MouseButton.LeftButton, pos=QPoint(int(x), int(y)))
    pixel = 1.5 / axial.view.scale
    np.testing.assert_allclose(session.focus()[:2], target[:2], atol=pixel)
    for widget in grid.slice_views:
        assert abs(widget.view.plane().distance_mm(session.focus())) < 1e-9


def test_a_measured_length_equals_the_known_distance(grid: ViewGrid, session: Session, qtbot: QtBot) -> None:
    session.set_tool("length")
    axial = view(grid, "axial")
    geometry = session.active.volume.geometry
    a, b = geometry.to_lps((10, 10, 8)), geometry.to_lps((10, 40, 33))
    plane = axial.view.plane()
    known = np.hypot(30 * 1.0, 25 * 0.8)
    start, stop = (QPoint(*np.rint(axial.to_xy(plane, p)).astype(int).tolist()) for p in (a, b))
    drag(qtbot, axial, start, stop)
    (annotation,) = session.annotations.items
    from medviewer.ops.measure import describe, length_mm

    assert length_mm(*annotation.points_lps) == pytest.approx(known, abs=2 / axial.view.scale)
    assert describe(annotation, session.active.volume)[0].endswith(" mm")
    session.set_focus(geometry.to_lps((12, 10, 8)))
    assert axial.annotations_here(axial.view.plane(), session.active) == []  # only on its own slice


def test_a_click_leaves_no_length(grid: ViewGrid, session: Session, qtbot: QtBot) -> None:
    session.set_tool("length")
    axial = view(grid, "axial")
    qtbot.mouseClick(axial, Qt.MouseButton.LeftButton, pos=centre(axial))
    assert session.annotations.items == []


def test_roi_statistics_equal_numpy(grid: ViewGrid, session: Session, qtbot: QtBot) -> None:
    session.set_tool("rectangle")
    axial = view(grid, "axial")
    geometry, plane = session.active.volume.geometry, axial.view.plane()
    k = round(float(geometry.to_index(session.focus())[0]))
    corners = [geometry.to_lps((k, 9.5, 9.5)), geometry.to_lps((k, 29.5, 24.5))]
    start, stop = (QPoint(*np.rint(axial.to_xy(plane, p)).astype(int).tolist()) for p in corners)
    drag(qtbot, axial, start, stop)
    from medviewer.ops.measure import roi_statistics

    found = roi_statistics(session.active.volume, session.annotations.items[0])
    inside = session.active.volume.stored[k, 10:30, 10:25].astype(float)
    assert found is not None
    assert found.count == inside.size
    assert found.mean == pytest.approx(inside.mean())
    assert found.sd == pytest.approx(inside.std(ddof=1))
    assert (found.minimum, found.maximum) == (inside.min(), inside.max())


def test_masks_are_drawn_in_their_colour_and_can_be_hidden(grid: ViewGrid, session: Session) -> None:
    geometry = session.active.volume.geometry
    labels = np.zeros(geometry.shape, np.uint8)
    labels[8:13, 20:40, 15:35] = 2
    layer = LabelLayer(Series("m", "synthetic", "labels", (), geometry=geometry),
                       LabelMap.from_array(labels, geometry))
    axial, inside = view(grid, "axial"), geometry.to_lps((10, 30, 25))
    session.set_focus(inside)
    session.active.set_window(Window(1e4, 10))  # black below
    session.add_layer(layer)
    layer.set_opacity(1.0)
    picture = axial.grab().toImage()
    x, y = axial.to_xy(axial.view.plane(), inside)
    colour = picture.pixelColor(int(x), int(y))
    red, green, blue = layer.labels.segments[0].colour
    assert colour.red() == pytest.approx(0.4 * red, abs=3)
    assert colour.green() == pytest.approx(0.4 * green, abs=3)
    assert colour.blue() == pytest.approx(0.4 * blue, abs=3)
    session.set_display(show_overlays=False)
    assert grey_at(axial, inside) == 0


def test_double_click_shows_one_view_and_again_all(grid: ViewGrid, session: Session, qtbot: QtBot) -> None:
    coronal = view(grid, "coronal")
    qtbot.mouseDClick(coronal, Qt.MouseButton.LeftButton, pos=centre(coronal))
    assert [w.view.content for w in grid.slice_views if w.isVisible()] == ["coronal"]
    qtbot.mouseDClick(coronal, Qt.MouseButton.LeftButton, pos=centre(coronal))
    assert len([w for w in grid.slice_views if w.isVisible()]) == 3


def test_turning_a_cross_line_makes_the_other_plane_oblique(grid: ViewGrid, session: Session, qtbot: QtBot) -> None:
    session.set_tool("crosshair")
    session.set_display(show_crosshair=True)
    axial, coronal = view(grid, "axial"), view(grid, "coronal")
    middle = axial.to_xy(axial.view.plane(), session.focus())
    start = QPoint(int(middle[0] + 110), int(middle[1]))  # on the coronal line, far out
    stop = QPoint(int(middle[0] + 110), int(middle[1] + 60))
    drag(qtbot, axial, start, stop)
    assert coronal.view.is_oblique
    assert not axial.view.is_oblique
    turned = np.degrees(np.arccos(abs(coronal.view.plane().normal @ (0, 1, 0))))
    assert turned == pytest.approx(np.degrees(np.arctan2(60, 110)), abs=2)
    session.reset_views()
    assert not coronal.view.is_oblique


def test_layouts_switch_and_keep_the_crosshair(grid: ViewGrid, session: Session) -> None:
    target = session.active.volume.geometry.to_lps((4, 5, 6))
    session.set_focus(target)
    for layout in LAYOUTS.values():
        if any(cell.content == "3d" for cell in layout.cells):
            continue
        session.set_layout(layout)
        assert len(grid.slice_views) == len(layout.cells)
        np.testing.assert_allclose(session.focus(), target)


def test_two_frames_of_reference_scroll_together_with_a_kept_offset(session: Session, make_image: MakeImage) -> None:
    a, b = make_image(name="a", frame="1.1"), make_image(name="b", frame="2.2")
    session.set_layout(LAYOUTS["side-by-side"])
    session.add_layer(a)
    session.add_layer(b)
    assert [v.layer for v in session.views] == [a, b]
    session.synchronised = False
    session.scroll(session.views[1], 3)
    offset = session.focus(b) - session.focus(a)
    assert offset[2] == pytest.approx(6.0)
    session.synchronised = True
    session.scroll(session.views[0], 2)
    np.testing.assert_allclose(session.focus(b) - session.focus(a), offset)
