"""Time the 3D view on a synthetic CT of 300 x 512 x 512: turning and at rest, 600 x 600 pixels.

Run: python tests/benchmarks/bench_3d.py [presets ...]
"""

from __future__ import annotations

import queue
import statistics
import sys
import time

import numpy as np

from medviewer.core.geometry import Geometry
from medviewer.core.volume import Volume
from medviewer.gui.views.render3d.client import Callbacks, RenderClient
from medviewer.gui.views.render3d.scene import Camera, Frame, RenderRequest, VolumeItem
from medviewer.ops.render_grid import render_grid
from medviewer.ops.volume_presets import PRESETS

SHAPE = (300, 512, 512)
SIZE = 600
TURNS = 30
TARGET_MOVING_MS, TARGET_REST_MS = 150, 1500


def synthetic_ct() -> Volume:
    """A trunk with lungs, spine, ribs and noise."""
    k, j, i = np.ogrid[-1:1:300j, -1:1:512j, -1:1:512j]
    values = np.full(SHAPE, -1000, np.int16)
    body = (i / 0.85) ** 2 + (j / 0.6) ** 2 < 1
    np.copyto(values, 40, where=body & (k > -2))
    for side in (-1, 1):
        np.copyto(values, -850, where=((i - 0.38 * side) / 0.28) ** 2 + (j / 0.42) ** 2 + (k / 0.85) ** 2 < 1)
    np.copyto(values, 400, where=(i**2 + (j - 0.35) ** 2 < 0.012) & (k > -2))
    shell = np.abs(np.sqrt((i / 0.78) ** 2 + (j / 0.53) ** 2) - 1) < 0.025
    np.copyto(values, 500, where=shell & (np.cos(45 * k + 4 * j) > 0.55))
    rng = np.random.default_rng(0)
    for plane in values:
        plane += rng.normal(0, 20, plane.shape).astype(np.int16)
    return Volume(values, Geometry.from_spacing(SHAPE, (1.0, 0.7, 0.7)), unit="HU", modality="CT")


def main() -> None:
    """Print a table."""
    names = sys.argv[1:] or ["ct-chest", "ct-bone", "ct-skin", "ct-lung", "ct-mip"]
    volume = synthetic_ct()
    start = time.perf_counter()
    grid = render_grid(volume)
    print(f"made ready in {time.perf_counter() - start:.2f} s: {grid.array.shape}, reduced x{grid.factor:.2f}")
    frames: queue.Queue[Frame] = queue.Queue()
    client = RenderClient(Callbacks(frames.put, lambda *_: None, lambda *_: None))
    client.start()
    serial = 0

    def draw(camera: Camera, quality: str) -> tuple[float, str]:
        nonlocal serial
        serial += 1
        begun = time.perf_counter()
        client.render(RenderRequest(serial, camera, SIZE, SIZE, quality))  # type: ignore[arg-type]
        frame = frames.get(timeout=120)
        return 1000 * (time.perf_counter() - begun), frame.mapper

    print("ms a picture, transfer to the window included")
    print(f"{'preset':10} {'mapper':6} {'first':>8} {'turn p50':>9} {'turn p95':>9} {'rest':>8}")
    late = False
    for name in names:
        client.set_volume(VolumeItem(grid, PRESETS[name].transfer(grid.low, grid.high)))
        camera = Camera.fitting("A", volume.geometry.corners_lps(), 1.0)
        first, mapper = draw(camera, "moving")
        turning = sorted(draw(camera.turned(0.1 * n, 0.02 * n), "moving")[0] for n in range(TURNS))
        rest = statistics.median(draw(camera.turned(0.7 * n, 0), "full")[0] for n in range(3))
        p95 = turning[int(0.95 * TURNS)]
        late |= p95 > TARGET_MOVING_MS or rest > TARGET_REST_MS
        print(f"{name:10} {mapper:6} {first:8.0f} {statistics.median(turning):9.0f} {p95:9.0f} {rest:8.0f}")
    print(f"target: {TARGET_MOVING_MS} ms turning (p95), {TARGET_REST_MS} ms at rest: {'missed' if late else 'met'}")
    client.close()


if __name__ == "__main__":
    main()
