"""How answers are judged: numbers, functions, tensors and other results, each in one way.

Every function here but the readers returns None if nothing is wrong, else a hint.
"""

import math
import reprlib
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any

import numpy as np
import torch
from torch import Tensor

Judge = Callable[[Any], str | None]


def plain(answer: Any) -> Any:
    """A tensor or a NumPy value of no dimension as Python's own number; all else as it is."""
    if isinstance(answer, (Tensor, np.ndarray, np.generic)) and answer.ndim == 0:
        return answer.item()
    return answer


def kind(answer: Any) -> str:
    """What an answer is, in words: "text: '10'", "a list: [10]", "a tensor of shape (2,)"."""
    answer = plain(answer)
    if isinstance(answer, str):
        return f"text: {reprlib.repr(answer)}"
    if answer is None or isinstance(answer, (bool, int, float)):
        return repr(answer)
    if isinstance(answer, Tensor):
        return f"a tensor of shape {tuple(answer.shape)}"
    if isinstance(answer, np.ndarray):
        return f"a NumPy array of shape {answer.shape}"
    if isinstance(answer, (list, tuple, set, dict)):
        return f"a {type(answer).__name__}: {reprlib.repr(answer)}"
    if callable(answer):
        return "a function"
    return f"an object of type {type(answer).__name__}"


# ---- numbers


def not_a_number(answer: Any) -> str | None:
    """A hint unless the answer is one finite number."""
    number = plain(answer)
    is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
    if is_number and (isinstance(number, int) or math.isfinite(number)):
        return None
    return f"expected one number, this is {kind(answer)}"


def is_close(number: float, value: float, tolerance: float) -> bool:
    """Whether a number is near a value; the tolerance is a share of the value."""
    margin = tolerance * abs(value)
    return value - margin <= number <= value + margin


def wrong_number(
    answer: Any,
    right: float,
    slips: Mapping[float, str] | None = None,
    tolerance: float = 0.0,
    how: str = "",
) -> str | None:
    """A hint unless the answer is the right number, within `tolerance`, a share of it.

    `slips` holds the hints for known wrong numbers; any other is too large or too small, and `how`
    tells the way. A right number that is an int and has no tolerance asks for a whole number.
    """
    if hint := not_a_number(answer):
        return hint
    number = plain(answer)
    if is_close(number, right, tolerance):
        return None
    for slip, hint in (slips or {}).items():
        if is_close(number, slip, tolerance):
            return hint
    if isinstance(right, int) and not tolerance and number != int(number):
        return f"the answer is a whole number, not {number:,}"
    size = "large" if number > right else "small"
    return f"{number:,} is too {size}" + (f": {how}" if how else "")


def wrong_list(answer: Any, shape: tuple[int, ...], what: str = "your list") -> str | None:
    """A hint unless the answer holds numbers in this shape."""
    try:
        numbers = torch.as_tensor(answer, dtype=torch.float)
    except (TypeError, ValueError):
        return f"{what} must hold numbers, this is {kind(answer)}"
    return wrong_form(numbers, shape, what)


# ---- functions and what they return


def asks_for_function(judge: Judge) -> Judge:
    """A judge that refuses whatever is no function before it looks closer."""

    @wraps(judge)
    def judge_function(answer: Any) -> str | None:
        return not_a_function(answer) or judge(answer)

    return judge_function


def not_a_function(answer: Any) -> str | None:
    """A hint unless the answer can be called."""
    if callable(answer):
        return None
    return "give the function itself, by its name alone, and not what it returns"


def wrong_type(result: Any, types: type | tuple[type, ...], what: str) -> str | None:
    """A hint unless the result is of one of these types, named by `what`: "a list of pairs"."""
    if isinstance(plain(result), types):
        return None
    return f"it must return {what}, this is {kind(result)}"


def not_a_tuple(answer: Any, *names: str) -> str | None:
    """A hint unless the answer is a tuple or a list with one entry for each name."""
    if isinstance(answer, (tuple, list)) and len(answer) == len(names):
        return None
    return f"expected a tuple, ({', '.join(names)}), this is {kind(answer)}"


# ---- tensors


def near(a: Tensor, b: Tensor, atol: float = 1e-4) -> bool:
    """Whether two tensors have one shape and nearly the same values."""
    return a.shape == b.shape and torch.allclose(a.float(), b.float(), atol=atol)


def wrong_form(
    result: Any,
    shape: tuple[int, ...],
    what: str = "the result",
    dtype: torch.dtype | None = None,
    infinite: bool = False,
) -> str | None:
    """A hint unless a result is a tensor of this shape and dtype that holds only numbers."""
    if not isinstance(result, Tensor):
        return f"{what} must be a tensor, this is {kind(result)}"
    if tuple(result.shape) != shape:
        return f"{what} has shape {tuple(result.shape)}, expected {shape}"
    if dtype is not None and result.dtype != dtype:
        return f"{what} has dtype {result.dtype}, expected {dtype}"
    if result.isnan().any():
        return f"{what} holds NaN: is a whole row masked, or is something divided by zero?"
    if not infinite and result.isinf().any():
        return f"{what} holds numbers that are infinite"
    return None


def wrong_tensor(
    result: Any,
    right: Tensor,
    slips: Iterable[tuple[Tensor, str]] = (),
    otherwise: str = "the shape is right, the numbers are not",
) -> str | None:
    """A hint unless a result is the right tensor; `slips` are known wrong ones with their hints."""
    if hint := wrong_form(result, tuple(right.shape)):
        return hint
    if near(result, right):
        return None
    for slip, hint in slips:
        if near(result, slip):
            return hint
    return otherwise


def leak_hint(function: Callable[[Tensor], Tensor], x: Tensor) -> str | None:
    """A hint if changing token t of x, (B, T, D), moves an output before t."""
    before = function(x)
    for t in range(1, x.size(1)):
        changed = x.clone()
        changed[:, t] = draw(x.size(0), x.size(2), seed=99)
        if not near(function(changed)[:, :t], before[:, :t]):
            return (
                f"the future leaks: changing token {t} moves outputs before it. "
                "Mask before the softmax, with -inf"
            )
    return None


def draw(*shape: int, seed: int = 0) -> Tensor:
    """Random numbers of a shape, the same on every call."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
