"""The code of the course, born in notebooks; `python -m shared.kit.course copy` writes it."""
