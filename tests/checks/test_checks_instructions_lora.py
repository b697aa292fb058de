"""The exercises on LoRA and evaluation: silence is "not attempted", the solution is right, named mistakes get hints."""

import pytest
import torch

from shared.checks import verdict
from shared.checks.instructions_lora import EXERCISES


def forward(scale=lambda alpha, rank: alpha / rank, base=True):
    return lambda x, W, A, B, alpha: base * (x @ W.T) + scale(alpha, A.size(0)) * (x @ A.T @ B.T)


def svd_sum(keep):
    def best(W, rank):
        U, S, Vh = torch.linalg.svd(W, full_matrices=False)
        return U[:, keep(rank)] * S[keep(rank)] @ Vh[keep(rank)]
    return best


def padder(left=False, mask_filler=0, label_filler=-100, more=0):
    def pad(items, pad_id, multiple):
        longest = max(len(item["input_ids"]) for item in items)
        length = longest + -longest % multiple + more * multiple

        def fill(values, filler):
            missing = [filler] * (length - len(values))
            return missing + values if left else values + missing

        return {"input_ids": torch.tensor([fill(item["input_ids"], pad_id) for item in items]),
                "attention_mask": torch.tensor([fill([1] * len(item["input_ids"]), mask_filler) for item in items]),
                "labels": torch.tensor([fill(item["labels"], label_filler) for item in items])}
    return pad


def forgiving(response, expected):
    normal = [" ".join(text.lower().split()).removesuffix(".").rstrip() for text in (response, expected)]
    return normal[0] == normal[1]


def fair(judge):
    def both(entry, first, second):
        opposite = {"first": "second", "second": "first", "tie": "tie"}[judge(entry, second, first)]
        return opposite if judge(entry, first, second) == opposite else "tie"
    return both


def unfair_tie(judge):
    """Takes a tie in one order for no objection."""
    def both(entry, first, second):
        verdict = judge(entry, first, second)
        opposite = {"first": "second", "second": "first", "tie": "tie"}[judge(entry, second, first)]
        return verdict if opposite in (verdict, "tie") else opposite if verdict == "tie" else "tie"
    return both


SOLUTIONS = {
    "lora_parameters": 294_912, "lora_alpha": 32.0, "lora_forward": forward(), "lora_best_rank": svd_sum(slice),
    "lora_schedule": (800, 32), "adapter_size": 14_680_064, "pad_to_multiple": padder(),
    "forgiving_match": forgiving, "answers_needed": 382, "fair_judge": fair,
}
MISTAKES = [
    ("lora_parameters", 12 * 2 * 768 * 768, "full finetuning"),
    ("lora_parameters", 147_456, "two"),
    ("lora_parameters", "many", "whole number"),
    ("lora_parameters", 5, "sum of both sides"),
    ("lora_alpha", 16, "halves"),
    ("lora_alpha", 8, "alpha / rank"),
    ("lora_forward", forward(lambda alpha, rank: 1), "scaled by alpha / rank"),
    ("lora_forward", forward(lambda alpha, rank: alpha), "scaled by alpha / rank"),
    ("lora_forward", forward(base=False), "frozen layer's own output"),
    ("lora_forward", lambda x, W, A, B, alpha: x, "shape"),
    ("lora_forward", lambda x, W, A, B, alpha: x @ W, "raised"),
    ("lora_best_rank", lambda W, rank: W, "W itself"),
    ("lora_best_rank", svd_sum(lambda rank: slice(-rank, None)), "smallest singular values"),
    ("lora_best_rank", lambda W, rank: W[:rank], "shape"),
    ("lora_schedule", (32, 800), "order"),
    ("lora_schedule", (400, 32), "one epoch"),
    ("lora_schedule", (25_600, 32), "micro-batches"),
    ("lora_schedule", (800, 128), "4 at a time"),
    ("lora_schedule", 800, "pair"),
    ("adapter_size", 7_340_032, "half of it: four"),
    ("adapter_size", 3_670_016, "rank 8 on two"),
    ("adapter_size", 28 * 4 * 4096 * 4096, "frozen matrices"),
    ("pad_to_multiple", padder(left=True), "on the right"),
    ("pad_to_multiple", padder(more=1), "should be"),
    ("pad_to_multiple", padder(mask_filler=1), "attention_mask is to be filled up with 0"),
    ("pad_to_multiple", padder(label_filler=3), "labels is to be filled up with -100"),
    ("pad_to_multiple", lambda items, pad_id, multiple: None, "dictionary"),
    ("forgiving_match", lambda a, b: a.strip() == b.strip(), "capitals"),
    ("forgiving_match", lambda a, b: a.lower().strip() == b.lower().strip(), "full stop"),
    ("forgiving_match", lambda a, b: "".join(a.lower().split()).rstrip(".") == "".join(b.lower().split()).rstrip("."),
     "missing space"),
    ("forgiving_match", lambda a, b: "".join(c for c in a.lower() if c.isalnum() or c.isspace()).split()
     == "".join(c for c in b.lower() if c.isalnum() or c.isspace()).split(), "point inside a number"),
    ("forgiving_match", lambda a, b: b.lower().rstrip(".") in " ".join(a.lower().split()), "full stop|whole response"),
    ("answers_needed", 96, "0.20"),
    ("answers_needed", 385, "plain interval"),
    ("answers_needed", 380, "wider"),
    ("fair_judge", lambda judge: judge, "always says 'first'"),
    ("fair_judge", lambda judge: lambda *_: "tie", "keep its verdicts"),
    ("fair_judge", unfair_tie, "contradiction too"),
    ("fair_judge", lambda judge: "tie", "should return a judge"),
]


@pytest.mark.parametrize("name", list(EXERCISES))
def test_silence_is_not_attempted_and_the_solution_is_right(name):
    assert verdict(f"instructions/{name}", None) == "not attempted yet"
    assert verdict(f"instructions/{name}", SOLUTIONS[name]) == "right"


@pytest.mark.parametrize("name, answer, hint", MISTAKES, ids=[f"{name}-{i}" for i, (name, _, _) in enumerate(MISTAKES)])
def test_a_named_mistake_gets_a_hint_that_fits(name, answer, hint):
    import re

    said = verdict(f"instructions/{name}", answer)
    assert said.startswith("not yet") and re.search(hint, said), said


def test_each_exercise_has_two_named_mistakes():
    for name in EXERCISES:
        assert sum(mistake[0] == name for mistake in MISTAKES) >= 2, name
