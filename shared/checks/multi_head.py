"""The exercises of 02_attention/04_multi_head."""

from collections.abc import Callable
from typing import Any

import torch
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
from shared.checks.judging_attention import PYTORCHS, attend, exchanged
from shared.checks.judging_heads import (
    attention,
    grouped_slips,
    missing_transpose,
    wrong_multi_head,
)
from shared.checks.judging_ways import spoils, uses


def judge_count_parameters(answer: Any) -> str | None:
    D = 1600
    heads = "the heads share out the width: 25 heads do not multiply anything"
    biases = "only out_proj's biases are counted: queries, keys and values have biases too"
    slips = {
        4 * D**2: "the four matrices are counted, the biases are not",
        4 * D**2 + D: biases,
        4 * D**2 + 3 * D: "the bias of out_proj is missing",
        3 * (D**2 + D): "three layers are counted: out_proj is the fourth",
        3 * D**2: "three matrices are counted: out_proj is the fourth, and there are biases",
        D**2 + D: "this is one of four layers: queries, keys, values and out_proj",
        4 * (64**2 + 64): "64 is the width of one head: the matrices are D x D",
        48 * 4 * (D**2 + D): "these are all 48 layers of GPT-2's largest model: count one",
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
        heads = torch.stack(x.split(K, dim=-1), dim=1)  # (B, H, T, K)
        if hint := wrong_split(split(x, H), heads):
            return hint
        if hint := wrong_merge(merge, heads, x):
            return hint
    return None


def wrong_split(found: Any, heads: Tensor) -> str | None:
    """A hint unless a row was cut into these heads, (B, H, T, K)."""
    if hint := wrong_form(found, tuple(heads.shape), "the split"):
        return hint
    if near(found, heads):
        return None
    B, H, T, K = heads.shape
    x = heads.transpose(1, 2).flatten(2)  # (B, T, D)
    if near(found, x.unflatten(-1, (K, H)).permute(0, 3, 1, 2)):
        return "a head takes every H-th number: its numbers are neighbours, so cut to (H, K)"
    if near(found, heads.flip(1)):
        return "the heads come in the reverse order"
    return (
        "right shape, but tokens are mixed: head h of token t holds numbers h*K to h*K + K - 1 of "
        "token t"
    )


def wrong_merge(merge: Callable[[Tensor], Tensor], heads: Tensor, x: Tensor) -> str | None:
    """A hint unless heads, (B, H, T, K), are put side by side again: (B, T, D).

    The heads lie one after the other in memory, as a computation leaves them.
    """
    try:
        whole = merge(heads.contiguous())
    except RuntimeError as error:
        if "view size is not compatible" not in str(error):
            raise
        return (
            "your split is right, but your merge calls view after a transpose: it works on what "
            "split has just cut, and fails on heads that were computed; reshape copies where view "
            "cannot"
        )
    if hint := wrong_form(whole, tuple(x.shape), "the merged tensor"):
        return hint
    if near(whole, x):
        return None
    if near(whole, heads.permute(0, 2, 3, 1).flatten(2)):
        return "the numbers of the heads take turns: put whole heads side by side, (B, T, H, K)"
    return (
        "merging what was split must give the same tensor back: is transpose(1, 2) before the "
        "reshape?"
    )


@asks_for_function
def judge_multi_head_forward(answer: Callable[..., Tensor]) -> str | None:
    for B, T, H, K in ((2, 5, 3, 4), (1, 7, 2, 8), (3, 1, 4, 2)):
        D = H * K
        x = draw(B, T, D, seed=1)
        matrices = [draw(D, D, seed=seed) / D**0.5 for seed in (2, 3, 4, 5)]
        if hint := spoils(answer, x, *matrices, H):
            return hint
        out = answer(x, *matrices, H)
        if hint := wrong_form(out, (B, T, D)) or wrong_heads(answer, out, x, matrices, H):
            return hint
    if uses(answer, *PYTORCHS, given=(x, *matrices, H)):
        return (
            "the numbers are right, but PyTorch's own function made them: write scores, mask, "
            "softmax and mixture yourself"
        )
    return None


def wrong_heads(
    answer: Callable[..., Tensor], out: Tensor, x: Tensor, matrices: list[Tensor], H: int
) -> str | None:
    """A hint unless `out`, (B, T, D), is causal attention of x with H heads."""

    def made(*matrices: Tensor) -> Tensor:
        return attention([x @ W for W in matrices[:3]], H) @ matrices[3]

    if near(out, made(*matrices)):
        return None
    qkv = [x @ W for W in matrices[:3]]
    if hint := missing_transpose(out, qkv, matrices[3], H):
        return hint
    if hint := wrong_multi_head(out, x, matrices, H) or exchanged(out, made, matrices, x):
        return hint
    if not near(out, answer(x, *matrices, H)):
        return "two calls with the same x give different results: is there dropout?"
    return leak_hint(lambda x: answer(x, *matrices, H), x) or (
        "causal and of the right shape, but the numbers differ: compare projections, split, "
        "scores, softmax, merge and last product with your own on two tokens and two heads"
    )


@asks_for_function
def judge_grouped(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str | None:
    for B, H, G, T, K in ((2, 4, 2, 5, 4), (1, 6, 3, 4, 2), (2, 3, 1, 6, 8), (1, 2, 2, 3, 4)):
        q = draw(B, H, T, K, seed=1)
        k = draw(B, G, T, K, seed=2)
        v = draw(B, G, T, K, seed=3)
        if hint := spoils(answer, q, k, v):
            return hint
        shared = torch.arange(H) // (H // G)
        otherwise = (
            "each group of H / G query heads must attend, causally, with its own head of keys and "
            "values"
        )
        right = attend(q, k[:, shared], v[:, shared])
        slips = grouped_slips(q, k, v, shared)
        if hint := wrong_tensor(answer(q, k, v), right, slips, otherwise):
            return hint
    return None


EXERCISES = {
    "split_and_merge": Exercise(
        judge_split_and_merge, "view to (B, T, H, K) first, then transpose."
    ),
    "multi_head_forward": Exercise(
        judge_multi_head_forward, "Project, split, attend, merge, project."
    ),
    "count_parameters": Exercise(
        judge_count_parameters, "nn.Linear(D, D) has D * D + D parameters."
    ),
    "grouped": Exercise(judge_grouped, "repeat_interleave repeats each head as often as you say."),
}
