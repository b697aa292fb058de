"""Exercise checks: each answers "not attempted yet", "right" or a hint, and never raises.

`check("attention/causal_mean", answer)` finds the exercise in shared/checks/attention.py; each such module holds
EXERCISES, a dictionary from name to Exercise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

ATTEMPTS: dict[str, int] = {}
DONE: set[str] = set()


@dataclass(frozen=True)
class Exercise:
    """One exercise: its notebook, a judge that returns None or says what is wrong, and further hints, one a try."""

    notebook: str  # "02_attention/01_averaging_the_past"
    judge: Callable[[Any], str | None]
    hints: tuple[str, ...] = ()


def find(name: str) -> Exercise:
    """The exercise named "chapter/exercise". Raises ValueError if there is none."""
    chapter, _, exercise = name.partition("/")
    try:
        return import_module(f"shared.checks.{chapter}").EXERCISES[exercise]
    except (ModuleNotFoundError, KeyError):
        raise ValueError(f"no exercise is named {name!r}: was the cell's first argument changed?") from None


def verdict(name: str, answer: Any) -> str:
    """What `check` says of an answer."""
    exercise = find(name)
    if answer is None:
        return "not attempted yet"
    try:
        hint = exercise.judge(answer)
    except Exception as error:
        if isinstance(error, NotImplementedError) and not error.args:  # a stub that nobody has filled in
            return "not attempted yet"
        hint = f"your answer raised {type(error).__name__}: {error}"
        if isinstance(error, TypeError) and "not callable" in str(error) and not callable(answer):
            hint = "give the function itself, by its name alone, and not what it returns"
    if hint is None:
        DONE.add(name)
        return "right"
    attempt = ATTEMPTS[name] = ATTEMPTS.get(name, -1) + 1
    more = f"\nHint {attempt}: {exercise.hints[attempt - 1]}" if 1 <= attempt <= len(exercise.hints) else ""
    return f"not yet: {hint}{more}"


def check(name: str, answer: Any) -> None:
    """Print whether the answer is right, or a hint. Asking again after a wrong answer gives a further hint."""
    print(f"{name}: {verdict(name, answer)}")


def progress(notebook: str) -> None:
    """Print how many of a notebook's exercises are done: "2 of 3 done"."""
    chapter = notebook.split("/")[0].split("_", 1)[1]
    chapter = {"instruction_finetuning": "instructions"}.get(chapter, chapter)
    names = [n for n, e in import_module(f"shared.checks.{chapter}").EXERCISES.items() if e.notebook == notebook]
    print(f"{sum(f'{chapter}/{name}' in DONE for name in names)} of {len(names)} done")
