"""Exercise checks: each answers "not attempted yet", "right" or a hint, and never raises.

`check("averaging_the_past/causal_mean", answer)` finds the exercise in the module of its notebook,
shared/checks/averaging_the_past.py; each holds EXERCISES, a dictionary from name to Exercise.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

ATTEMPTS: dict[str, int] = {}
DONE: set[str] = set()


class Exercise:
    """A judge that returns None or says what is wrong, and further hints, one a try."""

    def __init__(self, judge: Callable[[Any], str | None], *hints: str) -> None:
        self.judge = judge
        self.hints = hints


def exercises(notebook: str) -> dict[str, Exercise]:
    """The exercises of a notebook, named without its number: "averaging_the_past"."""
    return import_module(f"shared.checks.{notebook}").EXERCISES


def find(name: str) -> Exercise:
    """The exercise named "notebook/exercise". Raises ValueError if there is none."""
    notebook, _, exercise = name.partition("/")
    try:
        return exercises(notebook)[exercise]
    except (ModuleNotFoundError, AttributeError, KeyError):
        raise ValueError(
            f"no exercise is named {name!r}: was the cell's first argument changed?"
        ) from None


def verdict(name: str, answer: Any) -> str:
    """What `check` says of an answer."""
    exercise = find(name)
    if answer is None:
        return "not attempted yet"
    try:
        hint = exercise.judge(answer)
    except Exception as error:
        if isinstance(error, NotImplementedError) and not error.args:  # a stub nobody has filled in
            return "not attempted yet"
        hint = f"your answer raised {type(error).__name__}: {error}"
    if hint is None:
        DONE.add(name)
        return "right"
    attempt = ATTEMPTS.get(name, 0)
    ATTEMPTS[name] = attempt + 1
    if 1 <= attempt <= len(exercise.hints):
        hint += f"\nHint {attempt}: {exercise.hints[attempt - 1]}"
    return f"not yet: {hint}"


def check(name: str, answer: Any) -> None:
    """Print whether the answer is right, or a hint. Asking again after a wrong one gives more."""
    print(f"{name}: {verdict(name, answer)}")


def progress(notebook: str) -> None:
    """Print how many exercises of "02_attention/01_averaging_the_past" are done: "2 of 3 done"."""
    stem = notebook.split("/")[-1].split("_", 1)[1]
    names = exercises(stem)
    done = sum(f"{stem}/{name}" in DONE for name in names)
    print(f"{done} of {len(names)} done")
