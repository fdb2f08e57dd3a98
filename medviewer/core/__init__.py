"""The domain as plain values: no files, no widgets, no threads of its own."""
