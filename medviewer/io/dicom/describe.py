"""Make a Series of a group of frames: identity, values, grey mapping, and the plan for reading it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from medviewer.core.study import Kind, Patient, Report, Series, Study
from medviewer.core.volume import Rescale, VoiLut, Window
from medviewer.io.dicom import doctor
from medviewer.io.dicom.frames import Frame
from medviewer.io.dicom.headers import Header
from medviewer.io.dicom.loading import Plan, Source
from medviewer.io.dicom.multiframe import PARAMETRIC
from medviewer.io.dicom.stacks import Group, is_lossy
from medviewer.io.dicom.tables import voi_lut
from medviewer.io.dicom.window import header_windows, is_inverted, padding_of

NO_UNIT = ("US", "UNSPECIFIED", "NORMALIZED", "NONE", "")
PET_UNITS = {"BQML": "Bq/ml", "CNTS": "counts", "CPS": "counts/s", "PROPCNTS": "", "PROPCPS": "", "NONE": "",
             "CM2ML": "SUVbsa", "PCNT": "%", "STDDEV": "", "MLG": "ml/g", "1CM": "1/cm", "UMOLML": "umol/ml",
             "MLMIN": "ml/min", "MLMING": "ml/min/g", "MGMINML": "mg/min/ml", "UMOLMIN": "umol/min"}
SUV_TYPES = {"BSA": "SUVbsa", "LBM": "SUVlbm", "LBMJAMES128": "SUVlbm", "LBMJANMA": "SUVlbm", "IBW": "SUVibw"}
EVEN, UNEVEN = 1.2, float("inf")  # longest step of a time axis / shortest one: dynamic PET, heart beats
MAX_TEXT = 200  # characters of a description that are shown


def series_of(group: Group, reader: str) -> Series:
    """Describe one group as a Series."""
    lead, frames = group.middle, group.frames
    header = lead.header
    reports = [*group.reports, *_header_reports(frames)]
    if "MOSAIC" in header.text("ImageType").split("\\"):
        reports.append(doctor.mosaic())
    plan = _plan(group, reports)
    patient, study, more = identity(header)
    layout = lead.layout
    assert layout is not None
    kind: Kind = "parametric" if header.text("SOPClassUID") == PARAMETRIC else "image"
    number = header.number("SeriesNumber")
    return Series(
        id=stable_id(reader, *group.key), reader=reader, kind=kind,
        files=tuple(dict.fromkeys(f.header.path for f in frames)), modality=plain(header.text("Modality")),
        description=_title(header, group.part), number=None if number is None else int(number),
        series_uid=plain(header.text("SeriesInstanceUID")),
        frame_of_reference_uid=plain(header.text("FrameOfReferenceUID")), patient=patient, study=study,
        geometry=group.geometry, frames=len(frames), time_points=len(group.cells), dtype=str(plan.dtype),
        unit=plan.unit, transfer_syntax=header.syntax, colour=plan.colour,
        warnings=tuple(dict.fromkeys([*reports, *more])), plan=plan)


def _header_reports(frames: Iterable[Frame]) -> list[Report]:
    """Return what was odd about the headers, each kind once."""
    headers = {id(f.header): f.header for f in frames}.values()
    first: dict[str, Report] = {}
    for report in (r for h in headers for r in h.reports):
        first.setdefault(report.code, report)
    return list(first.values())


def identity(header: Header) -> tuple[Patient, Study, list[Report]]:
    """Return patient and study of a file, decoded, as plain text."""
    patient = Patient(plain(header.text("PatientID")), plain(header.text("PatientName")),
                      plain(header.text("PatientBirthDate")), plain(header.text("PatientSex")))
    study = Study(plain(header.text("StudyInstanceUID")), plain(header.text("StudyDate")),
                  plain(header.text("StudyTime")), plain(header.text("StudyDescription")),
                  plain(header.text("AccessionNumber")))
    wrong = [f"{name} {value!r}" for name, value in (("study date", study.date), ("birth date", patient.birth_date))
             if value and not _is_date(value)]
    return patient, study, [doctor.bad_dates(wrong)] if wrong else []


def stable_id(*parts: Any) -> str:
    """Make a short id that is the same in every scan of the same files."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def plain(text: str) -> str:
    """Make text from a file harmless to show: one line, no control characters, not endless."""
    clean = re.sub(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", " ", text)
    return clean.strip()[:MAX_TEXT]


def _is_date(text: str) -> bool:
    digits = text.replace(".", "").replace("-", "")
    if not re.fullmatch(r"\d{8}", digits):
        return False
    days = (31, 29 if _leap(int(digits[:4])) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    month, day = int(digits[4:6]), int(digits[6:])
    return 1 <= month <= 12 and 1 <= day <= days[month - 1]


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _title(header: Header, part: str) -> str:
    text = plain(header.text("SeriesDescription"))
    return f"{text} ({plain(part)})".strip() if part else text


def _plan(group: Group, reports: list[Report]) -> Plan:
    lead, frames = group.middle, group.frames
    layout = lead.layout
    assert layout is not None
    dtype = _dtype(frames, reports)
    windows = _windows(lead, frames, reports)
    padding, more = padding_of(lead.header, layout.dtype) if lead.table is None else (None, [])
    reports += more
    if lead.table is not None or lead.header.items("ModalityLUTSequence"):
        reports.append(doctor.modality_lut(lead.table is not None))
    if is_lossy(lead) or lead.header.text("LossyImageCompression") == "01":
        reports.append(doctor.lossy(lead.header.number("LossyImageCompressionRatio") or 0.0))
    cut = _truncation(frames, reports)
    sources, index = _sources(group)
    negative = lead.table is None and (layout.signed or lead.intercept < 0)
    curve: VoiLut | None = None if windows and lead.windows else voi_lut(lead.header, negative=negative)
    rescale, unit = _rescale(group, reports), _unit(lead)
    return Plan(
        geometry=group.geometry, dtype=np.dtype(dtype), sources=sources, index=index, rescale=rescale, unit=unit,
        modality=plain(lead.header.text("Modality")), windows=windows, voi_lut=curve, padding=padding,
        inverted=is_inverted(lead.header), calibrated=group.calibrated,
        oriented=group.oriented, truncated=cut, colour=layout.colour,
        frame_of_reference_uid=plain(lead.header.text("FrameOfReferenceUID")),
        series_uid=plain(lead.header.text("SeriesInstanceUID")), frame_time_ms=_frame_time(group))


def _dtype(frames: list[Frame], reports: list[Report]) -> np.dtype[Any]:
    """Return the type that holds the values of all frames, after their tables."""
    kinds = {(f.table.entries.dtype if f.table is not None else f.layout.dtype) for f in frames if f.layout is not None}
    if len(kinds) > 1:
        reports.append(doctor.mixed_types(sorted(map(str, kinds))))
    return np.result_type(*kinds)


def _windows(lead: Frame, frames: list[Frame], reports: list[Report]) -> tuple[Window, ...]:
    if lead.windows is not None:
        if len({f.windows for f in frames}) > 1:
            reports.append(doctor.varying_windows())
        return lead.windows
    values = {(f.header.text("WindowCenter"), f.header.text("WindowWidth")) for f in frames}
    if len(values) > 1:
        reports.append(doctor.varying_windows())
    return header_windows(lead.header)


def _rescale(group: Group, reports: list[Report]) -> Rescale:
    """Keep one pair, one per slice (K,), or one per slice and time (T, K)."""
    lead, frames = group.frames[0], group.frames
    zero = [f for f in frames if f.slope == 0]
    if zero:
        reports.append(doctor.slope_zero(len(zero), len(frames)))
    for frame in zero:
        frame.slope, frame.intercept = 1.0, 0.0
    if lead.header.text("Modality") == "CT" and not lead.rescaled and not group.middle.rescaled:
        reports.append(doctor.no_rescale())
    slope = np.array([[f.slope if f else lead.slope for f in row] for row in group.cells])
    intercept = np.array([[f.intercept if f else lead.intercept for f in row] for row in group.cells])
    if (slope == slope[0, 0]).all() and (intercept == intercept[0, 0]).all():
        return Rescale(np.array(slope[0, 0]), np.array(intercept[0, 0]))
    reports.append(doctor.mixed_rescale(float(slope.min()), float(slope.max())))
    if (slope == slope[0]).all() and (intercept == intercept[0]).all():
        return Rescale(slope[0], intercept[0])
    return Rescale(slope, intercept)


def _unit(lead: Frame) -> str:
    header = lead.header
    given = plain(lead.unit or header.text("RescaleType"))
    modality = header.text("Modality")
    if modality == "PT":
        units = header.text("Units").upper()
        if units == "GML":
            return SUV_TYPES.get(header.text("SUVType").upper(), "SUVbw")
        return PET_UNITS.get(units, plain(units))
    if modality == "CT":
        return "HU" if given.upper() in (*NO_UNIT, "HU") else given
    return "" if given.upper() in NO_UNIT else given


def _frame_time(group: Group) -> float:
    """Time between time points, ms, from the cine tags or the trigger times; 0 if unknown."""
    if len(group.cells) < 2:
        return 0.0
    header = group.frames[0].header
    time = header.number("FrameTime")
    if time and time > 0:
        return float(time)
    steps = header.numbers("FrameTimeVector")[1:]  # the first is the time before the first frame
    if steps and min(steps) > 0:
        return float(np.median(steps))
    for keyword in ("RecommendedDisplayFrameRate", "CineRate"):
        rate = header.number(keyword)
        if rate and rate > 0:
            return 1000.0 / rate
    return _step(group, "trigger time", UNEVEN) or _step(group, "frame time", EVEN)


def _step(group: Group, name: str, most: float) -> float:
    """Usual step of a time that the frames carry; 0 if the longest is more than `most` times the shortest."""
    best: list[float] = []
    for column in zip(*group.cells, strict=True):
        times = [f.times[name][0] for f in column if f is not None and name in f.times]
        best = times if len(times) > len(best) else best
    steps = np.diff(sorted(best))
    return float(np.median(steps)) if len(steps) and 0 < steps.max() <= most * steps.min() else 0.0


def _truncation(frames: Iterable[Frame], reports: list[Report]) -> bool:
    """Tell of uncompressed files that end before their pixels do (a file opens even so)."""
    short: list[str] = []
    have = want = 0
    for frame in frames:
        header, layout = frame.header, frame.layout
        if frame.index or layout is None or layout.compressed or header.pixels_at is None:
            continue
        needed = layout.frame_bytes * layout.frames
        there = min(header.size - header.pixels_at, header.pixels_length)
        if there < needed:
            short.append(header.path.name)
            have, want = have + max(there, 0), want + needed
    if short:
        reports.append(doctor.truncated(short, have, want))
    return bool(short)


def _sources(group: Group) -> tuple[tuple[Source, ...], np.ndarray]:
    """List the files, and per cell (T, K) the file and the frame in it; -1 for cells that are not there."""
    files: dict[int, int] = {}
    sources: list[Source] = []
    index = np.full((len(group.cells), len(group.cells[0]), 2), -1, np.int64)
    for t, row in enumerate(group.cells):
        for k, frame in enumerate(row):
            if frame is None or frame.layout is None:
                continue
            number = files.setdefault(id(frame.header), len(sources))
            if number == len(sources):
                header = frame.header
                short = header.pixels_length < frame.layout.frame_bytes * frame.layout.frames
                sources.append(Source(header.path, frame.layout, header.pixels_at, header.size, frame.table, short))
            index[t, k] = number, frame.index
    return tuple(sources), index
