"""The exercises of 05_instruction_finetuning/05_lora."""

import torch
from harness import exercise_tests


def forward(scale=lambda alpha, rank: alpha / rank, base=True):
    return lambda x, W, A, B, alpha: base * (x @ W.T) + scale(alpha, A.size(0)) * (x @ A.T @ B.T)


def svd_sum(keep):
    def best(W, rank):
        U, S, Vh = torch.linalg.svd(W, full_matrices=False)
        return U[:, keep(rank)] * S[keep(rank)] @ Vh[keep(rank)]

    return best


RIGHT = {
    "lora_parameters": 294_912,
    "lora_alpha": 32.0,
    "lora_forward": forward(),
    "lora_best_rank": svd_sum(slice),
}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("lora_parameters", "full finetuning", 12 * 2 * 768 * 768, "full finetuning"),
    ("lora_parameters", "one matrix an adapter", 147_456, "two"),
    ("lora_parameters", "text", "many", "one number, this is text"),
    ("lora_parameters", "a guess", 5, "sum of both sides"),
    ("lora_alpha", "alpha as before", 16, "halves"),
    ("lora_alpha", "alpha halved", 8, "alpha / rank"),
    ("lora_forward", "no scale", forward(lambda alpha, rank: 1), "scaled by alpha / rank"),
    (
        "lora_forward",
        "alpha not divided",
        forward(lambda alpha, rank: alpha),
        "scaled by alpha / rank",
    ),
    ("lora_forward", "no base", forward(base=False), "frozen layer's own output"),
    ("lora_forward", "the input", lambda x, W, A, B, alpha: x, "shape"),
    ("lora_forward", "W not transposed", lambda x, W, A, B, alpha: x @ W, "raised"),
    ("lora_best_rank", "nothing cut", lambda W, rank: W, "W itself"),
    (
        "lora_best_rank",
        "the smallest",
        svd_sum(lambda rank: slice(-rank, None)),
        "smallest singular values",
    ),
    ("lora_best_rank", "rows cut", lambda W, rank: W[:rank], "shape"),
]

test_answers, test_tables = exercise_tests("lora", RIGHT, WRONG)
