"""The exercises of 02_attention/04_multi_head."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from shared.checks import Exercise
from shared.checks.judging import (
    asks_for_function,
    draw,
    leak_hint,
    near,
    not_a_function,
    not_a_tuple,
    wrong_form,
    wrong_number,
    wrong_tensor,
)


def judge_count_parameters(answer: Any) -> str | None:
    D = 1600
    heads = "the heads share out the width: 25 heads do not multiply anything"
    biases = "only out_proj's biases are counted: queries, keys and values have biases too"
    slips = {
        4 * D**2: "the four matrices are counted, the biases are not",
        4 * D**2 + D: biases,
        25 * 4 * (D**2 + D): heads,
        25 * 4 * D**2: heads,
    }
    how = "count four matrices of D x D and four biases of D"
    return wrong_number(answer, 4 * D**2 + 4 * D, slips, how=how)


def judge_split_and_merge(answer: Any) -> str | None:
    if hint := not_a_tuple(answer, "my_split", "my_merge"):
        return hint
    split, merge = answer
    if hint := not_a_function(split) or not_a_function(merge):
        return hint
    for B, H, T, K in ((2, 3, 5, 4), (1, 2, 2, 2), (3, 1, 4, 6)):
        x = draw(B, T, H * K)
        heads = split(x, H)
        if hint := wrong_form(heads, (B, H, T, K), "the split"):
            return hint
        if not near(heads, torch.stack(x.split(K, dim=-1), dim=1)):
            return (
                "right shape, but tokens are mixed: head h of token t holds numbers h*K to "
                "h*K + K - 1 of token t"
            )
        whole = merge(heads)
        if hint := wrong_form(whole, (B, T, H * K), "the merged tensor"):
            return hint
        if not near(whole, x):
            return (
                "merging what was split must give the same tensor back: is there a transpose "
                "before the reshape?"
            )
    return None


def attention(qkv: list[Tensor], num_heads: int, scale: float | None = None) -> Tensor:
    """Causal attention of three (B, T, D), cut into heads and merged: (B, T, D)."""
    cut = [part.unflatten(-1, (num_heads, -1)).transpose(1, 2) for part in qkv]  # (B, H, T, K)
    mixed = F.scaled_dot_product_attention(*cut, is_causal=True, scale=scale)  # (B, H, T, K)
    return mixed.transpose(1, 2).flatten(2)


@asks_for_function
def judge_multi_head_forward(answer: Callable[..., Tensor]) -> str | None:
    for B, T, H, K in ((2, 5, 3, 4), (1, 7, 2, 8), (3, 1, 4, 2)):
        D = H * K
        x = draw(B, T, D, seed=1)
        W = [draw(D, D, seed=seed) / D**0.5 for seed in (2, 3, 4, 5)]
        out = answer(x, *W, H)
        form = wrong_form(out, (B, T, D))
        if hint := form or leak_hint(lambda x, W=W, H=H: answer(x, *W, H), x):
            return hint
        if hint := wrong_multi_head(out, [x @ w for w in W[:3]], W[3], H):
            return hint
    return None


def wrong_multi_head(out: Tensor, qkv: list[Tensor], W_out: Tensor, H: int) -> str | None:
    """A hint unless `out`, (B, T, D), is causal attention with H heads, projected by W_out."""
    D = out.size(-1)
    right = attention(qkv, H)
    return wrong_tensor(
        out,
        right @ W_out,
        [
            (right, "the last product, with W_out, is missing"),
            (
                attention(qkv, 1) @ W_out,
                "this is one wide head: cut queries, keys and values into "
                "num_heads before the scores",
            ),
            (
                attention(qkv, H, scale=D**-0.5) @ W_out,
                "the scores are divided by the root of D: each head is only K = D / num_heads wide",
            ),
            (
                attention(qkv, H, scale=1.0) @ W_out,
                "the scores are not scaled: divide them by the square root of K",
            ),
        ],
        "causal and of the right shape, but the numbers differ: are the heads split and merged "
        "right?",
    )


@asks_for_function
def judge_grouped(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str | None:
    for B, H, G, T, K in ((2, 4, 2, 5, 4), (1, 6, 3, 4, 2), (2, 3, 1, 6, 8), (1, 2, 2, 3, 4)):
        q = draw(B, H, T, K, seed=1)
        k = draw(B, G, T, K, seed=2)
        v = draw(B, G, T, K, seed=3)
        shared = torch.arange(H) // (H // G)
        turns = torch.arange(H) % G
        attend = F.scaled_dot_product_attention
        if hint := wrong_tensor(
            answer(q, k, v),
            attend(q, k[:, shared], v[:, shared], is_causal=True),
            [
                (
                    attend(q, k[:, turns], v[:, turns], is_causal=True),
                    "query heads take turns, 0, 1, 0, 1: the first H / G of them must share head 0",
                ),
                (
                    attend(q, k[:, shared], v[:, shared]),
                    "the right groups, but the future leaks: is_causal=True is missing",
                ),
            ],
            "each group of H / G query heads must attend, causally, with its own head of keys and "
            "values",
        ):
            return hint
    return None


EXERCISES = {
    "count_parameters": Exercise(
        judge_count_parameters, "nn.Linear(D, D) has D * D + D parameters."
    ),
    "split_and_merge": Exercise(
        judge_split_and_merge, "view to (B, T, H, K) first, then transpose."
    ),
    "multi_head_forward": Exercise(
        judge_multi_head_forward, "Project, split, attend, merge, project."
    ),
    "grouped": Exercise(judge_grouped, "repeat_interleave repeats each head as often as you say."),
}
