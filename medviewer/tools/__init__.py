"""Pointer gestures become changes of the views, measurements and (later) edits. No Qt."""
