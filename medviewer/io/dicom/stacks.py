"""Group files into series, and series into stacks that are volumes.

The series UID is a hint, not a proof: one series may hold localisers, several sizes, several stacks, or pictures
without a place; each becomes a series of its own and says so. Blank UIDs are grouped by folder and identity.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medviewer.core.errors import MedviewerError, ReadError
from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.study import Report, Skipped
from medviewer.io.dicom import doctor
from medviewer.io.dicom.arrange import Stack, arrange
from medviewer.io.dicom.calibration import PROJECTIONS, pixel_size
from medviewer.io.dicom.frames import Frame, frames_of
from medviewer.io.dicom.headers import Header
from medviewer.io.dicom.pixels import PixelLayout
from medviewer.io.dicom.quiet import quietly
from medviewer.io.dicom.spacing import grid
from medviewer.io.dicom.timing import age

COSINE_ATOL = 1e-3  # direction cosines closer than this are one orientation
SPACING_RTOL = 1e-4  # pixel sizes closer than this are one
NO_SERIES_UID = "no-uid"


@dataclass(slots=True)
class Group:
    """One future series: frames as cells[t][k], geometry, and what was odd.

    key : what makes it different from all others, for the id
    """

    key: tuple[Any, ...]
    cells: list[list[Frame | None]]
    geometry: Geometry
    calibrated: bool = True
    oriented: bool = True
    reports: list[Report] = field(default_factory=list)
    part: str = ""

    @property
    def frames(self) -> list[Frame]:
        """All frames, time after time."""
        return [f for row in self.cells for f in row if f is not None]

    @property
    def middle(self) -> Frame:
        """The frame in the middle slice of the first time point that has it."""
        k = len(self.cells[0]) // 2
        return next((frame for row in self.cells if (frame := row[k]) is not None), self.frames[0])


def group_files(headers: Sequence[Header], job: Job) -> tuple[list[Group], list[Skipped]]:
    """Put the pictures of many files together."""
    layouts: dict[Any, PixelLayout] = {}
    skipped: list[Skipped] = []
    series: dict[tuple[str, ...], list[Frame]] = defaultdict(list)
    reports: dict[tuple[str, ...], list[Report]] = defaultdict(list)
    for header in headers:
        job.check()
        try:
            layout = _layout(header, layouts)
        except ReadError as error:
            skipped.append(Skipped(header.path, str(error)))
            continue
        frames, more = frames_of(header, layout.frames)
        for frame in frames:
            frame.layout = layout
        key = series_key(header)
        series[key] += frames
        reports[key] += more
    groups: list[Group] = []
    _part_by_study(series, reports)
    for key, frames in series.items():
        job.check()
        try:
            groups += _groups_of(key, frames, reports[key])
        except (MedviewerError, ArithmeticError, np.linalg.LinAlgError) as error:  # absurd positions or sizes
            skipped += [Skipped(p, f"{p.name}: the places of the slices make no sense ({error}).")
                        for p in dict.fromkeys(f.header.path for f in frames)]
    return groups, skipped


def _layout(header: Header, known: dict[Any, PixelLayout]) -> PixelLayout:
    signature = header.pixel_signature()
    if signature not in known:
        with quietly():
            known[signature] = PixelLayout.of(header.dataset)
    return known[signature]


def series_key(header: Header) -> tuple[str, ...]:
    """Return what the files of one series have in common."""
    uid = header.text("SeriesInstanceUID")
    patient = header.text("PatientID") or header.text("PatientName")
    if uid:
        return patient, uid
    return (patient, NO_SERIES_UID, str(header.path.parent), header.text("PatientName"), header.text("StudyDate"),
            header.text("Modality"), header.text("SeriesNumber"), header.text("SeriesDescription"))


def _part_by_study(series: dict[tuple[str, ...], list[Frame]], reports: dict[tuple[str, ...], list[Report]]) -> None:
    """Part series whose UID serves several studies, and tell where it serves several patients.

    Some programs give every file a study UID of its own: such a series stays together.
    """
    patients = Counter(key[1] for key in series)
    for key in list(series):
        if key[1] == NO_SERIES_UID:
            continue
        if patients[key[1]] > 1:
            reports[key].append(doctor.shared_series_uid("patients", kept_apart=True))
        files = {f.header.path: f.header.text("StudyInstanceUID") for f in series[key] if f.index == 0}
        studies = set(files.values())
        if len(studies) == 1:
            continue
        if len(studies) == len(files) > 2:
            reports[key].append(doctor.shared_series_uid("studies", kept_apart=False))
            continue
        told = [*reports.pop(key), doctor.shared_series_uid("studies", kept_apart=True)]
        for frame in series.pop(key):
            series.setdefault((*key, frame.header.text("StudyInstanceUID")), []).append(frame)
        for study in studies:
            reports[(*key, study)] = told


def _groups_of(key: tuple[str, ...], frames: list[Frame], reports: list[Report]) -> list[Group]:
    frames, copies = _without_copies(frames)
    shared = list(dict.fromkeys(reports))
    if copies:
        shared.append(doctor.copies(copies))
    if key[1] == NO_SERIES_UID:
        shared.append(doctor.empty_uids())
    placed = [f for f in frames if f.position is not None and f.orientation is not None]
    loose = [f for f in frames if f.position is None or f.orientation is None]
    by_grid = _by_grid(placed)
    if len(by_grid) > 1:
        shared.append(doctor.split(len(by_grid), _why(by_grid)))
    groups = []
    for grid_key, members in by_grid.items():
        stacks = arrange(members)
        for stack in stacks:
            groups.append(_placed(key, grid_key, stack, shared))
    return groups + [_loose(key, members, shared) for members in _runs(loose)]


def _runs(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Put frames without a place together that are shown one after the other.

    Those of one file, and numbered pictures alike in one series (captures, ultrasound); projections stand alone.
    """
    files = Counter(f.header.path for f in frames)
    runs: dict[Any, list[Frame]] = defaultdict(list)
    for frame in frames:
        header, layout = frame.header, frame.layout
        assert layout is not None
        alone = files[header.path] > 1 or header.text("Modality") in PROJECTIONS \
            or not frame.times.get("instance number")
        runs[header.path if alone else (header.text("SOPClassUID"), layout.rows, layout.columns, layout.colour,
                                        frame.spacing)].append(frame)
    found = []
    for run in runs.values():
        numbers = {f.times.get("instance number") for f in run}
        whole = len(numbers) == len(run)
        found += [sorted(run, key=age)] if whole else [[frame] for frame in run]
    return found


def _without_copies(frames: list[Frame]) -> tuple[list[Frame], int]:
    """Drop files that are copies of others; a UID alone is no proof (some anonymisers write one for all)."""
    kept: dict[Any, Frame] = {}
    copies: set[Any] = set()
    for n, frame in enumerate(sorted(frames, key=lambda f: (is_lossy(f), str(f.header.path), f.index))):
        place = (frame.position, frame.orientation) if frame.position else frame.header.size
        same = (frame.uid, frame.index, place, frame.times.get("instance number")) if frame.uid else n
        if kept.setdefault(same, frame) is not frame:
            copies.add(frame.header.path)
    return list(kept.values()), len(copies)


def is_lossy(frame: Frame) -> bool:
    """Whether the pixels of a frame are stored with loss, by the transfer syntax."""
    return frame.layout is not None and frame.layout.transfer_syntax.endswith((".50", ".51", ".81", ".91", ".203"))


def _by_grid(frames: Sequence[Frame]) -> dict[tuple[Any, ...], list[Frame]]:
    """Part by class, size, colour, stack, pixel size and orientation."""
    turns, sizes = _Alike(COSINE_ATOL), _Alike(SPACING_RTOL, relative=True)
    parts: dict[tuple[Any, ...], list[Frame]] = defaultdict(list)
    for frame in frames:
        layout = frame.layout
        assert layout is not None
        parts[frame.header.text("SOPClassUID"), layout.rows, layout.columns, layout.colour, frame.stack,
              sizes.number(frame.spacing), turns.number(frame.orientation)].append(frame)
    return parts


class _Alike:
    """Numbers vectors so that nearly equal ones have the same number."""

    def __init__(self, tolerance: float, *, relative: bool = False) -> None:
        self._tolerance, self._relative = tolerance, relative
        self._centres: list[np.ndarray] = []
        self._known: dict[Any, int] = {None: -1}

    def number(self, values: tuple[float, ...] | None) -> int:
        """Return the number of the first vector that was nearly equal to `values`."""
        if values not in self._known:
            vector = np.asarray(values)
            near = (n for n, c in enumerate(self._centres) if (np.abs(c - vector) <= self._tolerance * (
                np.abs(c) if self._relative else 1.0)).all())
            number = next(near, len(self._centres))
            if number == len(self._centres):
                self._centres.append(vector)
            self._known[values] = number
        return self._known[values]


def _why(parts: dict[tuple[Any, ...], list[Frame]]) -> str:
    names = ("kinds of object", "picture sizes", "picture sizes", "grey and colour pictures", "stacks", "pixel sizes",
             "slice orientations (perhaps a localiser)")
    different = [name for n, name in enumerate(names) if len({key[n] for key in parts}) > 1]
    return "different " + " and ".join(dict.fromkeys(different))


def _placed(key: tuple[str, ...], grid_key: tuple[Any, ...], stack: Stack, shared: list[Report]) -> Group:
    lead = next(f for row in stack.cells for f in row if f is not None)
    assert lead.layout is not None
    size = pixel_size(lead)
    shape = (len(stack.places), lead.layout.rows, lead.layout.columns)
    geometry, reports = grid(shape, stack.places, stack.along, stack.frames, size.spacing,
                             lead.thickness if lead.thickness and 0 < lead.thickness < 1e4 else None)
    return Group((*key, *map(str, grid_key), stack.part), stack.cells, geometry, size.calibrated, True,
                 [*shared, *stack.reports, *reports, *size.reports], stack.part)


def _loose(key: tuple[str, ...], frames: list[Frame], shared: list[Report]) -> Group:
    """Make a series of frames without position: several are time points."""
    lead = frames[0]
    assert lead.layout is not None
    size = pixel_size(lead)
    affine = np.diag([1.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]]
    affine[1, 1], affine[0, 2], affine[2, 0] = *size.spacing, 1.0
    geometry = Geometry((1, lead.layout.rows, lead.layout.columns), affine)
    place = doctor.cine(len(frames)) if len(frames) > 1 else doctor.no_position()
    name = lead.uid or lead.header.path.name
    return Group((*key, name, lead.header.path.name), [[f] for f in frames], geometry, size.calibrated, False,
                 [*shared, place, *size.reports])
