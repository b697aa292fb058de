"""The reusable code of the course: born in a notebook, written here by `python -m shared.kit.course copy`."""
