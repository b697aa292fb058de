"""The exercises of 03_gpt/05_modern_blocks."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, draw, near, wrong_form, wrong_number
from shared.checks.judging_ways import spoils


def turn_neighbours(x: Tensor, angles: Tensor, sign: int = 1) -> Tensor:
    """Numbers 0 and 1, 2 and 3, ... turned as pairs: (B, H, T, K), (T, K / 2) -> (B, H, T, K)."""
    a, b = x[..., 0::2], x[..., 1::2]  # (B, H, T, K / 2) each
    cos, sin = angles.cos(), sign * angles.sin()
    return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2)


def turn_halves(x: Tensor, angles: Tensor) -> Tensor:
    """Numbers i and i + K / 2 turned as pairs, as `rotate` does."""
    a, b = x.chunk(2, dim=-1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


@asks_for_function
def judge_neighbours(answer: Callable[[Tensor, Tensor], Tensor]) -> str | None:
    for B, H, T, K in ((1, 1, 1, 2), (2, 3, 5, 8), (1, 2, 7, 6), (2, 4, 4, 16)):
        x = draw(B, H, T, K, seed=1)
        angles = 3 * draw(T, K // 2, seed=2)
        if hint := spoils(answer, x, angles):
            return hint
        found = answer(x, angles)
        if hint := wrong_form(found, (B, H, T, K)) or wrong_turn(found, x, angles):
            return f"for x of shape {(B, H, T, K)}: {hint}"
    return None


def wrong_turn(found: Tensor, x: Tensor, angles: Tensor) -> str | None:
    """A hint unless `found` is x with its neighbours turned by these angles."""
    right = turn_neighbours(x, angles)
    if near(found, right):
        return None
    apart = torch.cat([right[..., 0::2], right[..., 1::2]], dim=-1)
    slips = (
        (x, "nothing was turned"),
        (turn_neighbours(x, angles, sign=-1), "the pairs turn the wrong way: where is the minus?"),
        (
            turn_halves(x, angles),
            "these are the pairs of `rotate`, number i and number i + K / 2; the question is for "
            "neighbours, x[..., 0::2] and x[..., 1::2]",
        ),
        (
            apart,
            "the right numbers, but all first ones come before all second ones: put each pair back "
            "side by side, torch.stack(..., dim=-1).flatten(-2) does it",
        ),
    )
    for slip, hint in slips:
        if near(found, slip):
            return hint
    if not near(found.square().sum(dim=-1), x.square().sum(dim=-1), atol=1e-3):
        return (
            "a turn keeps the length of a vector, yours does not: look at the signs and at what "
            "is multiplied by the cosine"
        )
    return "the lengths are right, the directions are not: which angle belongs to which pair?"


def judge_block_parameters(answer: Any) -> str | None:
    D, G, H, h = 576, 3, 9, 1536
    attention = 2 * D * D + 2 * D * D * G // H
    feed_forward = 3 * D * h
    right = attention + feed_forward + 2 * D
    slips = {
        right - 2 * D: "the two norms are missing: each has a scale of width 576",
        right + 2 * D: "an RMSNorm has a scale and no shift",
        right - D: "a block has two norms",
        4 * D * D + feed_forward + 2 * D: "keys and values have 3 heads of width 64 each, so their "
        "matrices are 576 x 192",
        right - D * D: "attention has four matrices: the output projection is 576 x 576, like that "
        "of the queries",
        attention + 2 * D: "this is the block without its feed-forward network",
        # D * h happens to be as large as the attention
        feed_forward + 2 * D: "this is the block without its attention, or with two matrices of "
        "SwiGLU's three: gate, up and down",
        30 * right: "these are all 30 blocks; the question is for one",
        134_515_008: "this is the whole model; the question is for one block",
    }
    how = "add four matrices of attention, three of SwiGLU and two scales; nothing has a bias"
    return wrong_number(answer, right, slips, how=how)


def judge_texts_in_memory(answer: Any) -> str | None:
    left = 24e9 - 16.1e9
    text = 2 * 32 * 8 * 128 * 8192 * 2  # bytes
    slips = {
        8: "you rounded up, or left something out: the eighth text does not fit whole",
        left // (4 * text): "this is for 32 heads of keys and values; this model has 8",
        left // (2 * text): "the numbers have 2 bytes each, not 4",
        left // (text // 2): "keys and values both are kept",
        24e9 // text: "the weights need room too: 16.1 of the 24 GB",
        left // (text // 4): "keys and values both are kept, and each number has 2 bytes",
        text: "these are the bytes of one text; how many such texts fit?",
    }
    how = "divide what the weights leave by the bytes of one text: kv_cache_bytes tells them"
    return wrong_number(answer, 7, slips, how=how)


EXERCISES = {
    "neighbours": Exercise(
        judge_neighbours,
        "a = x[..., 0::2] are the first numbers of all pairs, b = x[..., 1::2] the second ones",
        "the turned pair is a cos - b sin, a sin + b cos; then put them side by side again",
    ),
    "block_parameters": Exercise(
        judge_block_parameters,
        "a head is 576 / 9 = 64 wide; how wide are the keys of three heads?",
        "W_query and out_proj: 576 x 576; W_key and W_value: 576 x 192; SwiGLU: 3 times 576 x 1536",
    ),
    "texts_in_memory": Exercise(
        judge_texts_in_memory,
        "how many bytes does one text of 8,192 tokens need?",
        "kv_cache_bytes(32, 8, 128, 8192, bytes_each=2)",
    ),
}
