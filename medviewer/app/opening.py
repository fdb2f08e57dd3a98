"""From dropped paths to a picture: scan, choose what to show, load with the first slice at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from medviewer.app.layers import ContourLayer, ImageLayer, LabelLayer, first_window
from medviewer.app.views import LAYOUTS
from medviewer.core.contours import ContourSet
from medviewer.core.errors import MedviewerError, ReadError
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap
from medviewer.core.study import ScanResult, Series
from medviewer.core.volume import Window

if TYPE_CHECKING:
    from medviewer.app.session import Session
    from medviewer.io.base import Loading

IMAGE_KINDS = ("image", "rtdose", "parametric")
OVERLAY_KINDS = ("seg", "rtstruct", "labels", "contours")
REDRAW_EVERY_S = 0.06  # while slices stream in


def best_image(series: Sequence[Series]) -> Series | None:
    """Choose the image series to show first: most voxels per time point, CT and MR before PET and dose."""
    rank = {"CT": 3, "MR": 3, "PT": 1, "NM": 1}
    images = [s for s in series if s.kind in IMAGE_KINDS and s.geometry is not None]

    def weight(s: Series) -> tuple[bool, bool, int, int]:
        assert s.geometry is not None
        size = 1
        for n in s.geometry.shape:
            size *= n
        return s.kind == "image", s.geometry.shape[0] > 3, rank.get(s.modality, 2), size

    return max(images, key=weight, default=None)


def overlays_of(image: Series, series: Sequence[Series]) -> list[Series]:
    """Return the masks and contours drawn on an image: by reference, else by grid."""
    found = []
    for s in series:
        if s.kind not in OVERLAY_KINDS:
            continue
        if s.refers_to:
            fits = s.refers_to == image.series_uid
        elif s.frame_of_reference_uid and image.frame_of_reference_uid:
            fits = s.frame_of_reference_uid == image.frame_of_reference_uid
        else:
            fits = s.geometry is not None and image.geometry is not None and s.geometry.same_grid(image.geometry, 0.01)
        if fits:
            found.append(s)
    # of several label files only the first is shown at once: one named a segmentation before a mere mask
    return sorted(found, key=lambda s: s.kind == "labels" and "seg" not in s.title.lower())


class Opener:
    """Opens paths and series for a session, in jobs."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._numbers = count(1)
        self._made_single = False
        self._wanted = ""  # series that is to replace what is shown

    def scan(self, paths: Sequence[Path]) -> None:
        """Look at the files and show the best of them."""
        chosen = [Path(p) for p in paths]

        def work(job: Job) -> ScanResult:
            from medviewer.io import access

            return access.scan_all(chosen, job=job)

        names = chosen[0].name if len(chosen) == 1 else f"{len(chosen)} items"
        self._session.jobs.start(("scan", next(self._numbers)), work, title=f"Reading {names}",
                                 done=lambda result: self._found(result, chosen), failed=self._session.report)

    def _found(self, result: ScanResult, paths: Sequence[Path]) -> None:
        session = self._session
        session.add_scan(result)
        if not result.series:
            session.report(_nothing_readable(result, paths))
            return
        image = best_image(result.series)
        if image is not None:
            self.open(image, add=False)
            return
        if session.active is None:
            target = next((s for s in session.series if s.kind in IMAGE_KINDS), None)
            masks = [s for s in result.series if s.kind == "labels"]
            if target is None and masks:  # a mask alone can still be looked at
                self.open(masks[0], add=False)
            elif target is None:
                names = ", ".join(s.title for s in result.series[:3])
                session.report(ReadError(f"{names}: there is no image to draw this on.",
                                         hint="Open the image series it belongs to as well."))
            return
        for s in result.series:
            if s.kind in OVERLAY_KINDS:
                self.open(s, add=True)

    def open(self, series: Series, *, add: bool) -> None:
        """Open one series; an image brings along the masks and contours drawn on it."""
        session = self._session
        open_layer = session.layer_of(series)
        if isinstance(open_layer, ImageLayer):
            session.activate(open_layer)
            return
        if open_layer is not None:
            open_layer.set_visible(True)
            return
        if series.kind in IMAGE_KINDS or (series.kind == "labels" and session.active is None):
            self._open_image(series, add=add)
        elif series.kind in OVERLAY_KINDS:
            self._open_overlay(series, visible=True)
        else:
            session.report(ReadError(f"{series.title} holds no image.",
                                     hint=series.warnings[0].fix if series.warnings else ""))

    def fill_layout(self) -> None:
        """Open further images for a layout that shows several: those on the active one's grid first."""
        session = self._session
        needed = max(cell.image for cell in session.layout.cells) + 1
        active = session.active
        if needed < 2 or active is None:
            return
        here = active.series.geometry
        others = [s for s in session.series if s.kind in IMAGE_KINDS and s.geometry is not None
                  and session.layer_of(s) is None]
        others.sort(key=lambda s: here is None or s.geometry is None or not s.geometry.same_grid(here, 0.01))
        for s in others[: max(needed - len(session.images()), 0)]:
            self._open_image(s, add=True)

    def stop(self, *kinds: str, but: str = "") -> None:
        """Cancel the jobs of some kinds ("scan", "load"), except that of one series."""
        for key in [entry.key for entry in self._session.jobs.running]:
            if isinstance(key, tuple) and key[0] in kinds and key[1] != but:
                self._session.jobs.cancel(key)

    # --- images ---

    def _open_image(self, series: Series, *, add: bool) -> None:
        session = self._session
        if not add:
            if not any(x.series.id == self._wanted for x in session.layers):
                session.jobs.cancel(("load", self._wanted))  # what was asked for last is shown, not what arrives last
            self._wanted = series.id

        def work(job: Job) -> Window:
            from medviewer.io import access

            loading = access.open_series(series, job=job)
            first = _first_slice(loading)
            loading.load_slice(first, 0)
            layer = ImageLayer(series, loading)  # here, for its window is sought among the values
            session.jobs.post(partial(self._first_picture, layer, job, add=add))
            last = 0.0

            def arrived(_t: int, _k: int) -> None:
                nonlocal last
                now = time.monotonic()
                if now - last > REDRAW_EVERY_S:
                    last = now
                    session.jobs.post(lambda: self._arrived(series))

            loading.load(job, first=first, on_slice=arrived)
            return first_window(loading)

        session.jobs.start(("load", series.id), work, title=f"Loading {series.title}",
                           done=lambda window: self._complete(series, window), failed=session.report,
                           cancelled=lambda: session.message.emit(f"Loading of {series.title} was cancelled"))

    def _first_picture(self, layer: ImageLayer, job: Job, *, add: bool) -> None:
        session, series = self._session, layer.series
        if job.cancelled or session.layer_of(series) is not None:
            return
        if not add:
            self.stop("load", but=series.id)  # masks of the image before, or an image that was asked for earlier
            session.clear_layers()
        flat = layer.volume.geometry.shape[0] == 1
        if not add and session.layout.id == ("2x2" if flat else "single") and (flat or self._made_single):
            session.set_layout(LAYOUTS["single" if flat else "2x2"])  # a lone slice has no other planes
            self._made_single = flat
        session.add_layer(layer)
        if not add:
            session.activate(layer)
        for number, overlay in enumerate(overlays_of(series, session.series)):
            if session.layer_of(overlay) is None and not session.jobs.is_running(("load", overlay.id)):
                self._open_overlay(overlay, visible=overlay.kind != "labels" or number == 0)
        if not add:
            self.fill_layout()

    def _arrived(self, series: Series) -> None:
        layer = self._session.layer_of(series)
        if isinstance(layer, ImageLayer):
            layer.revision += 1
            self._session.loaded_slices.emit(layer)

    def _complete(self, series: Series, window: Window) -> None:
        layer = self._session.layer_of(series)
        if isinstance(layer, ImageLayer):
            if layer.window.name == "Auto":  # chosen from the first slice only: now from all
                layer.window = window
            layer.touch()
            self._session.loaded_slices.emit(layer)
            if layer.loading.warnings:
                self._session.series_changed.emit()

    # --- masks and contours ---

    def _open_overlay(self, series: Series, *, visible: bool) -> None:
        session = self._session
        active = session.active

        def work(job: Job) -> LabelMap | tuple[ContourSet, object]:
            from medviewer.io import access
            if series.kind in ("rtstruct", "contours"):
                from medviewer.ops.contour_cut import ContourCutter

                contours = access.read_contours(series)
                return contours, ContourCutter(contours)
            on = active.volume.geometry if active is not None and session.shares_frame_uid(series, active) else None
            try:
                return access.read_labels(series, on=on)
            except MedviewerError:
                if on is None:
                    raise
                return access.read_labels(series)  # on its own grid; the views place it by position

        def done(result: LabelMap | tuple[ContourSet, object]) -> None:
            layer = LabelLayer(series, result) if isinstance(result, LabelMap) else \
                ContourLayer(series, result[0], result[1])  # type: ignore[arg-type]
            layer.visible = visible
            session.add_layer(layer)
            if session.active is not None and not session.shares_frame(layer, session.active):
                session.message.emit(f"{layer.name} lies in another frame of reference and is not drawn "
                                     f"on {session.active.name}")

        session.jobs.start(("load", series.id), work, title=f"Loading {series.title}", done=done,
                           failed=session.report)


def _first_slice(loading: Loading) -> int:
    """Index of the first slice to show: the middle one, or the nearest to it that exists."""
    volume = loading.volume
    middle = volume.geometry.shape[0] // 2
    here = [k for k in range(volume.geometry.shape[0]) if volume.is_present(k, 0)]
    return min(here, key=lambda k: abs(k - middle)) if here else middle


def _nothing_readable(result: ScanResult, paths: Sequence[Path]) -> MedviewerError:
    if result.skipped:
        first = result.skipped[0]
        more = f" ({len(result.skipped) - 1} more files were left out)" if len(result.skipped) > 1 else ""
        return ReadError(f"{first.path.name} cannot be opened: {first.reason}{more}", path=first.path)
    return ReadError(f"There is nothing to open in {paths[0].name}.",
                     hint="medviewer reads DICOM, NIfTI, NRRD, MetaImage and pictures.")
