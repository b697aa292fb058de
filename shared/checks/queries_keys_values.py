"""The exercises of 02_attention/02_queries_keys_values."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from shared.checks import Exercise
from shared.checks.judging import (
    asks_for_function,
    draw,
    near,
    not_a_tuple,
    wrong_form,
    wrong_list,
    wrong_tensor,
)
from shared.checks.judging_attention import PYTORCHS, exchanges, slips_of_attention
from shared.checks.judging_ways import spoils, uses


def judge_scaled_scores(answer: Any) -> str | None:
    if hint := wrong_list(answer, (3,)):
        return hint
    right = torch.tensor([1.0, 2, 0])
    scores = torch.as_tensor(answer, dtype=torch.float)
    which = ("first", "second", "third")
    bad = [name for name, is_right in zip(which, scores.isclose(right, atol=1e-4)) if not is_right]
    keys = torch.tensor([[1.0, 3, 0, 0], [0, 1, 2, 2], [3, 5, 0, -6]])
    return wrong_tensor(
        scores,
        right,
        [
            (2 * right, "these are the dot products; they are not scaled yet"),
            (right / 2, "you divided by the width 4: divide by its square root"),
            (
                2 * right / 3**0.5,
                "you divided by the square root of 3, the number of keys: the width is the "
                "number of numbers in each",
            ),
            (4 * right, "the dot products are multiplied by the square root of 4: divide"),
            (
                torch.tensor([1.0, 2, 6]),
                "the third dot product: 1 times -6 is taken as 6, or added instead of subtracted",
            ),
            (
                torch.tensor([1.0, 2, 3]),
                "the third dot product has four parts: 1 times -6 is the last",
            ),
            (right[[1, 0, 2]], "the first two scores are exchanged: keep the order of the keys"),
            (right[[2, 1, 0]], "the scores are in the reverse order: keep the order of the keys"),
            (keys.sum(dim=1), "these are the sums of the keys: where is the query?"),
            (
                right.softmax(dim=0),
                "these are the weights after softmax: the question asks for the "
                "scaled scores before it",
            ),
        ],
        f"{' and '.join(bad)} score: work out q.k, then divide by sqrt(4)",
    )


def judge_previous_token(answer: Any) -> str | None:
    if hint := not_a_tuple(answer, "W_q", "W_k"):
        return hint
    for W, name in zip(answer, ("W_q", "W_k")):
        if hint := wrong_form(W, (6, 6), name):
            return hint
    W_q, W_k = (W.float() for W in answer)
    weights = (W_q @ W_k.T / 6**0.5).softmax(dim=-1)  # (T, T): x is the identity
    if weights.isnan().any():
        return "these scores are too large for the computer: 20 is enough"
    before = weights.diagonal(-1)
    if (before > 0.9).all():
        return None
    others = weights[1:].masked_fill(torch.eye(6, dtype=torch.bool)[:5], torch.inf)
    if (before < others.amin(dim=-1) - 1e-4).all():
        return "the token before gets the least weight of all: is there a minus too many?"
    if (weights.diagonal()[1:5] > 0.5).all():
        return "the tokens look at themselves: the key of token s must fit the query of token s + 1"
    if (weights.diagonal(1)[1:] > 0.5).all():
        return "the tokens look at the one after them: the shift goes the other way"
    if (weights[1:, 0] > 0.9).all():
        return "all tokens look at token 0: each needs a query of its own"
    if (weights[1:].argmax(dim=-1) == torch.arange(5)).all():
        return (
            f"the right tokens, but too softly: the least weight is {before.min():.2f}. Make "
            "the scores larger"
        )
    t = 1 + int((before <= 0.9).nonzero()[0])
    row = weights[t]
    if row.max() - row.min() < 1e-3:
        return (
            f"token {t} gives all tokens the same weight, so none is chosen: its scores are equal"
        )
    most = int(row.argmax())
    if most == t - 1:
        return f"token {t} gives the one before it only {row[most]:.2f}: others must get less"
    return f"token {t} gives most, {row[most]:.2f}, to token {most}: it should go to token {t - 1}"


@asks_for_function
def judge_attend(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str | None:
    for B, T, S, K, D in ((1, 4, 4, 3, 3), (2, 5, 6, 4, 3), (1, 3, 7, 6, 2), (3, 1, 4, 64, 5)):
        q = draw(B, T, K, seed=1)
        k = draw(B, S, K, seed=2)
        v = draw(B, S, D, seed=3)
        if hint := spoils(answer, q, k, v):
            return hint
        out = answer(q, k, v)
        right = F.scaled_dot_product_attention(q, k, v)
        if hint := wrong_form(out, (B, T, D)):
            return hint
        if near(out, right):
            continue
        slips = slips_of_attention(q, k, v) if S != T else exchanges(q, k, v)
        if hint := next((hint for slip, hint in slips if near(out, slip)), None):
            return hint
        if S != T:
            return broken_property(answer, q, k, v, out)
    if uses(answer, *PYTORCHS, given=(q, k, v)):
        return "the numbers are right, but PyTorch's function made them: write the steps yourself"
    return None


def broken_property(answer: Callable, q: Tensor, k: Tensor, v: Tensor, out: Tensor) -> str:
    """A hint on an answer that is wrong in no known way: which property does it break?"""
    if not near(answer(q, k, v), out):
        return "two calls with the same tensors give different results: is there dropout?"
    if not near(answer(q, k, torch.ones_like(v)), torch.ones_like(out)):
        return (
            "values that are all 1 must give 1: the weights of each query must sum to one over the "
            "keys"
        )
    order = torch.arange(k.size(1)).flip(0)
    if not near(answer(q, k[:, order], v[:, order]), out):
        return (
            "shuffling keys and values together must change nothing: does a key still "
            "meet its own value?"
        )
    return "the numbers differ from softmax(q k' / sqrt(K)) v: go through the steps one by one"


EXERCISES = {
    "previous_token": Exercise(judge_previous_token, "Row s of W_k is the key of token s."),
    "scaled_scores": Exercise(
        judge_scaled_scores, "The first dot product is 2*1 + 0*3 + 1*0 + 1*0 = 2."
    ),
    "attend": Exercise(
        judge_attend, "q @ k.transpose(-2, -1), scale, softmax over the last dimension."
    ),
}
