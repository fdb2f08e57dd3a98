"""One file per format; each defines READER and/or WRITER and is found by itself."""
