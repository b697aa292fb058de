"""The reusable code of the course: born in a notebook, kept by `python -m shared.kit.course copy`."""
