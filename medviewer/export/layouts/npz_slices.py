"""Layout `npz-slices`: one npz per slice, ``<patient>/<n>.npz`` with `image` and `target`.

With both contours the arrays are `image`, `i_contour` and `o_contour` (whichever exist), and three more lists
name the files that have the inner, the outer, and both.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medviewer.core.errors import ReadError
from medviewer.core.job import Job
from medviewer.core.study import ScanResult
from medviewer.export.cases import Case, Plan, Sample
from medviewer.export.manifest import Entry
from medviewer.export.overlay import draw
from medviewer.export.recipe import Recipe
from medviewer.export.sunnybrook import find_tree, plan_tree
from medviewer.export.writer import Written, npz_arrays, write_npz, write_png

PICTURES = "overlaid"


class NpzSlices:
    """One npz per annotated slice."""

    id, label, requires = "npz-slices", "NumPy slices (.npz)", ()

    def plan(self, recipe: Recipe, sources: Sequence[Path], out: Path, job: Job) -> Plan:
        """Find what to export: contour texts with a link table, or series with SEG, RTSTRUCT or label files."""
        trees, rest = {}, []
        for source in sources:
            tree = find_tree(source, recipe)
            if tree is None:
                rest.append(source)
            else:
                trees[tree] = tree
        plan = Plan()
        for tree in trees:
            plan += plan_tree(tree, recipe, job)
        return plan + self._series(rest, recipe, out, job) if rest else plan

    def _series(self, sources: Sequence[Path], recipe: Recipe, out: Path, job: Job) -> Plan:
        from medviewer.export.stacks import plan_series
        from medviewer.io.access import scan_all

        if recipe.both_contours:
            raise ReadError("inner and outer contours need a folder of contour texts", path=sources[0],
                            hint="Leave out --both-contours, or name the folder with --contours.")
        found, place = scan_all(sources, job), out.resolve()
        ours = ScanResult(tuple(s for s in found.series if not s.files[0].resolve().is_relative_to(place)),
                          tuple(s for s in found.skipped if not s.path.resolve().is_relative_to(place)))
        return plan_series(ours, recipe, job)

    def file_of(self, case: Case) -> str:
        """Return the file of a case, relative to the export folder."""
        return f"{case.folder}/{case.number}.npz"

    def write(self, case: Case, sample: Sample, recipe: Recipe, out: Path) -> tuple[list[Written], dict[str, Any]]:
        """Write one slice; returns the files and what the manifest says about them."""
        masks = {key: mask.pixels for key, mask in sample.masks.items()}
        arrays = npz_arrays(sample.image, masks)
        files = [write_npz(out, self.file_of(case), arrays)]
        if recipe.overlays:
            picture = draw(sample.image, masks, sample.window)
            files.append(write_png(out, f"{PICTURES}/{case.folder}_{case.number}.png", picture))
        facts = {"keys": list(arrays), "dtype": sample.image.dtype.name, "shape": list(sample.image.shape),
                 "mask_px": {key: int(mask.sum()) for key, mask in masks.items()},
                 "contour_area_px": {key: round(mask.area_px, 6) for key, mask in sample.masks.items()
                                     if mask.area_px is not None}}
        return files, facts

    def lists(self, entries: Sequence[Entry], recipe: Recipe, out: Path) -> dict[str, str]:
        """Return the list files by name, one line per npz."""
        def lines(*keys: str) -> str:
            names = [str(e["file"]) for e in entries if set(keys) <= set(e["keys"])]
            return "".join(f"{name if recipe.list_paths == 'relative' else (out / name).as_posix()}\n"
                           for name in names)

        found = {"filelist.txt": lines("image")}
        if recipe.both_contours:
            found |= {"i_contour.txt": lines("i_contour"), "o_contour.txt": lines("o_contour"),
                      "both_contour.txt": lines("i_contour", "o_contour")}
        return found


LAYOUT = NpzSlices()
