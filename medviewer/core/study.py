"""What a scan of files finds: series with their geometry and oddities, without voxels."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from medviewer.core.geometry import Geometry

Kind = Literal["image", "labels", "seg", "rtstruct", "contours", "rtdose", "parametric", "other"]
Level = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Report:
    """One oddity of a series in plain words.

    code : short, stable, kebab-case (``uneven-slices``) for programs
    problem : what is odd, for people
    fix : what medviewer did about it, or what the user may do
    """

    code: str
    problem: str
    fix: str = ""
    level: Level = "warning"

    def __post_init__(self) -> None:
        # written by many hands and read by people: whole sentences
        object.__setattr__(self, "problem", _sentence(self.problem))
        object.__setattr__(self, "fix", _sentence(self.fix))


def _sentence(text: str) -> str:
    text = text.strip()
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?…" else ".")


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that was left out, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Patient:
    """Who a series belongs to, as written in the files (shown only where names may be shown)."""

    id: str = ""
    name: str = ""
    birth_date: str = ""
    sex: str = ""


@dataclass(frozen=True, slots=True)
class Study:
    """The study a series belongs to."""

    uid: str = ""
    date: str = ""
    time: str = ""
    description: str = ""
    accession: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One thing that can be opened: an image series, a segmentation, a structure set, ...

    id : unique within a scan and stable between scans of the same files
    reader : id of the reader that found it
    frames : number of stored image frames (all slices and time points); 0 for objects without pixels
    time_points : 1 for an ordinary series; T for a dynamic or multi-echo one
    refers_to : series UID that a segmentation or structure set was drawn on
    plan : the reader's own notes on how to read it; nobody else looks inside
    """

    id: str
    reader: str
    kind: Kind
    files: tuple[Path, ...]
    modality: str = ""
    description: str = ""
    number: int | None = None
    series_uid: str = ""
    frame_of_reference_uid: str = ""
    patient: Patient = field(default_factory=Patient)
    study: Study = field(default_factory=Study)
    geometry: Geometry | None = None
    frames: int = 0
    time_points: int = 1
    dtype: str = ""
    unit: str = ""
    transfer_syntax: str = ""
    colour: bool = False
    refers_to: str = ""
    warnings: tuple[Report, ...] = ()
    plan: Any = None

    @property
    def shape(self) -> tuple[int, int, int] | None:
        """(K, J, I), or None for objects without a grid."""
        return self.geometry.shape if self.geometry else None

    @property
    def title(self) -> str:
        """A short line for lists: number, description or modality."""
        text = self.description or self.modality or (self.files[0].name if self.files else self.id)
        return f"{self.number}: {text}" if self.number is not None else text


@dataclass(frozen=True, slots=True)
class ScanResult:
    """Series found, and files left out with the reason."""

    series: tuple[Series, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def __add__(self, other: ScanResult) -> ScanResult:
        return ScanResult(self.series + other.series, self.skipped + other.skipped)
