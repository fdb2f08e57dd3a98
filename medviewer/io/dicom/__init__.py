"""DICOM: hardened parsing, pixel decoding out of process, series sorting and the data doctor."""
