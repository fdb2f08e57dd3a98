"""One file per tool; each defines TOOL and is found by itself."""
