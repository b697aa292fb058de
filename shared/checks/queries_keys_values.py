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
from shared.checks.judging_ways import uses


def judge_scaled_scores(answer: Any) -> str | None:
    if hint := wrong_list(answer, (3,)):
        return hint
    right = torch.tensor([1.0, 2, 0])
    keys = torch.tensor([[1.0, 3, 0, 0], [0, 1, 2, 2], [3, 5, 0, -6]])
    return wrong_tensor(
        torch.as_tensor(answer, dtype=torch.float),
        right,
        [
            (2 * right, "these are the dot products; they are not scaled yet"),
            (right / 2, "you divided by the width 4: divide by its square root"),
            (
                2 * right / 3**0.5,
                "you divided by the square root of 3, the number of keys: the width is the "
                "number of numbers in each",
            ),
            (keys.sum(dim=1), "these are the sums of the keys: where is the query?"),
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
    if (weights[1:] > 0.9).sum() and (weights[1:, 0] > 0.9).all():
        return "all tokens look at token 0: each needs a query of its own"
    if (weights[1:].argmax(dim=-1) == torch.arange(5)).all():
        return (
            f"the right tokens, but too softly: the least weight is {before.min():.2f}. Make "
            "the scores larger"
        )
    if torch.allclose(weights[1:], weights[1:].mean(dim=-1, keepdim=True).expand(5, 6), atol=1e-3):
        return (
            "all scores of a row are equal, so no token is chosen: row t of the weights should "
            "have its largest entry at t - 1"
        )
    return "row t of the weights should have its largest entry at t - 1"


@asks_for_function
def judge_attend(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str | None:
    for B, T, S, K, D in ((2, 5, 6, 4, 3), (1, 3, 7, 3, 2), (3, 1, 4, 64, 5)):
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
            [
                (unscaled, "the scores are not scaled: divide them by the square root of K"),
                (
                    F.scaled_dot_product_attention(q, k, v, scale=1 / K),
                    "you divided by the width K: divide by its square root",
                ),
                (
                    F.scaled_dot_product_attention(q, k, v, scale=S**-0.5),
                    "you divided by the square root of the number of keys: take that of the "
                    "width K, the last size of k",
                ),
                (
                    F.scaled_dot_product_attention(q, k, v, scale=T**-0.5),
                    "you divided by the square root of the number of queries: take that of the "
                    "width K, the last size of q",
                ),
                (
                    F.scaled_dot_product_attention(q, k, v, scale=D**-0.5),
                    "you divided by the square root of the values' width D: the scores come "
                    "from queries and keys, of width K",
                ),
            ],
            "the numbers differ from softmax(q k' / sqrt(K)) v: go through the steps one by one",
        ):
            return hint
    if uses(
        answer, "scaled_dot_product_attention", "multi_head_attention_forward", given=(q, k, v)
    ):
        return "the numbers are right, but PyTorch's function made them: write the steps yourself"
    return None


EXERCISES = {
    "previous_token": Exercise(judge_previous_token, "Row s of W_k is the key of token s."),
    "scaled_scores": Exercise(
        judge_scaled_scores, "The first dot product is 2*1 + 0*3 + 1*0 + 1*0 = 2."
    ),
    "attend": Exercise(
        judge_attend, "q @ k.transpose(-2, -1), scale, softmax over the last dimension."
    ),
}
