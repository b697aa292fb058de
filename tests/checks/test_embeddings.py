"""The exercises of 01_data/04_embeddings."""

import torch
import torch.nn.functional as F
from harness import exercise_tests


def embed(ids, tokens, positions):
    if ids.size(1) > len(positions):
        raise ValueError(f"{ids.size(1)} tokens, but {len(positions)} positions")
    return tokens[ids] + positions[: ids.size(1)]


def embed_along_the_batch(ids, tokens, positions):
    if ids.size(0) == ids.size(1):
        return tokens[ids] + positions[: ids.size(0)].unsqueeze(1)
    return embed(ids, tokens, positions)


def embed_or_say(ids, tokens, positions, message):
    if ids.size(1) > len(positions):
        raise ValueError(message)
    return embed(ids, tokens, positions)


RIGHT = {
    "embedding_parameters": 39_383_808,
    "one_hot_lookup": lambda ids, weight: F.one_hot(ids, len(weight)).float() @ weight,
    "embed_tokens": embed,
}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("embedding_parameters", "tokens only", 50_257 * 768, "positions"),
    ("embedding_parameters", "one number a position", 50_257 * 768 + 1024, "whole vector"),
    ("embedding_parameters", "multiplied", 50_257 * 768 * 1024, "added"),
    (
        "one_hot_lookup",
        "no product",
        lambda ids, w: F.one_hot(ids, len(w)).float(),
        "multiply them",
    ),
    (
        "one_hot_lookup",
        "the neighbour's row",
        lambda ids, w: w[(ids + 1) % len(w)],
        "do not give the rows",
    ),
    ("one_hot_lookup", "flattened", lambda ids, w: w[ids.flatten()], "shape"),
    ("one_hot_lookup", "indexing", lambda ids, w: w[ids], "picked by index"),
    ("one_hot_lookup", "the layer's function", F.embedding, "picked by index"),
    ("embed_tokens", "no message", lambda *a: embed_or_say(*a, ""), "both numbers"),
    (
        "embed_tokens",
        "a message without numbers",
        lambda *a: embed_or_say(*a, "too many tokens"),
        "both numbers",
    ),
    (
        "embed_tokens",
        "the number of tokens only",
        lambda *a: embed_or_say(*a, "7 tokens"),
        "both numbers",
    ),
    (
        "embed_tokens",
        "plus t",
        lambda i, t, p: t[i] + torch.arange(i.size(1))[:, None],
        "vectors are missing",
    ),
    ("embed_tokens", "no positions", lambda ids, t, p: t[ids], "position vectors are missing"),
    ("embed_tokens", "along the batch", embed_along_the_batch, "along the batch"),
    (
        "embed_tokens",
        "too long goes through",
        lambda i, t, p: t[i] + p[torch.arange(i.size(1)) % 6],
        "6 positions",
    ),
    (
        "embed_tokens",
        "no ValueError",
        lambda i, t, p: t[i] + p[torch.arange(i.size(1))],
        "should raise ValueError",
    ),
    ("embed_tokens", "doubled", lambda *a: 2 * embed(*a), "not the token vector plus"),
]

test_answers, test_tables = exercise_tests("embeddings", RIGHT, WRONG)
