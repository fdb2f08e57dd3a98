"""The drawing process and the widget really draw, off screen; directions, colours, picks, death and restart."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PyQt6.QtCore import QPoint, Qt  # noqa: E402

from medviewer.core.geometry import Geometry  # noqa: E402
from medviewer.core.volume import Volume  # noqa: E402
from medviewer.gui.views.render3d.client import Callbacks, RenderClient  # noqa: E402
from medviewer.gui.views.render3d.scene import (  # noqa: E402
    Camera,
    CropBox,
    PickRequest,
    RenderRequest,
    SliceItem,
    SurfaceItem,
    VolumeItem,
)
from medviewer.gui.views.render3d.view3d import View3D  # noqa: E402
from medviewer.ops.mesh import surface  # noqa: E402
from medviewer.ops.render_grid import render_grid  # noqa: E402
from medviewer.ops.volume_presets import PRESETS  # noqa: E402

pytestmark = pytest.mark.gui
SIZE = 160
WAIT_S = 60.0
LEFT, FRONT, HEAD = (30.0, 0.0, 0.0), (0.0, -30.0, 0.0), (0.0, 0.0, 30.0)  # LPS: +x left, -y front, +z head
# where the patient's left and head, and for H and F the front, appear: (right of the middle, below the middle)
SIDES = {
    "A": {LEFT: (1, 0), HEAD: (0, -1)}, "P": {LEFT: (-1, 0), HEAD: (0, -1)},
    "L": {FRONT: (-1, 0), HEAD: (0, -1)}, "R": {FRONT: (1, 0), HEAD: (0, -1)},
    "H": {LEFT: (-1, 0), FRONT: (0, -1)}, "F": {LEFT: (1, 0), FRONT: (0, -1)},
}


def axial(shape=(44, 44, 44), spacing=2.0):
    return Geometry.from_spacing(shape, (spacing,) * 3, tuple(-(n - 1) / 2 * spacing for n in shape[::-1]))


def stored_otherwise(kind):
    """The same box of 86 mm about the origin in another storage order."""
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    order, signs = {"HPL": ((2, 1, 0), (1, 1, 1)), "FAR": ((2, 1, 0), (-1, -1, -1)), "HPR": ((2, 1, 0), (1, 1, -1)),
                    "LHA": ((0, 2, 1), (1, 1, -1))}[kind]
    for axis, (row, sign) in enumerate(zip(order, signs, strict=True)):
        affine[row, axis] = 2.0 * sign
    affine[:3, 3] = -affine[:3, :3] @ np.full(3, 21.5)
    return Geometry((44, 44, 44), affine)


def spots(geometry, *places, radius_mm=9.0, hu=1500):
    kji = np.stack(np.meshgrid(*(np.arange(n) for n in geometry.shape), indexing="ij"), axis=-1)
    lps = geometry.to_lps(kji)
    values = np.full(geometry.shape, -1000, np.int16)
    for place in places:
        values[((lps - place) ** 2).sum(axis=-1) < radius_mm**2] = hu
    return Volume(values, geometry, unit="HU", modality="CT")


def bone(volume):
    return VolumeItem(render_grid(volume), PRESETS["ct-bone"].look)


def ball_surface(centre=(0.0, 0.0, 0.0), radius_mm=20.0):
    geometry = axial()
    return surface(spots(geometry, centre, radius_mm=radius_mm).stored > 0, geometry)


class Bench:
    """A client whose answers are waited for."""

    def __init__(self):
        self.frames, self.picks, self.states = queue.Queue(), queue.Queue(), queue.Queue()
        self.client = RenderClient(Callbacks(self.frames.put, lambda n, lps: self.picks.put((n, lps)),
                                             lambda s, r: self.states.put((s, r))))
        self.client.set_background((0, 0, 0))
        self.client.start()
        self.serial = 0

    def draw(self, camera=None, quality="full", size=SIZE):
        self.serial += 1
        camera = camera or Camera.standard("A", (0, 0, 0), 50)
        self.client.render(RenderRequest(self.serial, camera, size, size, quality))
        while True:
            frame = self.frames.get(timeout=WAIT_S)
            if frame.serial == self.serial:
                return frame

    def pick(self, x, y, camera):
        self.client.pick(PickRequest(7, camera, x, y, SIZE, SIZE))
        return self.picks.get(timeout=WAIT_S)[1]


@pytest.fixture(scope="module")
def shared_tester():
    tester = Bench()
    yield tester
    pid = tester.client.pid
    tester.client.close()
    assert not is_running(pid)


@pytest.fixture
def tester(shared_tester):
    yield shared_tester
    shared_tester.client.set_volume(None)
    shared_tester.client.set_slices(())
    shared_tester.client.set_crop(None)
    shared_tester.client.remove_surface("s")
    shared_tester.client.remove_surface("t")


def is_running(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def middle_of_light(pixels):
    """Offset of the centre of light from the middle, in parts of the picture (right, down)."""
    light = pixels.astype(float).sum(axis=2)
    y, x = np.mgrid[: light.shape[0], : light.shape[1]]
    return (np.array([(x * light).sum(), (y * light).sum()]) / light.sum() + 0.5) / SIZE - 0.5


@pytest.mark.parametrize("side", SIDES)
def test_volume_is_the_right_way_round_from_every_side(tester, side):
    for place, (right, down) in SIDES[side].items():
        tester.client.set_volume(bone(spots(axial(), place)))
        frame = tester.draw(Camera.standard(side, (0, 0, 0), 50))
        assert frame.mapper in ("CPU", "GPU")
        offset = middle_of_light(frame.pixels)
        assert offset[0] == pytest.approx(0.3 * right, abs=0.05)  # 30 of 50 mm from the middle: 0.3 of the picture
        assert offset[1] == pytest.approx(0.3 * down, abs=0.05)


@pytest.mark.parametrize("kind", ["FAR", "HPR", "LHA"])
def test_storage_order_does_not_matter(tester, kind):
    places = ((28.0, -10.0, 12.0), (-15.0, 5.0, -25.0))
    pictures = []
    for geometry in (stored_otherwise("HPL"), stored_otherwise(kind)):
        assert geometry.axis_codes in ("HPL", kind)
        tester.client.set_volume(bone(spots(geometry, *places)))
        pictures.append(tester.draw(Camera.standard("A", (0, 0, 0), 50).turned(0.5, 0.3)).pixels.astype(float))
    difference = np.abs(pictures[0] - pictures[1])
    assert pictures[0].max() > 100
    assert np.percentile(difference, 99) < 12


def test_surface_has_its_colour_and_opacity(tester):
    vertices, faces = ball_surface()
    tester.client.set_surface(SurfaceItem("s", vertices, faces, (240, 20, 20), 1.0))
    solid = tester.draw().pixels[SIZE // 2, SIZE // 2].astype(int)
    assert solid[0] > 150
    assert solid[1:].max() < solid[0] / 3
    tester.client.set_surface(SurfaceItem("s", vertices, faces, (20, 20, 240), 0.5))  # only the look travels
    half = tester.draw().pixels[SIZE // 2, SIZE // 2].astype(int)
    assert half[2] == pytest.approx(solid[0] / 2, rel=0.15)  # over black
    assert half[2] > half[0] * 3
    tester.client.set_surface(SurfaceItem("s", vertices, faces, (20, 20, 240), 0.5, visible=False))
    assert tester.draw().pixels.max() == 0


def test_many_triangles_are_drawn_coarsely_while_moving_and_at_the_same_place(tester):
    geometry = axial((200,) * 3, 0.45)
    vertices, faces = surface(spots(geometry, (10.0, 0.0, 5.0), radius_mm=34).stored > 0, geometry)
    vertices, faces = np.concatenate([vertices, vertices]), np.concatenate([faces, faces + len(vertices)])
    assert len(faces) > 250_000
    tester.client.set_surface(SurfaceItem("s", vertices, faces, (250, 250, 250)))
    full, moving = (tester.draw(quality=q).pixels.astype(float) for q in ("full", "moving"))
    assert np.abs(full - moving).mean() < 6
    assert (full != moving).any()


def test_surface_in_front_hides_and_a_volume_in_front_of_it_is_seen_through_a_translucent_one(tester):
    tester.client.set_volume(bone(spots(axial(), (0.0, 15.0, 0.0), radius_mm=14)))  # behind, seen from the front
    white = tester.draw().pixels[SIZE // 2, SIZE // 2].astype(int)
    assert white.min() > 80
    vertices, faces = ball_surface((0.0, -20.0, 0.0), 12)
    tester.client.set_surface(SurfaceItem("s", vertices, faces, (0, 0, 255), 1.0))
    solid = tester.draw().pixels[SIZE // 2, SIZE // 2].astype(int)
    assert solid[2] > 120
    assert solid[0] < 60
    back = tester.draw(Camera.standard("P", (0, 0, 0), 50)).pixels[SIZE // 2, SIZE // 2]
    assert back.min() > 80  # from behind the bone hides the surface
    tester.client.set_surface(SurfaceItem("s", vertices, faces, (0, 0, 255), 0.5))
    both = tester.draw().pixels[SIZE // 2, SIZE // 2].astype(int)
    assert both[0] == pytest.approx((white[0] + solid[0]) / 2, abs=12)
    assert both[2] == pytest.approx((white[2] + solid[2]) / 2, abs=12)


def test_slice_picture_stands_where_its_corners_say(tester):
    image = np.zeros((20, 40, 3), np.uint8)
    image[:10, :20] = (250, 0, 0)  # top left
    image[10:, 20:] = (0, 250, 0)  # bottom right
    tester.client.set_slices((SliceItem(image, (-40, 0, 20), (40, 0, 20), (-40, 0, -20), (0, 0, 0)),))
    pixels = tester.draw().pixels
    at = {(x, z): pixels[SIZE // 2 - z, SIZE // 2 + x] for x in (-32, 32) for z in (-12, 12)}
    np.testing.assert_allclose(at[-32, 12], (250, 0, 0), atol=6)  # the patient's right and head
    np.testing.assert_allclose(at[32, -12], (0, 250, 0), atol=6)
    assert at[32, 12].max() < 10
    tester.client.set_slices((SliceItem(image[..., 0], (-40, 0, 20), (40, 0, 20), (-40, 0, -20), (0, 0, 0)),))
    np.testing.assert_allclose(tester.draw().pixels[SIZE // 2 - 12, SIZE // 2 - 32], (250,) * 3, atol=6)


def test_crop_box_keeps_one_side(tester):
    tester.client.set_volume(bone(spots(axial(), LEFT, (-30.0, 0, 0))))
    assert abs(middle_of_light(tester.draw().pixels)[0]) < 0.03
    tester.client.set_crop(CropBox((0, -50, -50), (50, 50, 50)))
    assert middle_of_light(tester.draw().pixels)[0] == pytest.approx(0.3, abs=0.05)


def test_maximum_intensity_shows_what_is_behind(tester):
    volume = spots(axial(), FRONT, hu=300, radius_mm=20)
    deep = spots(axial(), (0.0, 30.0, 0.0), hu=1400, radius_mm=6)
    volume = Volume(np.maximum(volume.stored, deep.stored), volume.geometry, unit="HU", modality="CT")
    tester.client.set_volume(VolumeItem(render_grid(volume), PRESETS["ct-mip"].look))
    pixels = tester.draw().pixels[..., 0].astype(int)
    assert pixels[SIZE // 2, SIZE // 2] > 230
    linear = 255 * (300 + 200) / 1100  # grey from -200 to 900 HU
    assert pixels[SIZE // 2, SIZE // 2 + 15] == pytest.approx(linear, abs=15)


def test_changing_the_look_changes_the_picture(tester):
    grid = render_grid(spots(axial(), (0.0, 0.0, 0.0), radius_mm=25, hu=-400))
    tester.client.set_volume(VolumeItem(grid, PRESETS["ct-bone"].look))
    assert tester.draw().pixels.max() == 0
    tester.client.set_volume(VolumeItem(grid, PRESETS["ct-skin"].look))
    assert tester.draw().pixels[SIZE // 2, SIZE // 2].max() > 100


def test_picks_the_nearest_visible_point(tester):
    camera = Camera.standard("A", (0, 0, 0), 50)
    tester.client.set_volume(bone(spots(axial(), LEFT, radius_mm=12)))
    tester.draw(camera)
    x, y = camera.project(np.array(LEFT) - (0, 12, 0), SIZE, SIZE)
    lps = tester.pick(x, y, camera)
    np.testing.assert_allclose(lps, (30, -11.5, 0), atol=2.0)  # the front of the ball
    assert tester.pick(8, 8, camera) is None
    vertices, faces = ball_surface((30.0, -25.0, 0.0), 6)
    tester.client.set_surface(SurfaceItem("s", vertices, faces, (0, 255, 0)))
    lps = np.array(tester.pick(x, y, camera))  # the surface is in front
    assert np.linalg.norm(lps - (30, -25, 0)) == pytest.approx(6, abs=1)
    assert lps[1] < -28


def test_only_the_newest_camera_is_drawn(tester):
    tester.client.set_volume(bone(spots(axial(), LEFT)))
    tester.draw()
    camera = Camera.standard("A", (0, 0, 0), 50)
    for n in range(40):
        tester.serial += 1
        tester.client.render(RenderRequest(tester.serial, camera.turned(0.02 * n, 0), 600, 600, "moving"))
    tester.draw(camera)
    assert tester.frames.empty()
    drawn = tester.serial
    time.sleep(0.3)
    assert tester.frames.empty()
    assert drawn == tester.serial


def test_moving_pictures_are_quicker_than_those_at_rest(tester):
    tester.client.set_volume(bone(spots(axial((80,) * 3, 1.0), LEFT, (0.0, 0, 0), (-20, 10, 10), radius_mm=16)))
    full, moving = (min(tester.draw(quality=q, size=500).seconds for _ in range(3)) for q in ("full", "moving"))
    assert moving < full


def test_client_survives_one_death_and_reports_the_second():
    tester = Bench()
    tester.client.set_volume(bone(spots(axial(), LEFT)))
    before = tester.draw().pixels
    assert tester.states.get(timeout=WAIT_S) == ("ready", "")
    pids = [tester.client.pid]
    os.kill(pids[0], signal.SIGKILL)
    assert tester.states.get(timeout=WAIT_S)[0] == "restarting"
    assert tester.states.get(timeout=WAIT_S)[0] == "ready"
    after = tester.draw().pixels  # the new process has been told everything
    np.testing.assert_allclose(after.astype(int), before, atol=3)
    pids.append(tester.client.pid)
    assert pids[1] != pids[0]
    os.kill(pids[1], signal.SIGKILL)
    state, reason = tester.states.get(timeout=WAIT_S)
    assert state == "unavailable"
    assert "-9" in reason
    tester.client.close()
    assert not any(is_running(pid) for pid in pids)


def test_turning_is_as_if_the_scene_were_dragged():
    camera = Camera.standard("A", (0, 0, 0), 50)
    before = camera.project(FRONT, SIZE, SIZE)
    right = camera.turned(0.2, 0).project(FRONT, SIZE, SIZE)
    down = camera.turned(0, 0.2).project(FRONT, SIZE, SIZE)
    assert right[0] > before[0] + 5
    assert down[1] > before[1] + 5
    assert camera.zoomed(2).distance_mm == pytest.approx(camera.distance_mm / 2)
    shifted = camera.panned(0.25, 0.5).project((0, 0, 0), SIZE, SIZE)
    np.testing.assert_allclose(shifted, (SIZE * 0.75, SIZE), atol=1e-6)


def test_ray_and_projection_are_inverse():
    camera = Camera.standard("L", (5, 6, 7), 50).turned(0.4, -0.3)
    start, direction = camera.ray(33.0, 120.0, 300, 200)
    np.testing.assert_allclose(camera.project(start + 77 * direction, 300, 200), (33, 120), atol=1e-9)


@pytest.fixture
def view(qtbot):
    widget = View3D()
    qtbot.addWidget(widget, before_close_func=lambda w: w.close_worker())
    widget.resize(240, 240)
    widget.show()
    return widget


def light_of(view):
    image = view.grab().toImage().convertToFormat(view.grab().toImage().Format.Format_RGB888)
    data = image.constBits().asstring(image.sizeInBytes())
    pixels = np.frombuffer(data, np.uint8).reshape(image.height(), image.bytesPerLine())[:, : 3 * image.width()]
    return pixels.reshape(image.height(), image.width(), 3)


def test_widget_shows_the_patients_left_on_the_right_of_the_front_view(view):
    view.set_volume(spots(axial(), LEFT, radius_mm=12))
    view.set_preset("ct-bone")
    assert view.wait_until_drawn()
    pixels = light_of(view)
    x, y = (int(v) for v in view.camera.project(np.array(LEFT), 240, 240))
    assert x > 130
    assert pixels[y, x].min() > 90
    assert pixels[y, 240 - x].max() < 40


def test_widget_picks_zooms_turns_and_asks_to_be_maximised(view, qtbot):
    view.set_volume(spots(axial(), (0.0, 0.0, 0.0), radius_mm=20))
    view.set_preset("ct-bone")
    assert view.wait_until_drawn()
    with qtbot.waitSignal(view.picked, timeout=20_000) as picked:
        qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPoint(120, 120))
    np.testing.assert_allclose(picked.args[0], (0, -20, 0), atol=2.5)
    with qtbot.waitSignal(view.maximise_requested, timeout=5000), qtbot.assertNotEmitted(view.picked, wait=600):
        qtbot.mouseDClick(view, Qt.MouseButton.LeftButton, pos=QPoint(120, 120))
    before = view.camera
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(100, 120))
    qtbot.mouseMove(view, QPoint(120, 120))
    qtbot.mouseMove(view, QPoint(160, 120))
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=QPoint(160, 120))
    assert view.camera.position[0] < before.position[0] - 10
    assert view.camera.distance_mm == pytest.approx(before.distance_mm)
    assert view.wait_until_drawn()


def test_widget_survives_the_death_of_the_drawing_process(view, qtbot):
    view.set_volume(spots(axial(), LEFT))
    assert view.wait_until_drawn()
    first = view.worker_pid
    os.kill(first, signal.SIGKILL)
    qtbot.waitUntil(lambda: view.worker_pid not in (None, first), timeout=30_000)
    view.look_from("P")
    assert view.wait_until_drawn()
    os.kill(view.worker_pid, signal.SIGKILL)
    message = view.findChild(object, "view3d_message")
    qtbot.waitUntil(lambda: "not available" in message.text(), timeout=30_000)
    assert not view.wait_until_drawn(1000)
    view.findChild(object, "view3d_retry").click()
    assert view.wait_until_drawn()
    assert message.text() == ""
    pid = view.worker_pid
    view.close_worker()
    assert not is_running(pid)


def test_the_window_process_does_not_load_vtk():
    code = ("import sys; import medviewer.gui.views.render3d.view3d; "
            "sys.exit(any(name.startswith('vtk') for name in sys.modules))")
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_the_drawing_process_ends_with_its_window():
    code = ("import sys, time; from medviewer.gui.views.render3d.client import Callbacks, RenderClient\n"
            "c = RenderClient(Callbacks(print, print, lambda s, r: print(c.pid, flush=True)))\n"
            "c.start(); time.sleep(60)")
    window = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    pid = int(window.stdout.readline())
    assert is_running(pid)
    window.kill()
    window.wait()
    window.stdout.close()
    deadline = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(pid)


def test_widget_says_why_a_single_slice_is_not_shown(view):
    view.set_volume(Volume(np.zeros((1, 20, 20), np.int16), Geometry.from_spacing((1, 20, 20)), unit="HU"))
    assert view.wait_until_drawn()
    assert "at least two slices" in view.findChild(object, "view3d_message").text()


def test_widget_sends_only_changed_surfaces(view, monkeypatch):
    vertices, faces = ball_surface()
    items = [SurfaceItem(name, vertices, faces, (200, 50, 50)) for name in "ab"]
    view.set_surfaces(items)
    assert view.wait_until_drawn()
    sent = []
    monkeypatch.setattr(view._drawing.client, "set_surface", lambda item: sent.append(item.id))
    monkeypatch.setattr(view._drawing.client, "remove_surface", lambda name: sent.append(f"-{name}"))
    view.set_surfaces([SurfaceItem(name, vertices, faces, (200, 50, 50)) for name in "ab"])
    assert sent == []
    view.set_surfaces([items[0], SurfaceItem("b", vertices, faces, (0, 0, 255))])
    assert sent == ["b"]
    view.set_surfaces([items[0]])
    assert sent == ["b", "-b"]


def test_crop_handle_moves_one_face(view, qtbot):
    view.set_volume(spots(axial(), LEFT))
    assert view.wait_until_drawn()
    view.findChild(object, "view3d_crop").click()
    limit = view.crop_limit()
    assert view.crop == limit
    x, y = (int(v) for v in view.camera.project((limit.high[0], 0, 0), 240, 240))  # middle of the patient's left face
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(x, y))
    qtbot.mouseMove(view, QPoint(x - 15, y))
    qtbot.mouseMove(view, QPoint(x - 30, y))
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=QPoint(x - 30, y))
    assert view.crop.high[0] < limit.high[0] - 5
    assert view.crop.low == limit.low
    assert view.crop.high[1:] == limit.high[1:]
