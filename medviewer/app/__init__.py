"""The open session: studies, layers, views, jobs, settings. No Qt."""
