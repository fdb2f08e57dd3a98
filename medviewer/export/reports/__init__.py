"""Reports: one file each."""
