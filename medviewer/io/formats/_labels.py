"""Is a plain grid a label map, and what are its labels called?

Formats without label names keep them beside the voxels: in a header extension, or in a file of the same name.
Understood: our own JSON (`<name>.labels.json`), label descriptions of ITK-SNAP (`<name>.label` or `.txt`) and the
label table in Caret's XML, which TotalSegmentator writes into NIfTI headers.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medviewer.core.errors import ReadError
from medviewer.core.geometry import Geometry
from medviewer.core.labels import Code, LabelMap, Segment, palette_colour

log = logging.getLogger(__name__)

PEEK_BYTES = 4 << 20  # voxels looked at to judge whether they are labels
MAX_DISTINCT = 256  # more different values than this are an image
MAX_SIDECAR = 4 << 20  # bytes
MAX_LABEL = 65535
_NAME = re.compile(r"(^|[^a-z])(seg|segs|segm|segmentation|segmentations|mask|masks|label|labels|labelmap|roi|rois|gt|"
                   r"groundtruth|annotation|annotations|contour|lesions?|aseg|parcellation)([^a-z]|$)", re.IGNORECASE)
_FOLDER = re.compile(r"^(segmentations?|masks?|labels?(tr|ts)?|segs?|gt|rois?)$", re.IGNORECASE)
_SUFFIX = re.compile(r"(\.seg)?\.(nii|nrrd|nhdr|mha|mhd|hdr|img)(\.gz|\.bz2)?$", re.IGNORECASE)
_SNAP = re.compile(r'^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+[\d.]+\s+\d+\s+\d+\s+"(.*)"\s*$')
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def stem_of(path: Path) -> str:
    """Return the name without its (double) suffix."""
    return _SUFFIX.sub("", path.name)


def named_as_labels(path: Path) -> bool:
    """Whether the file's name, or the name of its folder, says that it holds labels."""
    stem = _CAMEL.sub("_", stem_of(path))
    return bool(_NAME.search(stem) or path.name.lower().endswith(".seg.nrrd") or _FOLDER.match(path.parent.name))


def look_like_labels(values: NDArray[Any]) -> bool:
    """Whether voxels could be labels: whole numbers, none negative, few different ones."""
    if values.dtype.kind not in "uif" or not values.size:
        return False
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and (values == np.rint(values)).all()):
        return False
    if values.min() < 0 or values.max() > MAX_LABEL:
        return False
    return len(np.unique(values)) <= MAX_DISTINCT


def to_labels(array: NDArray[Any], geometry: Geometry, segments: tuple[Segment, ...], path: Path, *,
              own: bool = True, **more: str) -> LabelMap:
    """Make a label map of whole numbers of any type, (K, J, I), or (T, K, J, I) with one yes-no mask per t.

    own : whether `segments` were listed for this very file, so that those without voxels are kept too; a
        general table of label names gives only names to what is there

    Raises
    ------
    ReadError
        If the values cannot be labels.
    """
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 4:
        return _layered(array, geometry, segments, path, **more)
    whole = _whole(array, path)
    values = present_values(whole)
    kept = tuple(s for s in segments if s.layer == 0 and (own or s.value in values))
    known = {s.value for s in kept}
    extra = tuple(Segment(v, f"Label {v}", palette_colour(v)) for v in values if v not in known)
    return LabelMap((whole,), geometry, tuple(sorted(kept + extra, key=lambda s: s.value)), **more)  # type: ignore[arg-type]


def present_values(labels: NDArray[Any]) -> list[int]:
    """Return the values above 0 in a grid of uint8 or uint16, without sorting it."""
    seen = np.zeros(1 << (8 * labels.dtype.itemsize), bool)
    for part in labels:
        seen[part] = True
    return [int(v) for v in np.flatnonzero(seen) if v]


def _layered(array: NDArray[Any], geometry: Geometry, segments: tuple[Segment, ...], path: Path,
             **more: str) -> LabelMap:
    layers, made = [], [s for s in segments if s.layer < len(array)]
    for n, layer in enumerate(array):
        whole = _whole(layer, path)
        values = present_values(whole)
        known = {s.value for s in made if s.layer == n}
        if not segments and values not in ([], [1]):
            raise ReadError(f"{path.name} has {len(array)} volumes with several labels each", path=path,
                            hint="Save one volume as a file of its own.")
        if not segments:  # one yes-no mask for each structure
            whole = whole * np.array(n + 1, np.uint8 if len(array) <= 255 else np.uint16)
            values = [n + 1]
        made += [Segment(v, f"Label {v}", palette_colour(v), layer=n) for v in values if v not in known]
        layers.append(whole)
    return LabelMap(tuple(layers), geometry, tuple(made), **more)  # type: ignore[arg-type]


def _whole(array: NDArray[Any], path: Path) -> NDArray[Any]:
    """Return labels as uint8 or uint16."""
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind not in "uif":
        raise ReadError(f"{path.name} holds {array.dtype} values, which cannot be labels", path=path)
    if array.dtype.kind == "f":
        bad = np.isnan(array)
        if bad.any():
            log.warning("%s: %d voxels are not a number and count as background", path.name, int(bad.sum()))
            array = np.where(bad, 0, array)
    low, high = (array.min(), array.max()) if array.size else (0, 0)
    if low < 0 or high > MAX_LABEL:
        raise ReadError(f"{path.name} has values from {low:g} to {high:g}; labels must lie between 0 and {MAX_LABEL}",
                        path=path, hint="Open it as an image.")
    out = array.astype(np.uint8 if high <= 255 else np.uint16)
    if array.dtype.kind == "f" and not np.array_equal(out, array):
        raise ReadError(f"{path.name} holds values that are not whole numbers, so it is not a label map", path=path,
                        hint="Open it as an image.")
    return out


def sidecar_path(path: Path) -> Path:
    """Where the names and colours of a label file are written."""
    return path.with_name(f"{stem_of(path)}.labels.json")


def sidecar_segments(path: Path) -> tuple[tuple[Segment, ...], bool]:
    """Return the segments that a file beside `path` names, and whether it is ours; empty if there is none."""
    stem = stem_of(path)
    for name, parse in ((f"{stem}.labels.json", from_json), (f"{stem}.label", from_snap), (f"{stem}.txt", from_snap)):
        beside = path.with_name(name)
        try:
            if beside.is_file() and beside.stat().st_size <= MAX_SIDECAR:
                segments = parse(beside.read_text("utf-8", errors="replace"))
                if segments:
                    return segments, parse is from_json
        except OSError as error:
            log.warning("%s cannot be read: %s", beside.name, error)
    return (), False


def to_json(segments: tuple[Segment, ...]) -> str:
    """Write segments as JSON, the same text for the same segments."""
    items = [{k: list(v) if isinstance(v, tuple) else v for k, v in asdict(s).items() if v not in (None, "")}
             for s in segments]
    return json.dumps({"medviewer_labels": 1, "labels": items}, indent=1, sort_keys=True, ensure_ascii=False)


def from_json(text: str) -> tuple[Segment, ...]:
    """Read what `to_json` wrote; empty for anything else."""
    try:
        data = json.loads(text)
        if not isinstance(data, dict) or "medviewer_labels" not in data:
            return ()
        return tuple(_segment(item) for item in data["labels"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        log.warning("the label names are damaged: %s", error)
        return ()


def _segment(item: dict[str, Any]) -> Segment:
    colour = tuple(min(max(int(c), 0), 255) for c in item.get("colour", palette_colour(int(item["value"]))))
    if len(colour) != 3:
        raise ValueError("a colour needs three numbers")
    codes = {k: Code(**item[k]) for k in ("category", "type") if k in item}
    return Segment(int(item["value"]), str(item.get("name", "")), colour, int(item.get("layer", 0)), **codes,
                   algorithm=str(item.get("algorithm", "")), tracking_uid=str(item.get("tracking_uid", "")))


def from_snap(text: str) -> tuple[Segment, ...]:
    """Read ITK-SNAP's label description: value, red, green, blue, opacity, visible, mesh, "name"."""
    found = {}
    for line in text.splitlines():
        if (match := _SNAP.match(line)) and 0 < int(match[1]) <= MAX_LABEL:
            r, g, b = (min(int(match[n]), 255) for n in (2, 3, 4))
            found[int(match[1])] = Segment(int(match[1]), match[5], (r, g, b))
    return tuple(found.values())


def from_caret(xml: str) -> tuple[Segment, ...]:
    """Read the label table of Caret's XML (colours 0...1)."""
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException, ElementTree

    found = {}
    try:
        for label in ElementTree.fromstring(xml.strip("\0 \r\n\t")).iter("Label"):
            value = int(label.get("Key", "0"))
            if 0 < value <= MAX_LABEL:
                r, g, b = (min(max(round(float(label.get(c, "0")) * 255), 0), 255) for c in ("Red", "Green", "Blue"))
                found[value] = Segment(value, (label.text or "").strip(), (r, g, b))
    except (ParseError, DefusedXmlException, ValueError, OverflowError) as error:
        log.warning("the label table in the header is damaged: %s", error)
    return tuple(found.values())


def to_caret(segments: tuple[Segment, ...]) -> str:
    """Write a label table in Caret's XML, which TotalSegmentator and Connectome Workbench read."""
    from xml.sax.saxutils import escape, quoteattr

    rows = "".join(
        f"<Label Key={quoteattr(str(s.value))} Red=\"{s.colour[0] / 255:.6g}\" Green=\"{s.colour[1] / 255:.6g}\" "
        f"Blue=\"{s.colour[2] / 255:.6g}\" Alpha=\"1\">{escape(_printable(s.name))}</Label>\n" for s in segments)
    return ('<?xml version="1.0" encoding="UTF-8"?><CaretExtension><VolumeInformation Index="0"><LabelTable>\n'
            f"{rows}</LabelTable><VolumeType>Label</VolumeType></VolumeInformation></CaretExtension>")


def _printable(text: str) -> str:
    return "".join(c for c in text if c.isprintable())
