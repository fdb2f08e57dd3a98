"""Which segments of two label maps are the same structure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from medviewer.core.errors import ParamError
from medviewer.core.labels import LabelMap, Segment
from medviewer.core.study import Report

Match = Literal["auto", "name", "value"]
MATCHES = ("auto", "name", "value")
_GIVEN = re.compile(r"(label|segment|roi)?[\s_#-]*\d*", re.IGNORECASE)  # names that say nothing
_BETWEEN = re.compile(r"[\s_\-./]+")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two segments to compare; one of them may be missing."""

    key: str
    name: str
    a: Segment | None
    b: Segment | None


def match_segments(a: LabelMap, b: LabelMap, how: Match = "auto") -> tuple[list[Pair], list[Report]]:
    """Find the partner of every segment.

    Parameters
    ----------
    how : {"auto", "name", "value"}
        By name, where upper and lower case and what stands between words do not matter, or by label value. `auto`
        pairs two lone segments whatever they are called, else goes by name if both maps share a name that says
        something, else by value.

    Returns
    -------
    pairs : list of Pair
        In the order of `a`, then what only `b` has.
    notes : list of Report
        Segments without a partner, and pairs by value whose names differ.

    Raises
    ------
    ParamError
        If `how` is unknown.
    """
    if how not in MATCHES:
        raise ParamError(f"segments cannot be matched by {how!r}", hint=f"Use one of {', '.join(MATCHES)}.")
    alone = how == "auto" and len(a.segments) == len(b.segments) == 1
    by_name = how == "name" or (how == "auto" and bool(_names(a) & _names(b)))
    rest = list(b.segments)
    pairs: list[tuple[Segment | None, Segment | None]] = []
    for segment in a.segments:
        same = [s for s in rest if alone or (_plain(s.name) == _plain(segment.name) if by_name
                                             else s.value == segment.value)]
        partner = same[0] if same else None
        if partner is not None:
            rest.remove(partner)
        pairs.append((segment, partner))
    pairs += [(None, segment) for segment in rest]
    return _keyed(pairs), list(_notes(pairs))


def _plain(name: str) -> str:
    return _BETWEEN.sub(" ", name).strip().casefold()


def _names(labels: LabelMap) -> set[str]:
    return {_plain(s.name) for s in labels.segments if not _GIVEN.fullmatch(s.name.strip())}


def _keyed(pairs: Sequence[tuple[Segment | None, Segment | None]]) -> list[Pair]:
    used: set[str] = set()
    made = []
    for a, b in pairs:
        segment = a or b
        assert segment is not None
        key = first = str(segment.value) if a else f"b{segment.value}"
        count = 1
        while key in used:  # the same value in another layer
            count += 1
            key = f"{first}.{count}"
        used.add(key)
        made.append(Pair(key, next((s.name for s in (a, b) if s and s.name), ""), a, b))
    return made


def _notes(pairs: Sequence[tuple[Segment | None, Segment | None]]) -> list[Report]:
    notes = []
    for which, lonely in (("first", [a for a, b in pairs if a and not b]),
                          ("second", [b for a, b in pairs if b and not a])):
        if lonely:
            names = ", ".join(f"{s.name or s.value} ({s.value})" for s in lonely[:5])
            more = f" and {len(lonely) - 5} more" if len(lonely) > 5 else ""
            notes.append(Report("label-without-partner", f"Only the {which} mask has {names}{more}",
                                "compared with an empty mask"))
    renamed = [(a, b) for a, b in pairs if a and b and _plain(a.name) != _plain(b.name)
               and not any(_GIVEN.fullmatch(s.name.strip()) for s in (a, b))]
    if renamed:
        names = ", ".join(f"{a.name} and {b.name}" for a, b in renamed[:5])
        notes.append(Report("label-names-differ", f"Labels compared with each other have other names: {names}",
                            "check that they are the same structure"))
    return notes
