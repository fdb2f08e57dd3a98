"""One file per command; a module that defines COMMAND is found by itself."""
