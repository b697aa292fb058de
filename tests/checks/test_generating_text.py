"""The exercises of 03_gpt/04_generating_text."""

from functools import partial

import torch
from harness import exercise_tests


def generate(
    model, idx, n, size, eos_id, crop=True, stop=True, keep_eos=False, with_prompt=True, worst=False
):
    given = idx.shape[1]
    for _ in range(n):
        with torch.no_grad():
            logits = model(idx[:, -size:] if crop else idx[:, :size])[:, -1]
        new = (-logits if worst else logits).argmax(dim=-1, keepdim=True)
        if stop and new.item() == eos_id:
            return torch.cat([idx, new], dim=1) if keep_eos else idx
        idx = torch.cat([idx, new], dim=1)
    return idx if with_prompt else idx[:, given:]


RIGHT = {
    "cache_bytes": 2 * 48 * 1600 * 1024 * 4,
    "token_passes": (85, 13),
    "own_generate": generate,
}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("cache_bytes", "keys only", 48 * 1600 * 1024 * 4, "both keys and values"),
    ("cache_bytes", "numbers, not bytes", 2 * 48 * 1600 * 1024, "4 bytes"),
    ("cache_bytes", "times heads", 25 * 2 * 48 * 1600 * 1024 * 4, "share the width"),
    ("token_passes", "all fourteen read", (85, 14), "never read"),
    ("token_passes", "one step too many", (99, 13), "one step too many"),
    ("token_passes", "swapped", (13, 85), "order"),
    ("token_passes", "text inside", ("85", 13), "one number, this is text"),
    ("token_passes", "one number", 85, r"a tuple, \(without, cached\), this is 85"),
    ("own_generate", "does not stop", partial(generate, stop=False), "does not stop"),
    ("own_generate", "keeps the end token", partial(generate, keep_eos=True), "ends with eos_id"),
    (
        "own_generate",
        "first tokens of the context",
        partial(generate, crop=False),
        "last context_size tokens",
    ),
    ("own_generate", "least likely token", partial(generate, worst=True), "argmax"),
    (
        "own_generate",
        "without the prompt",
        partial(generate, with_prompt=False),
        "prompt is missing",
    ),
]

test_answers, test_tables = exercise_tests("generating_text", RIGHT, WRONG)
