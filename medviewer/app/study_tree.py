"""The study list as a tree of texts: patients, studies, series, newest first. No widgets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from medviewer.core.study import Report, Series

NAME_HIDDEN = "(name hidden)"
KINDS = {"image": "Image", "labels": "Label map", "seg": "Segmentation", "rtstruct": "Structure set",
         "contours": "Contours", "rtdose": "Dose", "parametric": "Parametric map", "other": "Other"}
WITHOUT_PICTURE = ("labels", "seg", "rtstruct", "contours", "other")
UNCALIBRATED = ("no-pixel-spacing", "no-spacing", "pixel-aspect")  # codes of reports


@dataclass(slots=True)
class StudyNode:
    """One study, or the loose files of one folder."""

    key: str
    title: str
    series: list[Series] = field(default_factory=list)
    when: str = ""


@dataclass(slots=True)
class PatientNode:
    """One patient; without a name and id for loose files."""

    key: str
    name: str
    id: str
    studies: list[StudyNode] = field(default_factory=list)

    def title(self, *, names: bool, number: int = 0) -> str:
        """Return the heading: name and id, or neither."""
        if not self.name and not self.id:
            return ""
        if not names:
            return f"{NAME_HIDDEN} {number}" if number else NAME_HIDDEN
        return "  ·  ".join(x for x in (self.name, self.id) if x)


def study_tree(series: Iterable[Series], *, names: bool = True) -> list[PatientNode]:
    """Sort series into patients and studies, the newest study first."""
    patients: dict[str, PatientNode] = {}
    for s in series:
        known = bool(s.patient.id or s.patient.name or s.study.uid)
        key = f"{s.patient.id}\n{s.patient.name}" if known else "files"
        patient = patients.setdefault(key, PatientNode(key, person_name(s.patient.name), s.patient.id))
        study_key = s.study.uid or (s.study.date + s.study.description if known else "") or folder_of(s)
        study = next((x for x in patient.studies if x.key == study_key), None)
        if study is None:
            study = StudyNode(study_key, _study_title(s, known, names), when=s.study.date + s.study.time)
            patient.studies.append(study)
        study.series.append(s)
    for patient in patients.values():
        patient.studies.sort(key=lambda x: x.when, reverse=True)
        for study in patient.studies:
            study.series = order_series(study.series)
    return sorted(patients.values(), key=lambda p: max(x.when for x in p.studies), reverse=True)


def order_series(series: Sequence[Series]) -> list[Series]:
    """Sort by number; masks and contours follow the image they belong to."""
    def place(s: Series) -> tuple[int, str]:
        return (s.number if s.number is not None else 1 << 30, s.description or s.title)

    images = sorted((s for s in series if s.kind not in WITHOUT_PICTURE), key=place)
    rest = sorted((s for s in series if s.kind in WITHOUT_PICTURE), key=place)
    found: list[Series] = []
    for image in images:
        mine = [s for s in rest if s.refers_to and s.refers_to == image.series_uid and s not in found]
        found += [image, *mine]
    return found + [s for s in rest if s not in found]


def folder_of(series: Series) -> str:
    """Return the name of the folder a series lies in."""
    return series.files[0].parent.name if series.files else ""


def _study_title(s: Series, known: bool, names: bool) -> str:
    if not known:
        return folder_of(s) if names else "Files"  # folders are often named after patients
    return "  ·  ".join(x for x in (date_text(s.study.date), s.study.description) if x) or "Study without date"


def person_name(text: str) -> str:
    """Write a DICOM person name as people do: ``DOE^JANE^M`` -> ``DOE, JANE M``."""
    groups = [g for g in text.split("=") if g.strip(" ^")]
    if not groups:
        return ""
    family, *given = (part.strip() for part in groups[0].split("^"))
    rest = " ".join(part for part in given[:2] if part)
    return ", ".join(x for x in (family, rest) if x)


def date_text(text: str) -> str:
    """Write a DICOM date as 2004-01-19; other texts stay."""
    plain = text.strip()
    if len(plain) < 8 or not plain[:8].isdigit():
        return plain
    # anonymisers blank month and day
    return f"{plain[:4]}-{plain[4:6]}-{plain[6:8]}".removesuffix("-00").removesuffix("-00")




def series_facts(s: Series) -> str:
    """Second line: modality and size (columns x rows x slices), or kind."""
    if s.kind in WITHOUT_PICTURE:
        return KINDS[s.kind] + (f" · {s.modality}" if s.modality and s.modality not in ("SEG", "RTSTRUCT") else "")
    return " · ".join(x for x in (s.modality, size_text(s)) if x) or KINDS[s.kind]


def size_text(s: Series) -> str:
    """Columns x rows x slices, and time points if there are several."""
    if s.shape is None:
        return ""
    k, j, i = s.shape
    text = f"{i} × {j} × {k}"
    return f"{text} · {s.time_points} times" if s.time_points > 1 else text


def spacing_text(s: Series) -> str:
    """Distances of columns, rows and slices; empty where the files give none."""
    if s.geometry is None or any(r.code in UNCALIBRATED for r in s.warnings):
        return ""
    k, j, i = s.geometry.spacing_mm
    return " × ".join(f"{v:.2f}" for v in ((i, j, k) if s.geometry.shape[0] > 1 else (i, j))) + " mm"


def alerts(reports: Iterable[Report]) -> list[Report]:
    """Return the reports worth a badge."""
    return [r for r in reports if r.level != "info"]


def report_text(report: Report) -> str:
    """One report in a paragraph: problem, then what was done."""
    problem = report.problem[:1].upper() + report.problem[1:]
    fix = report.fix[:1].upper() + report.fix[1:]
    return f"{_stop(problem)} {_stop(fix)}".strip()


def _stop(text: str) -> str:
    return text if not text or text[-1] in ".!?…" else f"{text}."
