"""The exercises of 05_instruction_finetuning/05_lora."""

import pytest
import torch
from harness import exercise_tests
from test_judging_records import LESSON, WRONG_LESSONS

from shared.checks import verdict


def forward(scale=lambda alpha, rank: alpha / rank, base=True):
    return lambda x, W, A, B, alpha: base * (x @ W.T) + scale(alpha, A.size(0)) * (x @ A.T @ B.T)


def merged_forward(x, W, A, B, alpha):
    return x @ (W + alpha / len(A) * B @ A).T


def layers_forward(x, W, A, B, alpha):
    linear = torch.nn.functional.linear
    return linear(x, W) + linear(linear(x, A), B) * (alpha / A.shape[0])


def svd_sum(keep):
    def best(W, rank):
        U, S, Vh = torch.linalg.svd(W, full_matrices=False)
        return U[:, keep(rank)] * S[keep(rank)] @ Vh[keep(rank)]

    return best


def outer_sum(W, rank):
    U, S, Vh = torch.linalg.svd(W)
    return sum(S[i] * torch.outer(U[:, i], Vh[i]) for i in range(rank))


def projection(W, rank):
    _, vectors = torch.linalg.eigh(W.T @ W)  # the largest last
    kept = vectors[:, -rank:]
    return W @ kept @ kept.T


def unscaled(W, rank):
    U, _, Vh = torch.linalg.svd(W, full_matrices=False)
    return U[:, :rank] @ Vh[:rank]


def squared(W, rank):
    U, S, Vh = torch.linalg.svd(W, full_matrices=False)
    return U[:, :rank] * S[:rank] ** 2 @ Vh[:rank]


RIGHT = {
    "lora_parameters": 294_912,
    "lora_scale": 1.0,
    "lora_forward": forward(),
    "lora_best_rank": svd_sum(slice),
    "ten_records": LESSON,
}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("lora_parameters", "full finetuning", 12 * 2 * 768 * 768, "full finetuning"),
    ("lora_parameters", "one matrix an adapter", 147_456, "two"),
    ("lora_parameters", "one block", 24_576, "12"),
    ("lora_parameters", "four matrices a block", 589_824, "too large"),
    ("lora_parameters", "one matrix of one block", 12_288, "too small"),
    ("lora_parameters", "a guess", 5, "sum of both sides"),
    ("lora_scale", "as before", 2, "with rank 8"),
    ("lora_scale", "alpha", 16, "not yet divided"),
    ("lora_scale", "alpha doubled", 32, "alpha stays"),
    ("lora_scale", "half as much", 0.5, "the number itself"),
    ("lora_scale", "the square root", 4, "square root"),
    ("lora_scale", "rank by rank", 8, "too large"),
    ("lora_forward", "no scale", forward(lambda alpha, rank: 1), "scaled by alpha / rank"),
    ("lora_forward", "not divided", forward(lambda alpha, rank: alpha), "scaled by alpha / rank"),
    ("lora_forward", "floor", forward(lambda alpha, rank: alpha // rank), "no whole number"),
    (
        "lora_forward",
        "rounded",
        forward(lambda alpha, rank: round(alpha / rank)),
        "numbers are not",
    ),
    ("lora_forward", "square root", forward(lambda alpha, rank: alpha / rank**0.5), "sqrt"),
    ("lora_forward", "upside down", forward(lambda alpha, rank: rank / alpha), "rank / alpha"),
    ("lora_forward", "no base", forward(base=False), "frozen layer's own output"),
    (
        "lora_forward",
        "the base scaled too",
        lambda x, W, A, B, alpha: alpha / len(A) * (x @ W.T + x @ A.T @ B.T),
        "output is not",
    ),
    ("lora_forward", "the input", lambda x, W, A, B, alpha: x, "shape"),
    ("lora_forward", "W not transposed", lambda x, W, A, B, alpha: x @ W, "raised"),
    (
        "lora_forward",
        "the wrong side as rank",
        lambda x, W, A, B, alpha: x @ W.T + alpha / A.size(1) * (x @ A.T @ B.T),
        "numbers are not",
    ),
    ("lora_best_rank", "nothing cut", lambda W, rank: W, "W itself"),
    (
        "lora_best_rank",
        "the smallest",
        svd_sum(lambda rank: slice(-rank, None)),
        "smallest singular values",
    ),
    ("lora_best_rank", "one more", svd_sum(lambda rank: slice(rank + 1)), "numbers are not"),
    ("lora_best_rank", "one fewer", svd_sum(lambda rank: slice(rank - 1)), "numbers are not"),
    ("lora_best_rank", "singular values left out", unscaled, "numbers are not"),
    ("lora_best_rank", "singular values squared", squared, "numbers are not"),
    ("lora_best_rank", "rows cut", lambda W, rank: W[:rank], "shape"),
    *(("ten_records", *wrong) for wrong in WRONG_LESSONS),
]

test_answers, test_tables = exercise_tests("lora", RIGHT, WRONG)


@pytest.mark.parametrize(
    "name, answer",
    [
        ("lora_forward", merged_forward),
        ("lora_forward", layers_forward),
        ("lora_best_rank", outer_sum),
        ("lora_best_rank", projection),
        ("lora_scale", 16 / 16),
        ("lora_parameters", 2 * 12 * (8 * 768 + 768 * 8)),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_other_ways_are_right_as_well(name, answer):
    assert verdict(f"lora/{name}", answer) == "right"
