"""Exercise checks: each answers "not attempted yet", "right" or a hint, and never raises.

`check("averaging_the_past/causal_mean", answer)` finds the exercise in the module of its notebook,
shared/checks/averaging_the_past.py; each holds EXERCISES, a dictionary from name to Exercise.
"""

import linecache
import reprlib
import sysconfig
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from traceback import walk_tb
from types import FrameType
from typing import Any

from shared.kit.kept_answers import is_the_courses, keep, kept_answer, topic

ATTEMPTS: dict[str, int] = {}
DONE: set[str] = set()
FRAMES_SHOWN = 3
# code that is not the reader's: the course's own and what is installed
FOREIGN = (
    Path(__file__).parents[1],
    *(Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")),
)


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


class Short(reprlib.Repr):
    """Values in a few words: a tensor as its shape, an object as its type."""

    def repr_Tensor(self, tensor: Any, level: int) -> str:
        return f"<tensor of shape {tuple(tensor.shape)}>"

    repr_Parameter = repr_Tensor

    def repr_ndarray(self, array: Any, level: int) -> str:
        return f"<array of shape {array.shape}>"

    def repr_instance(self, x: Any, level: int) -> str:
        if x is None or isinstance(x, (bool, float)):
            return repr(x)
        return f"<{getattr(x, '__name__', type(x).__name__)}>"


def is_the_readers(frame: FrameType) -> bool:
    """Whether a frame runs a function that the reader wrote; a comprehension is a part of one."""
    code = frame.f_code
    if code.co_name in ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"):
        return False
    return not any(Path(code.co_filename).is_relative_to(folder) for folder in FOREIGN)


def arguments(frame: FrameType) -> dict[str, Any]:
    """The arguments of a function by name, with the values that they have in this frame."""
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    found = frame.f_locals
    return {name: found[name] for name in names if name in found and name != "self"}


def what_was_raised(error: Exception) -> str:
    """An error in lines for the reader: what it is, in which of their lines, and the arguments of
    their function as they were then.
    """
    try:
        lines = [f"your answer raised {type(error).__name__}: {error}"]
    except Exception:  # an error that cannot even say what it is
        return f"your answer raised {type(error).__name__}"
    theirs = [step for step in walk_tb(error.__traceback__) if is_the_readers(step[0])]
    for frame, number in theirs[-FRAMES_SHOWN:]:
        code = frame.f_code
        name = "your lambda" if code.co_name == "<lambda>" else code.co_name
        line = linecache.getline(code.co_filename, number).strip()
        where = f"  in line {number - code.co_firstlineno + 1} of {name}"
        lines.append(f"{where}: `{line}`" if line else where)
    if theirs and (given := arguments(theirs[0][0])):
        short = Short()
        values = ", ".join(f"{name} = {short.repr(value)}" for name, value in given.items())
        lines.append(f"  with {values}")
    return "\n".join(lines)


def not_attempted(name: str) -> str:
    """What is said of an empty answer: also where an earlier, right one is kept."""
    path = kept_answer(name)
    return "not attempted yet" + (f"; solved before: your answer is kept in {path}" if path else "")


def verdict(name: str, answer: Any) -> str:
    """What `check` says of an answer."""
    exercise = find(name)
    if answer is None:
        return not_attempted(name)
    try:
        hint = exercise.judge(answer)
    except Exception as error:
        if isinstance(error, NotImplementedError) and not error.args:  # a stub nobody has filled in
            return not_attempted(name)
        hint = what_was_raised(error)
    if hint is None:
        if not is_the_courses(name):
            DONE.add(name)
            keep(name)
        return "right"
    attempt = ATTEMPTS.get(name, 0)
    ATTEMPTS[name] = attempt + 1
    if 1 <= attempt <= len(exercise.hints):
        hint += f"\nHint {attempt}: {exercise.hints[attempt - 1]}"
    elif attempt:
        hint += "\nThere are no more hints: see Solutions, at the end of the notebook"
    return f"not yet: {hint}"


def check(name: str, answer: Any) -> None:
    """Print whether the answer is right, or a hint. Asking again after a wrong one gives more."""
    print(f"{name}: {verdict(name, answer)}")


def progress(notebook: str) -> None:
    """Print how many exercises of "02_attention/01_averaging_the_past" are done: "2 of 3 done"."""
    names = [f"{topic(notebook)}/{name}" for name in exercises(topic(notebook))]
    done = sum(name in DONE or kept_answer(name) is not None for name in names)
    print(f"{done} of {len(names)} done")
