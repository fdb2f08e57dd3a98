"""The 3D view: VTK draws in a child process, off screen, and the window shows its pictures."""
