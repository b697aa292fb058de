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


def judge_scaled_scores(answer: Any) -> str | None:
    if hint := wrong_list(answer, (3,)):
        return hint
    right = torch.tensor([1.0, 2, 0])
    return wrong_tensor(
        torch.as_tensor(answer, dtype=torch.float),
        right,
        [
            (2 * right, "these are the dot products; they are not scaled yet"),
            (right / 2, "you divided by the width 4: divide by its square root"),
            (
                right.softmax(dim=0),
                "these are the weights after softmax: the question asks for the "
                "scaled scores before it",
            ),
        ],
        "work out q.k for each key, then divide by sqrt(4)",
    )


def judge_previous_token(answer: Any) -> str | None:
    if hint := not_a_tuple(answer, "W_q", "W_k"):
        return hint
    for W, name in zip(answer, ("W_q", "W_k")):
        if hint := wrong_form(W, (6, 6), name):
            return hint
    W_q, W_k = (W.float() for W in answer)
    weights = (W_q @ W_k.T / 6**0.5).softmax(dim=-1)  # (T, T): x is the identity
    before = weights.diagonal(-1)
    if (before > 0.9).all():
        return None
    if (weights.diagonal()[1:] > before).all():
        return "the tokens look at themselves: the key of token s must fit the query of token s + 1"
    if (weights.diagonal(1)[1:] > before[:-1]).all():
        return "the tokens look at the one after them: the shift goes the other way"
    if (weights[1:].argmax(dim=-1) == torch.arange(5)).all():
        return (
            f"the right tokens, but too softly: the least weight is {before.min():.2f}. Make "
            "the scores larger"
        )
    return "row t of the weights should have its largest entry at t - 1"


@asks_for_function
def judge_attend(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str | None:
    for B, T, S, K, D in ((2, 5, 5, 4, 4), (1, 3, 7, 16, 2), (3, 1, 4, 64, 5)):
        q = draw(B, T, K, seed=1)
        k = draw(B, S, K, seed=2)
        v = draw(B, S, D, seed=3)
        out = answer(q, k, v)
        if hint := wrong_form(out, (B, T, D)):
            return hint
        if not near(answer(q, k, torch.ones(B, S, D)), torch.ones(B, T, D)):
            return (
                "values that are all 1 must give 1: the weights of each query must sum to one "
                "over the keys"
            )
        order = torch.arange(S).flip(0)
        if not near(answer(q, k[:, order], v[:, order]), out):
            return (
                "shuffling keys and values together must change nothing: does a key still "
                "meet its own value?"
            )
        unscaled = F.scaled_dot_product_attention(q, k, v, scale=1.0)
        if hint := wrong_tensor(
            out,
            F.scaled_dot_product_attention(q, k, v),
            [(unscaled, "the scores are not scaled: divide them by the square root of K")],
            "the numbers differ from softmax(q k' / sqrt(K)) v: which size do you divide by?",
        ):
            return hint
    return None


EXERCISES = {
    "scaled_scores": Exercise(
        judge_scaled_scores, "The first dot product is 2*1 + 0*3 + 1*0 + 1*0 = 2."
    ),
    "previous_token": Exercise(judge_previous_token, "Row s of W_k is the key of token s."),
    "attend": Exercise(
        judge_attend, "q @ k.transpose(-2, -1), scale, softmax over the last dimension."
    ),
}
