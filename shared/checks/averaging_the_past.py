"""The exercises of 02_attention/01_averaging_the_past."""

import dis
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

import torch
from torch import Tensor

from shared.checks import Exercise
from shared.checks.judging import (
    asks_for_function,
    draw,
    leak_hint,
    near,
    wrong_form,
    wrong_list,
    wrong_tensor,
)
from shared.kit.system import CountOperations


def judge_causal_mean_by_hand(answer: Any) -> str | None:
    if hint := wrong_list(answer, (4, 2)):
        return hint
    rows = torch.as_tensor(answer, dtype=torch.float)  # (4, 2)
    right = torch.tensor([[2.0, 0], [3, 3], [2, 3], [2, 3]])
    if near(rows, right[-1].expand(4, 2)):
        return (
            "every row is the mean of all four tokens: a row may use only the tokens up to itself"
        )
    sums = torch.tensor([[2.0, 0], [6, 6], [6, 9], [8, 12]])
    if near(rows, sums / 4):
        return "every running sum is divided by 4: divide row t by the tokens it has seen, t + 1"
    if near(rows, sums):
        return "these are the running sums: divide row t by the number of tokens it has seen, t + 1"
    for t in range(4):
        if not near(rows[t], right[t]):
            return f"row {t} is not the mean of tokens 0 to {t}"
    return None


@asks_for_function
def judge_decay_scores(answer: Callable[[int], Tensor]) -> str | None:
    for T in (3, 6):
        scores = answer(T)
        if hint := wrong_form(scores, (T, T), "the result", infinite=True):
            return hint
        weights = scores.softmax(dim=-1)
        if near(scores.sum(dim=-1), torch.ones(T)):
            return "these are weights, rows that sum to one: give the scores, before the softmax"
        if (weights.triu(1) > 0).any():
            return "some weight lies on the future: fill everything above the diagonal with -inf"
        ratio = weights[-1, 1] / weights[-1, 0]
        if abs(ratio - 0.5) < 1e-3:
            return (
                "the wrong way round: each token weighs half as much as the one *before* it, so "
                "the oldest weighs most"
            )
        if abs(ratio - 2) > 1e-3:
            return (
                "each token should weigh twice as much as the one before it, yours weighs "
                f"{ratio:.2f} times as much. Softmax takes exponentials: which score doubles "
                "a weight?"
            )
        powers = torch.tensor(2.0).pow(torch.arange(T)).expand(T, T).tril()
        if not near(weights, powers / powers.sum(dim=-1, keepdim=True)):
            return "the last row begins well, but another row or step does not halve"
    return None


@asks_for_function
def judge_causal_mean(answer: Callable[[Tensor], Tensor]) -> str | None:
    for shape in ((2, 5, 3), (1, 1, 4), (3, 9, 1)):
        x = draw(*shape)
        y = answer(x)
        if hint := wrong_form(y, shape) or wrong_mean(answer, x, y):
            return hint
    return forbidden_way(answer)


def wrong_mean(answer: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> str | None:
    """A hint unless y, (B, T, D), holds the causal means of x."""
    counts = torch.arange(1, x.size(1) + 1)[:, None]  # (T, 1)
    if x.size(0) > 1 and near(y, x.cumsum(dim=0) / counts):
        return "you add up along the batch: the tokens are dimension 1, cumsum(dim=1)"
    if near(y, x.cumsum(dim=1)) and x.size(1) > 1:
        return "these are the running sums: divide by the tokens seen so far, 1, 2, 3, ..."
    if leak_hint(answer, x):
        return (
            "the future leaks: a later token moves an earlier output. Position t may use the "
            "tokens 0 to t alone, so neither the sum nor the count may run over all T"
        )
    if not near(y[:, 0], x[:, 0]):
        return "the first output must be the first token itself: one token, divided by a count of 1"
    if not near(answer(torch.ones(x.shape)), torch.ones(x.shape)):
        return "the mean of equal tokens must be that token: divide by the tokens seen so far"
    if not near(y, x.cumsum(dim=1) / counts):
        return "some later output is not the mean of the tokens so far"
    return None


def forbidden_way(answer: Callable[[Tensor], Tensor]) -> str | None:
    """A hint where the means come from a loop or from a product with a matrix of weights."""
    calls = []
    for T in (3, 30):
        with CountOperations() as counted:
            answer(draw(2, T, 4))
        calls.append(counted.calls)
    if calls[1] > calls[0] or any(loops(getattr(answer, "__code__", None))):
        return (
            "the means are right, but they come from a loop: its work grows by a call for each "
            "token. Add up all at once"
        )
    x = torch.ones(1, 4, 2)
    x[:, -1] = torch.nan  # 0 times nan is nan: in a product, hidden tokens are felt
    if answer(x)[:, :-1].isnan().any():
        return (
            "the means are right, but they come from a product with weights, zeros for the "
            "future included: here no weight is needed"
        )
    return None


def loops(code: CodeType | None) -> Iterator[bool]:
    """Whether Python's own code of a function, or of one inside of it, goes round."""
    if code is None:  # not written in Python
        return
    yield any(
        step.opname in ("FOR_ITER", "JUMP_BACKWARD", "JUMP_ABSOLUTE")
        for step in dis.get_instructions(code)
    )
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from loops(constant)


@asks_for_function
def judge_fading_mixer(mixer: Callable[[Tensor], Tensor]) -> str | None:
    if isinstance(mixer, type):
        return "this is the class: give a mixer made from it, with brackets, MyMixer()"
    for shape in ((2, 5, 3), (1, 9, 4), (3, 1, 2)):
        x = draw(*shape)
        T = shape[1]
        y = mixer(x)
        if hint := wrong_form(y, shape):
            return hint
        if leak_hint(mixer, x):
            return "the future leaks: fill the scores above the diagonal with -inf"
        powers = torch.tensor(2.0).pow(torch.arange(T)).expand(T, T).tril()  # (T, T)
        backwards = torch.tensor(0.5).pow(torch.arange(T)).expand(T, T).tril()  # (T, T)
        slips = [
            (powers.clamp(max=1) / powers.clamp(max=1).sum(dim=-1, keepdim=True) @ x, PLAIN),
            (backwards / backwards.sum(dim=-1, keepdim=True) @ x, "the oldest token weighs most"),
            (
                powers / powers.sum(dim=0) @ x,
                "each column sums to one, not each row: softmax(dim=-1)",
            ),
            (powers @ x, "the weights of a row must sum to one: divide by their sum, or softmax"),
            (x + powers / powers.sum(dim=-1, keepdim=True) @ x, "the frame adds x, not the mixer"),
        ]
        otherwise = "causal, but the weights do not halve with each step back"
        if hint := wrong_tensor(y, powers / powers.sum(dim=-1, keepdim=True) @ x, slips, otherwise):
            return hint
    return None


PLAIN = "this is the plain average: each token should weigh twice as much as the one before it"
EXERCISES = {
    "causal_mean_by_hand": Exercise(
        judge_causal_mean_by_hand, "Row 1 is ((2 + 4) / 2, (0 + 6) / 2)."
    ),
    "decay_scores": Exercise(
        judge_decay_scores, "exp(ln 2) = 2, so each step adds ln 2 to the score."
    ),
    "causal_mean": Exercise(
        judge_causal_mean,
        "x.cumsum(dim=1) adds up along the tokens.",
        "Position t has seen t + 1 tokens: divide by torch.arange(1, T + 1), shaped (T, 1).",
    ),
    "fading_mixer": Exercise(
        judge_fading_mixer,
        "Scores of Exercise 2 for T = x.size(1), a softmax along each row, then the product.",
        "weights @ x has shape (B, T, D) when weights has shape (T, T).",
    ),
}
