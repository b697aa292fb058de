"""The exercises of 02_attention/04_multi_head."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from harness import exercise_tests

from shared.checks import verdict


def split(x, num_heads):
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def split_by_view(x, num_heads):
    B, T, D = x.shape
    return x.view(B, num_heads, T, D // num_heads)


def merge(x):
    return x.transpose(1, 2).flatten(2)


def merge_without_transpose(x):
    B, H, T, K = x.shape
    return x.reshape(B, T, H * K)


def merge_by_view(x):
    B, H, T, K = x.shape
    return x.transpose(1, 2).view(B, T, H * K)


def multi_head(
    x, W_query, W_key, W_value, W_out, num_heads, *, one_head=False, out=True, width=None,
    mask=True, split=split, merge=merge,
):  # fmt: skip
    num_heads = 1 if one_head else num_heads
    q, k, v = (split(x @ W, num_heads) for W in (W_query, W_key, W_value))
    scale = {None: k.size(-1) ** -0.5, "whole": x.size(-1) ** -0.5, "none": 1.0}[width]
    scores = q @ k.transpose(-2, -1) * scale
    if mask:
        future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        scores = scores.masked_fill(future, -torch.inf)
    mixed = merge(scores.softmax(-1) @ v)
    return mixed @ W_out if out else mixed


def multi_head_in_a_row(x, W_query, W_key, W_value, W_out, num_heads):
    parts = zip(*((x @ W).chunk(num_heads, dim=-1) for W in (W_query, W_key, W_value)))
    heads = []
    for q, k, v in parts:
        scores = q @ k.mT / k.size(-1) ** 0.5
        scores = scores + torch.full(scores.shape[-2:], -torch.inf).triu(1)
        heads.append(torch.softmax(scores, dim=-1) @ v)
    return torch.cat(heads, dim=-1) @ W_out


def multi_head_by_einsum(x, W_query, W_key, W_value, W_out, num_heads):
    B, T, D = x.shape
    q, k, v = ((x @ W).reshape(B, T, num_heads, -1) for W in (W_query, W_key, W_value))
    scores = torch.einsum("bthk,bshk->bhts", q, k) / (D // num_heads) ** 0.5
    scores[..., ~torch.ones(T, T).tril().bool()] = float("-inf")
    mixed = torch.einsum("bhts,bshk->bthk", scores.softmax(-1), v)
    return mixed.reshape(B, T, D) @ W_out


def multi_head_built_in(x, W_query, W_key, W_value, W_out, num_heads):
    q, k, v = (split(x @ W, num_heads) for W in (W_query, W_key, W_value))
    return merge(F.scaled_dot_product_attention(q, k, v, is_causal=True)) @ W_out


def across_heads(*given, mask=True):
    return multi_head(
        *given, split=lambda x, H: x.unflatten(-1, (H, -1)), merge=lambda x: x.flatten(2), mask=mask
    )


def grouped(q, k, v, *, repeat="interleave", mask=True):
    share = q.size(1) // k.size(1)
    if repeat == "interleave":
        k, v = (t.repeat_interleave(share, dim=1) for t in (k, v))
    elif repeat == "tile":
        k, v = (t.repeat(1, share, 1, 1) for t in (k, v))
    elif repeat == "first":
        k, v = (t[:, :1].expand(-1, q.size(1), -1, -1) for t in (k, v))
    return F.scaled_dot_product_attention(q, k, v, is_causal=mask)


def every_other(x, num_heads):
    return x.unflatten(-1, (-1, num_heads)).permute(0, 3, 1, 2)


def multi_head_out_transposed(x, W_query, W_key, W_value, W_out, num_heads):
    return multi_head(x, W_query, W_key, W_value, W_out.T, num_heads)


def grouped_by_two_ways(q, k, v):
    share = q.size(1) // k.size(1)
    k = k.repeat_interleave(share, dim=1)
    return F.scaled_dot_product_attention(q, k, v.repeat(1, share, 1, 1), is_causal=True)


RIGHT = {
    "split_and_merge": (split, merge),
    "multi_head_forward": multi_head,
    "count_parameters": 10_246_400,
    "grouped": grouped,
}
ALSO_RIGHT = [
    (
        "split_and_merge",
        (
            lambda x, H: x.reshape(*x.shape[:2], H, -1).permute(0, 2, 1, 3),
            lambda x: x.transpose(1, 2).contiguous().view(x.size(0), x.size(2), -1),
        ),
    ),
    (
        "split_and_merge",
        [
            lambda x, H: torch.stack(x.chunk(H, dim=-1), dim=1),
            lambda x: torch.cat(list(x.unbind(1)), dim=-1),
        ],
    ),
    ("multi_head_forward", multi_head_in_a_row),
    ("multi_head_forward", multi_head_by_einsum),
    ("count_parameters", 4 * (1600 * 1600 + 1600)),
    (
        "grouped",
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True),
    ),
]
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("count_parameters", "no biases", 10_240_000, "biases are not"),
    ("count_parameters", "one bias", 10_241_600, "only out_proj"),
    ("count_parameters", "times the heads", 25 * 10_240_000, "share out the width"),
    ("count_parameters", "three matrices", 3 * 1600**2, "out_proj is the fourth"),
    ("split_and_merge", "view without transpose", (split_by_view, merge), "tokens are mixed"),
    (
        "split_and_merge",
        "merge without transpose",
        (split, merge_without_transpose),
        "before the reshape",
    ),
    (
        "split_and_merge",
        "view after the transpose",
        (split, merge_by_view),
        "calls view after a transpose.*reshape copies",
    ),
    (
        "split_and_merge",
        "no transpose",
        (lambda x, H: x.unflatten(-1, (H, -1)), merge),
        "the split has shape",
    ),
    (
        "split_and_merge",
        "one function",
        split,
        r"a tuple, \(my_split, my_merge\), this is a function",
    ),
    ("count_parameters", "no bias of out_proj", 10_244_800, "bias of out_proj is missing"),
    ("count_parameters", "three layers", 3 * (1600**2 + 1600), "out_proj is the fourth"),
    ("count_parameters", "one layer of four", 1600**2 + 1600, "one of four"),
    ("count_parameters", "one head", 4 * (64**2 + 64), "width of one head"),
    ("count_parameters", "all layers", 48 * 10_246_400, "all 48"),
    ("split_and_merge", "every other number", (every_other, merge), "every H-th number"),
    ("split_and_merge", "backwards", (lambda x, H: split(x, H).flip(1), merge), "reverse order"),
    (
        "split_and_merge",
        "numbers take turns",
        (split, lambda x: x.permute(0, 2, 3, 1).flatten(2)),
        "take turns",
    ),
    ("split_and_merge", "numbers", (3, 4), "give the function itself, by its name alone"),
    ("multi_head_forward", "one wide head", partial(multi_head, one_head=True), "one wide head"),
    ("multi_head_forward", "no W_out", partial(multi_head, out=False), "W_out"),
    (
        "multi_head_forward",
        "scaled by the whole width",
        partial(multi_head, width="whole"),
        "queries and keys are K wide",
    ),
    ("multi_head_forward", "not scaled", partial(multi_head, width="none"), "not scaled"),
    (
        "multi_head_forward",
        "queries and keys exchanged",
        lambda x, W_q, W_k, W_v, W_o, H: multi_head(x, W_k, W_q, W_v, W_o, H),
        "queries are made with W_key, the keys are made with W_query",
    ),
    (
        "multi_head_forward",
        "keys and values exchanged",
        lambda x, W_q, W_k, W_v, W_o, H: multi_head(x, W_q, W_v, W_k, W_o, H),
        "keys are made with W_value, the values are made with W_key",
    ),
    (
        "multi_head_forward",
        "values come out of the last matrix",
        lambda x, W_q, W_k, W_v, W_o, H: multi_head(x, W_q, W_k, W_o, W_v, H),
        "values are made with W_out, the last product is made with W_value",
    ),
    (
        "multi_head_forward",
        "split by view alone",
        partial(multi_head, split=split_by_view),
        "tokens are mixed: the split",
    ),
    (
        "multi_head_forward",
        "split and merged by view alone",
        partial(multi_head, split=split_by_view, merge=merge_without_transpose),
        "tokens are mixed: the split",
    ),
    (
        "multi_head_forward",
        "merged without a transpose",
        partial(multi_head, merge=merge_without_transpose),
        "on the way back the transpose",
    ),
    ("multi_head_forward", "no transpose at all", across_heads, "look at each other"),
    (
        "multi_head_forward",
        "no transpose, no mask",
        partial(across_heads, mask=False),
        "look at each other",
    ),
    ("multi_head_forward", "PyTorch's function", multi_head_built_in, "own function made them"),
    (
        "multi_head_forward",
        "the mean of all is added",
        lambda *given: multi_head(*given).nan_to_num() + given[0].mean(1, keepdim=True),
        "future leaks",
    ),
    ("multi_head_forward", "no mask", partial(multi_head, mask=False), "future leaks"),
    ("grouped", "taking turns", partial(grouped, repeat="tile"), "take turns"),
    ("grouped", "no mask", partial(grouped, mask=False), "future leaks"),
    ("grouped", "one head for all", partial(grouped, repeat="first"), "all query heads use head 0"),
    ("grouped", "no repeat", partial(grouped, repeat="none"), "raised|own head"),
]

ROLES = ("the queries are", "the keys are", "the values are", "the last product is")
NAMES = ("W_query", "W_key", "W_value", "W_out")
WRONG += [
    (
        "multi_head_forward",
        f"matrices {order}",
        lambda x, *given, order=order: multi_head(x, *(given[i] for i in order), given[4]),
        "wrong matri.*: "
        + ", ".join(
            f"{ROLES[place]} made with {NAMES[i]}" for place, i in enumerate(order) if i != place
        )
        + "$",
    )
    for order in [
        (1, 0, 2, 3),
        (0, 2, 1, 3),
        (2, 1, 0, 3),
        (0, 1, 3, 2),
        (0, 0, 2, 3),
        (0, 1, 1, 3),
    ]
] + [
    ("multi_head_forward", "W_out transposed", multi_head_out_transposed, "W_out is transposed"),
    ("multi_head_forward", "x added", lambda x, *given: x + multi_head(x, *given), "x is added"),
    ("multi_head_forward", "every other", partial(multi_head, split=every_other), "neighbours"),
    (
        "multi_head_forward",
        "numbers take turns",
        partial(multi_head, merge=lambda x: x.permute(0, 2, 3, 1).flatten(2)),
        "take turns",
    ),
    ("multi_head_forward", "a bias", lambda *given: multi_head(*given) + 1, "compare projections"),
    ("multi_head_forward", "dropout", lambda *given: F.dropout(multi_head(*given)), "two calls"),
    ("grouped", "values take turns", grouped_by_two_ways, "the keys are shared right"),
    ("grouped", "k and v exchanged", lambda q, k, v: grouped(q, v, k), "each other's places"),
    ("grouped", "backwards", lambda q, k, v: grouped(q, k.flip(1), v.flip(1)), "reverse order"),
    ("grouped", "turns, no mask", partial(grouped, repeat="tile", mask=False), "leaks.*take turns"),
    ("grouped", "not scaled", lambda q, k, v: grouped(q * k.size(-1) ** 0.5, k, v), "not scaled"),
]

test_answers, test_tables = exercise_tests("multi_head", RIGHT, WRONG)


@pytest.mark.parametrize("name, answer", ALSO_RIGHT)
def test_other_ways_are_right_too(name, answer):
    assert verdict(f"multi_head/{name}", answer) == "right"
