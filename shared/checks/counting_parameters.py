"""The exercises of 03_gpt/03_counting_parameters."""

from collections.abc import Callable
from typing import Any

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, wrong_number


def judge_medium_block(answer: Any) -> str | None:
    D = 1024
    slips = {
        12 * D * D + 10 * D: "queries, keys and values have biases here: 3 x 1024 are missing",
        12 * D * D + 9 * D: "4 x 1024 are missing: the two layer norms, each with a scale and a "
        "shift, or the bias of the feed-forward network's wide layer",
        12 * D * D: "these are the matrices; add the biases and the layer norms",
        12 * D * D + 12 * D: "1024 are missing: the bias of the output projection, or that of the "
        "feed-forward network's way back",
        11 * D * D + 13 * D: "attention has four matrices: the output projection is missing",
        9 * D * D + 13 * D: "attention has four matrices of 1024 x 1024: one is counted",
        8 * D * D + 9 * D: "this is a block without attention",
        12 * D * D + 8 * D: "the feed-forward network has biases: 4 x 1024 and 1024",
        12 * D * D + 11 * D: "2 x 1024 are missing: each of the two layer norms has a scale and a "
        "shift, and queries, keys and values have a bias each",
        12 * 768 * 768 + 13 * 768: "this is the count for width 768; GPT-2 medium has width 1024",
        24 * (12 * D * D + 13 * D): "this is all 24 blocks; the question is for one",
    }
    return wrong_number(answer, 12 * D * D + 13 * D, slips)


def judge_xl_training_bytes(answer: Any) -> str | None:
    n = 1.5576112  # billions of parameters: at one byte each, gigabytes
    slips = {
        4 * n: "these are the weights alone",
        8 * n: "AdamW's averages are missing, or you took 2 bytes for each number",
        12 * n: "4 bytes a parameter are missing: the gradients, or one of AdamW's two averages",
        16 * 1.5: "this is for 1.5 billion parameters; the question gives the exact count",
        16 * 1557611200 / 2**30: "this is GiB, units of 2**30 bytes; a gigabyte has 10**9",
        16 * 1.638022400: "this is the untied model; the tied one has 1,557,611,200 parameters",
        20 * n: "weights 4, gradients 4: AdamW keeps two averages and nothing else",
        16 * n * 1e9: "divide by 10**9 for gigabytes",
    }
    return wrong_number(answer, 16 * n, slips, tolerance=0.005)


@asks_for_function
def judge_swiglu_width(answer: Callable[[int], int]) -> str | None:
    for D in (3, 5, 7, 64, 65, 100, 768, 1024, 4096):
        right = 8 * D // 3
        slips = {
            4 * D: "with h = 4 D three matrices have half as many weights again as our two",
            8 * D / 3: "h must be a whole number: round down with //",
            4 * D // 3: "this is as large as one of our two matrices",
            2 * D // 3: "our inner width is 4 D, not D",
            right + 1: "you rounded up; round down" if D % 3 else "biases are left out",
            2 * (4 * D // 3): "4 D / 3 was rounded before it was doubled; round once, at the end",
            8 * (D // 3): "D / 3 was rounded before it was multiplied; round once, at the end",
        }
        how = f"three matrices of D x h must have at most the {8 * D * D:,} weights of our two"
        if hint := wrong_number(answer(D), right, slips, how=how):
            return f"for D={D}: {hint}"
    return None


EXERCISES = {
    "medium_block": Exercise(
        judge_medium_block,
        "go through the parts of section 1 with D = 1024: which of them gain a bias?",
        "attention: four matrices of D x D, each with a bias of D",
    ),
    "swiglu_width": Exercise(
        judge_swiglu_width,
        "how many weights have our two matrices together, and how many the three?",
        "solve 3 * D * h = 8 * D * D for h",
    ),
    "xl_training_bytes": Exercise(
        judge_xl_training_bytes,
        "which numbers are kept for each parameter, and how many bytes has each in float32?",
        "weights 4 bytes, gradients 4, and two averages",
    ),
}
