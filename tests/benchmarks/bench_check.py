"""How many faults does the dataset check find, how many false alarms does it give, and how long does it take?

Run: python -m tests.benchmarks.bench_check [--demo DIR] [--seeds 21,22] [--only NAME]. Every fault is put into every
right pair; a mask counts as found if any problem is reported. Pairs whose structures show no edges in the image are
counted apart: there the check has to stay quiet, and cannot see most faults.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from medviewer.core.labels import LabelMap
from medviewer.core.volume import Volume
from medviewer.export.case_check import alignment_problems
from medviewer.export.dataset_check import check_dataset
from medviewer.ops.alignment import judge
from medviewer.ops.checks.extent import check_extent
from medviewer.ops.checks.facts import facts_of
from medviewer.ops.checks.gaps import check_gaps
from medviewer.ops.checks.islands import check_islands
from medviewer.ops.checks.outside import check_outside
from medviewer.ops.checks.overlap import check_overlap
from tests.benchmarks.check_pairs import FAULTS, Sample, broken, samples, scratch
from tests.benchmarks.table import show
from tests.conftest import SHARED
from tests.export.chests import organs, save, write_case


def problems(volume: Volume, labels: LabelMap) -> list[str]:
    """Return the codes of all problems of a pair."""
    facts = facts_of(labels)
    found = [*check_extent(facts, volume.geometry), *check_gaps(labels, facts, volume.geometry),
             *check_islands(labels, facts, volume.geometry), *check_outside(volume, labels, facts),
             *check_overlap(labels, facts), *alignment_problems(judge(volume, labels))]
    return [p.code for p in found if p.weight > 0]


def single(pairs: list[Sample]) -> None:
    """Every fault in every pair, by itself."""
    found: dict[tuple[str, bool], list[bool]] = defaultdict(list)
    rows, alarms = [], []
    for pair in pairs:
        alarm = problems(pair.volume, pair.labels)
        alarms += [f"{pair.name}: {', '.join(alarm)}"] if alarm else []
        row = [pair.name, "clear" if pair.clear else "weak", ", ".join(alarm) or "quiet"]
        for group, change in FAULTS.values():
            wrong = broken(pair.labels, change)
            codes = problems(pair.volume, wrong) if wrong is not None else None
            row.append("." if codes is None else codes[0] if codes else "-")
            if codes is not None:
                found[group, pair.clear].append(bool(codes))
        rows.append(row)
        print(*row, sep=" | ", flush=True)
    groups = list(dict.fromkeys(group for group, _ in FAULTS.values()))
    show("Found, by group", ("fault", "clear edges", "weak edges"),
         [(g, *(f"{sum(found[g, c])}/{len(found[g, c])} = {np.mean(found[g, c] or [0]):.0%}" for c in (True, False)))
          for g in groups])
    print(f"\nFalse alarms on {len(pairs)} right pairs: {len(alarms)}", *alarms, sep="\n  ")


def cohorts() -> None:
    """Faults that only the data set shows, among eight synthetic patients."""
    rows = []
    for name, wrong in (("right", {}), ("wrong patient", {31: organs(32), 32: organs(31)}),
                        ("copied mask", {33: organs(34)}), ("merged labels", {31: _merged(31)}),
                        ("renumbered", {34: _renumbered(34)}), ("missing slices", {35: _gap(35)})):
        root = scratch()
        for seed in range(31, 39):
            write_case(root, seed, wrong.get(seed))
        report = check_dataset([root], workers=2)
        found = {int(Path(c.mask).name[6:9]): [p.code for p in c.problems] for c in report.cases if c.problems}
        expected = set(wrong) | ({34} if name == "copied mask" else set())
        rows.append((name, f"{len(expected & set(found))}/{len(expected)}", len(set(found) - expected),
                     "; ".join(sorted({code for codes in found.values() for code in codes}))))
    show("Data set of 8 patients", ("fault", "found", "false alarms", "reported as"), rows)


def _merged(seed: int) -> np.ndarray:
    return np.where(organs(seed) == 2, 1, organs(seed)).astype(np.uint8)


def _renumbered(seed: int) -> np.ndarray:
    return np.where(organs(seed) == 3, 30, organs(seed)).astype(np.uint8)


def _gap(seed: int) -> np.ndarray:
    out = organs(seed).copy()
    out[20:22] = 0
    return out


def speed() -> None:
    """One case of 300 x 512 x 512 from files."""
    from medviewer.ops.phantom import thorax

    made = thorax(41, shape=(300, 512, 512))
    root = scratch()
    save(root / "imagesTr" / "a_0000.nii", made.hu, made.geometry.affine)
    save(root / "labelsTr" / "a.nii", made.labels.layers[0].astype(np.uint8), made.geometry.affine)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        check_dataset([root])
        times.append(time.perf_counter() - start)
    show("Time of one case, 300 x 512 x 512", ("seconds", "target"), [(float(np.median(times)), "<= 5")])


def main() -> None:
    """Run what is asked for."""
    options = argparse.ArgumentParser()
    options.add_argument("--demo", type=Path)
    options.add_argument("--seeds", default="21,22,23")
    options.add_argument("--only", default="")
    given = options.parse_args()
    seeds = tuple(int(s) for s in given.seeds.split(",") if s)
    pairs = [p for p in samples(SHARED, given.demo, seeds) if given.only in p.name]
    single(pairs)
    if not given.only:
        cohorts()
        speed()


if __name__ == "__main__":
    main()
