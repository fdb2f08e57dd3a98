"""Do the masks and contours of a scan refer to images that are there?"""

from __future__ import annotations

from dataclasses import replace

from medviewer.core.study import Report, ScanResult, Series

DRAWN = ("seg", "rtstruct", "rtdose", "contours", "labels")


def with_missing_references(result: ScanResult) -> ScanResult:
    """Add a report to each mask or structure set whose image series is not among the scanned files.

    Only where other images were scanned: a mask opened by itself is usual.
    """
    known = {s.series_uid for s in result.series if s.series_uid}
    if not any(s.kind == "image" for s in result.series):
        return result

    def checked(series: Series) -> Series:
        if series.kind not in DRAWN or not series.refers_to or series.refers_to in known:
            return series
        report = Report("reference-missing", "The series it was drawn on is not among these files.",
                        "It is placed by its positions; open that series too to see it in place.")
        return replace(series, warnings=(*series.warnings, report))

    return ScanResult(tuple(checked(s) for s in result.series), result.skipped)
