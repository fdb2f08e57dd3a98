"""Letters, corner texts, scale bar of a slice view: what they say (no painting here)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from medviewer.app.layers import ImageLayer
from medviewer.app.session import Session
from medviewer.app.views import ViewState
from medviewer.core.geometry import direction_letters
from medviewer.ops.measure import number
from medviewer.ops.reslice import Plane, slice_index, through_axis

BAR_STEPS = (1, 2, 5, 10, 20, 50, 100, 200)


def edge_letters(plane: Plane, *, head_feet: bool) -> dict[str, str]:
    """Return the letters of the left, right, top and bottom edge, from the plane's directions."""
    def letters(direction: NDArray[np.float64]) -> str:
        text = direction_letters(direction)
        return text if head_feet else text.replace("H", "S").replace("F", "I")

    return {"right": letters(plane.right), "left": letters(-plane.right),
            "bottom": letters(plane.down), "top": letters(-plane.down)}


def scale_bar(scale: float, height: int, *, calibrated: bool) -> tuple[float, str] | None:
    """Return (length in pixels, text) of a round length of about a sixth of the view; None if not calibrated."""
    if not calibrated:
        return None
    target = height / 6 / scale
    best = max((s for s in BAR_STEPS if s <= target), default=None)
    if best is None:
        return None
    return best * scale, f"{best // 10} cm" if best >= 10 else f"{best} mm"


def _date(text: str) -> str:
    """Write a DICOM date as 2026-11-20; anything else as it is."""
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if len(text) == 8 and text.isdigit() else text


def window_text(layer: ImageLayer) -> str:
    """Write the window as radiologists do: W 400 L 40."""
    if layer.voi_lut is not None:
        return f"VOI LUT {layer.voi_lut.name}".strip()
    if layer.volume.colour:
        return "Colour"
    name = f"  {layer.window.name}" if layer.window.name else ""
    return f"W {layer.window.width:.4g}  L {layer.window.centre:.4g}{name}"


def slice_text(layer: ImageLayer, plane: Plane) -> str:
    """Write which slice of how many is shown."""
    axis = through_axis(layer.volume.geometry, plane)
    if axis is None:
        return "oblique"
    count = layer.volume.geometry.shape[axis]
    index = int(np.clip(np.floor(slice_index(layer.volume.geometry, plane, axis) + 0.5), 0, count - 1))
    return f"{index + 1} / {count}"


def corner_texts(session: Session, view: ViewState, layer: ImageLayer, plane: Plane, *, names: bool,
                 level: int) -> dict[str, list[str]]:
    """Return the lines of the four corners: patient, study, slice, series; few at level 1, none at 0."""
    if level == 0:
        return {}
    series, volume = layer.series, layer.volume
    position = slice_text(layer, plane)
    if volume.time_points > 1:
        position += f"   t {layer.time_point + 1} / {volume.time_points}"
    slab = f"{ {'max': 'MIP', 'min': 'MinIP', 'mean': 'Mean'}[view.slab]} {number(view.slab_mm)} mm" \
        if view.slab_mm > 0 else ""
    title = view.content.capitalize() if volume.oriented else "Picture"
    here = [title + (" oblique" if view.is_oblique else ""), position]
    if level == 1:
        return {"top-left": [here[0]], "bottom-left": [position, window_text(layer)]}
    patient = [series.patient.name.replace("^", " ").strip(), series.patient.id] if names else ["(name hidden)"] \
        if series.patient.name or series.patient.id else []
    if names and (series.patient.birth_date or series.patient.sex):
        patient.append("  ".join(x for x in (_date(series.patient.birth_date), series.patient.sex) if x))
    study = [series.study.description, _date(series.study.date)] if names else [series.study.description]
    focus = session.focus(layer)
    depth = float(focus @ plane.normal)
    where = [f"Position {depth:+.1f} {'mm' if volume.calibrated else 'px'}"] if volume.geometry.shape[0] > 1 else []
    zoom = f"Zoom {100 * view.scale * min(volume.spacing_mm[1:]):.0f} %"
    series_lines = [series.title, _technique(layer)]
    if not volume.calibrated:
        series_lines.append("px, uncalibrated")
    if session.fusion is not None and session.fusion is not layer:
        series_lines.append(f"+ {session.fusion.name} ({session.fusion.lut}, {session.fusion.opacity:.0%})")
    return {
        "top-left": [here[0], *(x for x in patient if x)],
        "top-right": [x for x in study if x],
        "bottom-left": [x for x in (slab, position, *where, window_text(layer), zoom) if x],
        "bottom-right": [x for x in series_lines if x],
    }


def _technique(layer: ImageLayer) -> str:
    k, j, i = layer.volume.spacing_mm
    unit = "mm" if layer.volume.calibrated else "px"
    size = f"{number(j)} × {number(i)} × {number(k)} {unit}" if layer.volume.geometry.shape[0] > 1 else \
        f"{number(j)} × {number(i)} {unit}"
    modality = layer.series.modality
    return size if modality in layer.series.title else f"{modality}  {size}".strip()


def probe_text(session: Session, lps: NDArray[np.float64], layer: ImageLayer) -> str:
    """Write position, voxel and value(s) under the pointer for the status bar."""
    geometry = layer.volume.geometry
    unit = "mm" if layer.volume.calibrated else "px"
    parts = ["LPS " + "  ".join(f"{v:.1f}" for v in lps) + f" {unit}"]
    if geometry.contains(lps):
        kji = tuple(int(np.clip(math.floor(v + 0.5), 0, n - 1))
                    for v, n in zip(geometry.to_index(lps), geometry.shape, strict=True))
        parts.append(f"voxel {kji[2]}, {kji[1]}, {kji[0]}")
        if layer.loading.ready[layer.time_point, kji[0]]:
            parts.append(_value(layer, kji))
    fusion = session.fusion
    if fusion is not None and fusion is not layer and fusion.volume.geometry.contains(lps):
        place = tuple(int(np.clip(math.floor(v + 0.5), 0, n - 1)) for v, n in
                      zip(fusion.volume.geometry.to_index(lps), fusion.volume.geometry.shape, strict=True))
        parts.append(f"{fusion.series.modality} {_value(fusion, place)}")
    for labels in session.labels():
        if labels.visible and session.shares_frame(labels, layer):
            parts.extend(_segments_at(labels, lps))
    return "    ".join(parts)


def _value(layer: ImageLayer, kji: tuple[int, ...]) -> str:
    value = layer.volume.value_at(kji, layer.time_point)  # type: ignore[arg-type]
    if isinstance(value, tuple):
        return "RGB " + " ".join(str(v) for v in value)
    return f"{number(value)} {layer.volume.unit}".strip()


def _segments_at(layer, lps: NDArray[np.float64]) -> list[str]:  # noqa: ANN001 - LabelLayer
    geometry = layer.labels.geometry
    if not geometry.contains(lps):
        return []
    place = tuple(int(np.clip(math.floor(v + 0.5), 0, n - 1)) for v, n in
                  zip(geometry.to_index(lps), geometry.shape, strict=True))
    return [s.name or f"label {s.value}" for s in layer.labels.segments
            if layer.labels.layers[s.layer][place] == s.value]
