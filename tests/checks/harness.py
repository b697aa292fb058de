"""Tests of a notebook's exercises over two tables: right answers, and wrong ones with hints."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from shared.checks import ATTEMPTS, exercises, verdict

NONSENSE = {
    "zero": 0, "a half": 3.5, "True": True, "text": "x", "list": [], "dict": {},
    "object": object(), "nan": math.nan, "an empty tensor": torch.zeros(0), "a builtin": len,
    "a constant": lambda: 1, "returns None": lambda *given: None,
    "returns text": lambda *given: "x", "raises": lambda *given: 1 / 0,
}  # fmt: skip
NO_FUNCTION = "give the function itself, by its name alone"
Case = tuple[str, str, Any, str]


def stub(*given: Any) -> None:
    raise NotImplementedError


def number_cases(name: str, right: float) -> Iterator[Case]:
    """One number in other clothes is right; what is no number gets one sentence everywhere."""
    forms = {"float": float(right), "tensor": torch.tensor(right), "numpy": np.float64(right)}
    for what, answer in forms.items():
        yield name, f"as a {what}", answer, "right$"
    others = {
        "text": str(right), "True": True, "a list": [right], "a tuple": (right,),
        "a set": {right}, "a tensor": torch.tensor([right]), "an array": np.array([right]),
        "nan": math.nan, "infinity": math.inf, "a tensor of nan": torch.tensor(math.nan),
        "a function": len,
    }  # fmt: skip
    for what, answer in others.items():
        yield name, f"no number: {what}", answer, "not yet: expected one number, this is "


def cases(right: dict[str, Any], wrong: list[Case]) -> Iterator[Case]:
    """Exercise, what the answer is, the answer, and a pattern of what must be said of it."""
    for name, solution in right.items():
        yield name, "nothing", None, "not attempted yet$"
        yield name, "the solution", solution, "right$"
        for what, answer in NONSENSE.items():
            yield name, f"nonsense: {what}", answer, "not yet: "
        if callable(solution):
            yield name, "a stub", stub, "not attempted yet$"
            yield name, "3 for a function", 3, f"not yet: {NO_FUNCTION}"
            yield name, "a result for a function", {"a": 0}, f"not yet: {NO_FUNCTION}"
        if isinstance(solution, (int, float)):
            yield from number_cases(name, solution)
    for name, what, answer, hint in wrong:
        yield name, what, answer, f"not yet: .*({hint})"


def exercise_tests(
    notebook: str, right: dict[str, Any], wrong: list[Case]
) -> tuple[Callable, Callable]:
    """The test of every answer, and the test that the tables leave no exercise out."""
    table = list(cases(right, wrong))

    @pytest.mark.parametrize(
        "name, answer, said",
        [(name, answer, said) for name, _, answer, said in table],
        ids=[f"{name}: {what}" for name, what, _, _ in table],
    )
    def test_answers(name: str, answer: Any, said: str) -> None:
        ATTEMPTS.clear()
        found = verdict(f"{notebook}/{name}", answer)
        assert re.match(said, found, re.DOTALL), found

    def test_tables() -> None:
        asked = exercises(notebook)
        counted = Counter(name for name, *_ in wrong)
        assert list(right) == list(asked)
        assert set(counted) == set(asked)
        assert min(counted.values()) >= 2, f"two wrong answers for each exercise: {counted}"
        for name, exercise in asked.items():
            assert exercise.hints, f"{name} has no further hint"
            assert all(isinstance(hint, str) for hint in exercise.hints), exercise.hints

    return test_answers, test_tables
