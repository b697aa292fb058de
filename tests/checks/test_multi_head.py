"""The exercises of 02_attention/04_multi_head."""

from functools import partial

import torch.nn.functional as F
from harness import exercise_tests


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


def multi_head(
    x, W_query, W_key, W_value, W_out, num_heads, *, one_head=False, out=True, width=None, mask=True
):
    num_heads = 1 if one_head else num_heads
    q, k, v = (split(x @ W, num_heads) for W in (W_query, W_key, W_value))
    scale = {None: k.size(-1) ** -0.5, "whole": x.size(-1) ** -0.5, "none": 1.0}[width]
    mixed = merge(F.scaled_dot_product_attention(q, k, v, is_causal=mask, scale=scale))
    return mixed @ W_out if out else mixed


def grouped(q, k, v, *, repeat="interleave", mask=True):
    share = q.size(1) // k.size(1)
    if repeat == "interleave":
        k, v = (t.repeat_interleave(share, dim=1) for t in (k, v))
    elif repeat == "tile":
        k, v = (t.repeat(1, share, 1, 1) for t in (k, v))
    elif repeat == "first":
        k, v = (t[:, :1].expand(-1, q.size(1), -1, -1) for t in (k, v))
    return F.scaled_dot_product_attention(q, k, v, is_causal=mask)


RIGHT = {
    "count_parameters": 10_246_400,
    "split_and_merge": (split, merge),
    "multi_head_forward": multi_head,
    "grouped": grouped,
}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("count_parameters", "no biases", 10_240_000, "biases are not"),
    ("count_parameters", "one bias", 10_241_600, "only out_proj"),
    ("count_parameters", "times the heads", 25 * 10_240_000, "share out the width"),
    ("count_parameters", "three matrices", 3 * 1600**2, "four matrices"),
    ("split_and_merge", "view without transpose", (split_by_view, merge), "tokens are mixed"),
    (
        "split_and_merge",
        "merge without transpose",
        (split, merge_without_transpose),
        "transpose before the reshape",
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
    ("split_and_merge", "numbers", (3, 4), "give the function itself, by its name alone"),
    ("multi_head_forward", "one wide head", partial(multi_head, one_head=True), "one wide head"),
    ("multi_head_forward", "no W_out", partial(multi_head, out=False), "W_out"),
    (
        "multi_head_forward",
        "scaled by the whole width",
        partial(multi_head, width="whole"),
        "only K = D / num_heads wide",
    ),
    ("multi_head_forward", "not scaled", partial(multi_head, width="none"), "not scaled"),
    ("multi_head_forward", "no mask", partial(multi_head, mask=False), "future leaks"),
    ("grouped", "taking turns", partial(grouped, repeat="tile"), "take turns"),
    ("grouped", "no mask", partial(grouped, mask=False), "future leaks"),
    ("grouped", "one head for all", partial(grouped, repeat="first"), "its own head"),
    ("grouped", "no repeat", partial(grouped, repeat="none"), "raised|own head"),
]

test_answers, test_tables = exercise_tests("multi_head", RIGHT, WRONG)
