"""How long the window cannot answer while it works: a timer of 5 ms ticks, and the longest gaps are printed.

Every action runs in a process of its own. With `--stacks` the stack of the main thread is printed for every long gap.
Run: python tests/benchmarks/bench_responsive.py [--stacks] [action ...]
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from series import write_series
from table import show

TICK_MS = 5
LONG_S = 0.06  # gaps whose stack is worth printing
MAX_MS, P99_MS = 250.0, 100.0
DATA = Path(os.environ.get("MEDVIEWER_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
CACHE = Path(tempfile.gettempdir())


class Heartbeat:
    """Notes when the event loop came round; the gaps are the blocks."""

    def __init__(self, *, stacks: bool) -> None:
        from PyQt6.QtCore import QTimer

        self.ticks: list[float] = [time.perf_counter()]
        self.stacks: collections.Counter[str] = collections.Counter()
        self._timer = QTimer(interval=TICK_MS)
        self._timer.timeout.connect(lambda: self.ticks.append(time.perf_counter()))
        self._timer.start()
        if stacks:
            threading.Thread(target=self._watch, args=(threading.main_thread().ident,), daemon=True).start()

    def _watch(self, main: int) -> None:
        while True:
            time.sleep(0.01)
            if time.perf_counter() - self.ticks[-1] > LONG_S:
                frames = traceback.extract_stack(sys._current_frames()[main])
                own = [f for f in frames if "medviewer" in f.filename or f is frames[-1]]
                self.stacks[" < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in own[:-7:-1])] += 1

    def blocks_ms(self) -> np.ndarray:
        """Return all gaps so far."""
        return np.diff(self.ticks) * 1e3


class Bench:
    """A real window off screen, with actions that a user could do."""

    def __init__(self, *, stacks: bool) -> None:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
        from medviewer.app.session import Session
        from medviewer.app.settings import SettingsStore
        from medviewer.gui.application import make_application, warm_up
        from medviewer.gui.main_thread import MainThread
        from medviewer.gui.main_window import MainWindow

        self.app = make_application(off_screen=True)
        self._main = MainThread()
        store = SettingsStore(Path(os.devnull))
        store.save = lambda: None
        store.values.hints_seen = True
        self.session = Session(self._main.post, store)
        self.window = MainWindow(self.session)
        self.window.resize(1500, 940)
        self.window.show()
        warm_up(self.session)
        self.wait_idle()
        self.heart = Heartbeat(stacks=stacks)

    def close(self) -> None:
        """Close the window."""
        self.window.close()

    def until(self, reached: Callable[[], bool], timeout_s: float = 90.0) -> None:
        """Run the event loop until something is true."""
        from PyQt6.QtCore import QEventLoop, QTimer

        loop, end = QEventLoop(), time.monotonic() + timeout_s
        timer = QTimer(interval=10)
        timer.timeout.connect(lambda: (reached() or time.monotonic() > end) and loop.quit())
        timer.start()
        loop.exec()

    def pause(self, seconds: float) -> None:
        """Let the window live for a while."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end)

    def wait_idle(self) -> None:
        """Wait until nothing is being worked on, the 3D view included."""
        quiet = 0

        def idle() -> bool:
            nonlocal quiet
            panel = self.window.grid.volume_panel
            busy = bool(self.session.jobs.running) or (panel is not None and panel.busy)
            quiet = 0 if busy else quiet + 1
            return quiet > 30
        self.until(idle)

    def open(self, *paths: Path) -> None:
        """Open as a drop does, and wait for everything."""
        self.session.open_paths(list(paths), remember=False)
        self.wait_idle()

    def start_over(self) -> None:
        """Forget the gaps of what was only preparation."""
        self.heart.ticks[:-1] = []
        self.heart.stacks.clear()

    # --- actions ---

    def load_lidc(self) -> None:
        """Load a chest CT with its annotations."""
        self.open(DATA / "lidc-idri-0001")

    def load_400(self) -> None:
        """Load 400 x 512 x 512."""
        self.open(write_series(CACHE / "medviewer-bench-400"))

    def load_demo(self) -> None:
        """Load CT, SEG and RTSTRUCT."""
        from medviewer.export.demo_study import demo_folder

        self.open(demo_folder())

    def load_petct(self) -> None:
        """Load PET and CT with contours."""
        self.open(DATA / "sts-001-petct")

    def layouts(self) -> None:
        """Choose every layout in turn."""
        from medviewer.app.views import LAYOUTS

        self.load_demo()
        self.start_over()
        for _ in range(2):
            for layout in LAYOUTS.values():
                self.session.set_layout(layout)
                self.pause(0.3)

    def four_images(self) -> None:
        """Open four MR images in four views."""
        from medviewer.app.views import LAYOUTS

        self.session.set_layout(LAYOUTS["four-images"])
        self.open(DATA / "brats-4mod")

    def scroll_100_labels(self) -> None:
        """Scroll with 100 labels and 10 structures over a CT."""
        for layer in _many_labels():
            self.session.add_layer(layer)
        self.wait_idle()
        self.start_over()
        for n in range(150):
            self.session.scroll(self.session.views[n % 3], 1 if n < 75 else -1)
            self.pause(0.02)

    def toggle(self) -> None:
        """Change theme, window, masks, opacity and texts."""
        self.load_demo()
        self.start_over()
        for name in ("theme", "theme", "overlays", "overlays", "fade-in", "fade-out", "preset-2", "preset-3", "texts",
                     "names", "names", "maximise", "maximise", "neurological", "neurological", "invert", "reset"):
            self.window.findChild(object, f"action-{name}").trigger()
            self.pause(0.15)

    def dialogs(self) -> None:
        """Open every dialog."""
        self.load_demo()
        self.start_over()
        for name in ("tags", "doctor", "preferences", "shortcuts", "about"):
            self.window.findChild(object, f"action-{name}").trigger()
            self.pause(0.3)
        for dialog in self.app.topLevelWidgets():
            if dialog is not self.window:
                dialog.close()

    def export_page(self) -> None:
        """Look at what would be exported."""
        self.load_demo()
        self.start_over()
        self.session.set_task("export")
        self.wait_idle()


ACTIONS = ("load_lidc", "load_400", "load_demo", "load_petct", "layouts", "four_images", "scroll_100_labels", "toggle",
           "dialogs", "export_page")


def _many_labels() -> Iterator[object]:
    from medviewer.app.layers import ContourLayer, ImageLayer, LabelLayer
    from medviewer.core.contours import Contour, ContourSegment, ContourSet
    from medviewer.core.geometry import Geometry
    from medviewer.core.labels import LabelMap
    from medviewer.core.study import Series
    from medviewer.core.volume import Volume
    from medviewer.io.base import Loaded
    from medviewer.ops.contour_cut import ContourCutter

    rng = np.random.default_rng(0)
    values = rng.normal(40, 60, (200, 512, 512)).astype(np.int16)
    labels = np.zeros(values.shape, np.uint8)
    for n in range(100):
        k, j, i = rng.integers(0, [140, 430, 430])
        labels[k:k + 60, j:j + 80, i:i + 80] = n + 1
    geometry = Geometry.from_spacing(values.shape, (1.0, 0.7, 0.7))
    yield ImageLayer(Series("a", "bench", "image", (), geometry=geometry),
                     Loaded(Volume(values, geometry, unit="HU", modality="CT")))
    yield LabelLayer(Series("b", "bench", "labels", (), geometry=geometry), LabelMap.from_array(labels, geometry))
    turn = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    rois = []
    for n in range(10):
        ring = np.stack([180 + 20 * n + 40 * np.cos(turn), 150 + 10 * n + 40 * np.sin(turn)], 1)
        rois.append(ContourSegment(n + 1, f"roi {n}", (255, 20 * n, 90), tuple(
            Contour(np.column_stack([ring, np.full(len(ring), float(k))])) for k in range(40, 160, 3))))
    contours = ContourSet(tuple(rois))
    yield ContourLayer(Series("c", "bench", "rtstruct", ()), contours, ContourCutter(contours))


def run_one(name: str, *, stacks: bool) -> None:
    """Do one action in this process and print its numbers as JSON."""
    bench = Bench(stacks=stacks)
    start = time.perf_counter()
    getattr(bench, name)()
    gaps = bench.heart.blocks_ms()
    for stack, count in bench.heart.stacks.most_common(12):
        sys.stderr.write(f"{name}: {count:4d} x 10 ms  {stack}\n")
    found = {"max": float(gaps.max()), "p99": float(np.percentile(gaps, 99)), "over": int((gaps > P99_MS).sum()),
             "seconds": time.perf_counter() - start}
    bench.close()
    sys.stdout.write(json.dumps(found) + "\n")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("actions", nargs="*", default=[])
    parser.add_argument("--stacks", action="store_true")
    parser.add_argument("--one", default="")
    options = parser.parse_args()
    if options.one:
        run_one(options.one, stacks=options.stacks)
        return
    rows: list[list[object]] = []
    for name in options.actions or ACTIONS:
        arguments = [sys.executable, __file__, "--one", name, *(["--stacks"] if options.stacks else [])]
        done = subprocess.run(arguments, stdout=subprocess.PIPE, text=True, check=False, timeout=600)
        if done.returncode:
            rows.append([name, "failed", "", "", "", ""])
            continue
        r = json.loads(done.stdout.strip().splitlines()[-1])
        good = r["max"] <= MAX_MS and r["p99"] <= P99_MS
        rows.append([name, r["max"], r["p99"], r["over"], r["seconds"], "" if good else "too long"])
    show(f"Blocks of the window (targets: max {MAX_MS:.0f} ms, p99 {P99_MS:.0f} ms)",
         ["action", "max ms", "p99 ms", "over 100 ms", "seconds", ""], rows)


if __name__ == "__main__":
    main()
