"""Pure functions on volumes, label maps and contours."""
