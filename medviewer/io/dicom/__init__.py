"""DICOM: hardened headers, pixels in a worker, slices put together."""
