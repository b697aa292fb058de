"""What goes wrong where vectors are cut into heads and merged again."""

import torch.nn.functional as F
from torch import Tensor

from shared.checks.judging import near, wrong_tensor


def attention(qkv: list[Tensor], num_heads: int, scale: float | None = None) -> Tensor:
    """Causal attention of three (B, T, D), cut into heads and merged: (B, T, D)."""
    cut = [part.unflatten(-1, (num_heads, -1)).transpose(1, 2) for part in qkv]  # (B, H, T, K)
    mixed = F.scaled_dot_product_attention(*cut, is_causal=True, scale=scale)  # (B, H, T, K)
    return mixed.transpose(1, 2).flatten(2)


def missing_transpose(out: Tensor, qkv: list[Tensor], W_out: Tensor, H: int) -> str | None:
    """A hint if `out`, (B, T, D), was made by heads that were split or merged by shape alone."""
    B, T, D = out.shape
    if near(out, attention(qkv, H) @ W_out):
        return None
    attend = F.scaled_dot_product_attention
    right = [part.unflatten(-1, (H, -1)).transpose(1, 2) for part in qkv]  # (B, H, T, K)
    by_view = [part.reshape(B, H, T, D // H) for part in qkv]  # the shape, not the meaning
    cut = [part.unflatten(-1, (H, -1)) for part in qkv]  # (B, T, H, K)
    split = (
        "tokens are mixed: the split has the right shape, but each row must be cut to (B, T, H, K) "
        "and then the dimensions of token and head swapped by a transpose"
    )
    merge = "tokens are mixed: on the way back the transpose before the reshape is missing"
    across = (
        "the heads of one token look at each other: a transpose must bring the head before the "
        "token, (B, H, T, K), before the scores"
    )
    slips = [(attend(*right, is_causal=True), False, merge)]
    slips += [(attend(*by_view, is_causal=True), turned, split) for turned in (False, True)]
    slips += [(attend(*cut, is_causal=causal), False, across) for causal in (False, True)]
    for mixed, turned, hint in slips:
        merged = (mixed.transpose(1, 2) if turned else mixed).reshape(B, T, D)
        if near(out, merged @ W_out) or near(out, merged):
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
