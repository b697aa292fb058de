"""The exercises of 05_instruction_finetuning/05_lora."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, wrong_number, wrong_tensor
from shared.checks.judging_records import judge_ten_records


def judge_lora_parameters(answer: Any) -> str | None:
    slips = {
        12 * 2 * 768 * 768: "that is what full finetuning of these matrices trains; LoRA trains A "
        "and B only",
        12 * 2 * 8 * 768: "there are two adapted matrices in each block, queries and values, and "
        "each adapter has two matrices: A, (r, d_in), and B, (d_out, r)",
        2 * 8 * (768 + 768): "that is one block; there are 12",
    }
    how = "blocks, times matrices in a block, times rank, times the sum of both sides"
    return wrong_number(answer, 12 * 2 * 8 * (768 + 768), slips, how=how)


def judge_lora_scale(answer: Any) -> str | None:
    slips = {
        2: "that was the number with rank 8",
        16: "that is alpha, not yet divided by the rank",
        32: "alpha stays 16",
        0.5: "that is how much smaller it became; asked is the number itself",
        4: "that is alpha over the square root of the rank, another rule",
    }
    return wrong_number(answer, 1.0, slips, how="alpha / rank, with alpha as before")


@asks_for_function
def judge_lora_forward(
    answer: Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor],
) -> str | None:
    generator = torch.Generator().manual_seed(7)
    for d_in, d_out, rank, alpha in (
        (3, 5, 2, 7.0),
        (6, 2, 1, 3.0),
        (4, 4, 2, 1.0),
        (5, 4, 3, 0.5),
    ):
        x = torch.randn(2, 3, d_in, generator=generator)
        W = torch.randn(d_out, d_in, generator=generator)
        A = torch.randn(rank, d_in, generator=generator)
        B = torch.randn(d_out, rank, generator=generator)
        plain = x @ W.T
        change = x @ A.T @ B.T
        scaled = "the change is scaled by alpha / rank"
        if hint := wrong_tensor(
            answer(x, W, A, B, alpha),
            plain + alpha / rank * change,
            [
                (plain + change, scaled),
                (plain + alpha * change, scaled),
                (plain + alpha // rank * change, "the scale is no whole number: alpha / rank"),
                (plain + alpha / rank**0.5 * change, f"{scaled}, not by alpha / sqrt(rank)"),
                (plain + rank / alpha * change, f"{scaled}, not by rank / alpha"),
                (
                    alpha / rank * (plain + change),
                    f"{scaled}, and the frozen layer's output is not",
                ),
                (alpha / rank * change, "the frozen layer's own output is missing: add x W'"),
            ],
        ):
            return hint
    return None


@asks_for_function
def judge_lora_best_rank(answer: Callable[[Tensor, int], Tensor]) -> str | None:
    generator = torch.Generator().manual_seed(7)
    for d_out, d_in, rank in ((5, 5, 1), (4, 7, 2), (6, 3, 2)):
        W = torch.randn(d_out, d_in, generator=generator)
        U, S, Vh = torch.linalg.svd(W, full_matrices=False)
        if hint := wrong_tensor(
            answer(W, rank),
            U[:, :rank] * S[:rank] @ Vh[:rank],
            [
                (W, "that is W itself: keep only the first `rank` singular values"),
                (
                    U[:, -rank:] * S[-rank:] @ Vh[-rank:],
                    "these are the smallest singular values; in S the largest stand first",
                ),
            ],
        ):
            return hint
    return None


EXERCISES = {
    "lora_parameters": Exercise(
        judge_lora_parameters,
        "One adapter on a matrix of 768 x 768: A has 8 x 768 numbers, B has 768 x 8.",
    ),
    "lora_scale": Exercise(
        judge_lora_scale, "The scale before was 16 / 8 = 2.", "Only the rank changed."
    ),
    "lora_forward": Exercise(judge_lora_forward, "The rank is the number of rows of A."),
    "lora_best_rank": Exercise(
        judge_lora_best_rank,
        "torch.linalg.svd(W, full_matrices=False) gives U, S, Vh with W = U diag(S) Vh.",
    ),
    "ten_records": Exercise(
        judge_ten_records,
        "tuned = copy.deepcopy(base), then apply_lora and teach, as in section 4.",
        "For the answers: partial(answers, base) and partial(answers, tuned).",
    ),
}
