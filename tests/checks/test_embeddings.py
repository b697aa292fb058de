"""The exercises of 01_data/04_embeddings."""

import torch
import torch.nn.functional as F
from harness import exercise_tests

from shared.checks import verdict


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


def refuses_six(ids, tokens, positions):
    if ids.size(1) >= len(positions):
        raise ValueError("6, 7")
    return embed(ids, tokens, positions)


def cosines(vectors, row):
    found = F.cosine_similarity(vectors, vectors[row], dim=1)
    found[row] = -torch.inf
    return found


def nearest_by_norms(vectors, row):
    directions = vectors / vectors.norm(dim=1, keepdim=True)
    others = [i for i in range(len(vectors)) if i != row]
    return others[(directions[others] @ directions[row]).argmax()]


def nearest_by_loop(vectors, row):
    best, winner = -2.0, None
    for i, vector in enumerate(vectors):
        cosine = torch.dot(vector, vectors[row]) / (vector.norm() * vectors[row].norm())
        if i != row and cosine > best:
            best, winner = cosine, i
    return winner


def nearest_by_product(vectors, row):
    products = vectors @ vectors[row]
    products[row] = -torch.inf
    return products.argmax().item()


def nearest_by_distance(vectors, row):
    distances = (vectors - vectors[row]).norm(dim=1)
    distances[row] = torch.inf
    return distances.argmin().item()


def nearest_by_size(vectors, row):
    return cosines(vectors, row).nan_to_num(neginf=0).abs().argmax().item()


def nearest_but_zero(vectors, row):
    found = F.cosine_similarity(vectors, vectors[row], dim=1)
    found[row] = 0
    return found.argmax().item()


def nearest_in_place(vectors, row):
    vectors /= vectors.norm(dim=1, keepdim=True)
    return cosines(vectors, row).argmax().item()


def nearest_of_the_others(vectors, row):
    found = F.cosine_similarity(vectors, vectors[row], dim=1)
    return torch.cat([found[:row], found[row + 1 :]]).argmax().item()


def nearest_by_sizes(vectors, row):
    return nearest_by_product(vectors / vectors.abs().sum(dim=1, keepdim=True), row)


def embed_as(ids, tokens, positions, way):
    embed(ids, tokens, positions)  # refuses what is too long
    return way(tokens[ids], positions, ids.size(1))


def second_of_all(vectors, row):
    scaled = torch.nn.functional.normalize(vectors.float(), dim=1)
    return (scaled @ scaled[row]).topk(2).indices[1].item()


RIGHT = {
    "one_hot_lookup": lambda ids, weight: F.one_hot(ids, len(weight)).float() @ weight,
    "nearest_word": lambda vectors, row: cosines(vectors, row).argmax().item(),
    "embedding_parameters": 39_383_808,
    "embed_tokens": embed,
    "two_steps": 2.5,
}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("embedding_parameters", "tokens only", 50_257 * 768, "positions"),
    ("embedding_parameters", "positions only", 1024 * 768, "position table alone"),
    ("embedding_parameters", "rows", 50_257 + 1024, "rows of both tables"),
    ("embedding_parameters", "one number a position", 50_257 * 768 + 1024, "whole vector"),
    ("embedding_parameters", "the token table twice", 2 * 50_257 * 768, "each of the two tables"),
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
    ("nearest_word", "itself", lambda v, row: (v @ v[row]).argmax().item(), "length|row asked for"),
    (
        "nearest_word",
        "itself, by cosine",
        lambda v, row: F.cosine_similarity(v, v[row], dim=1).argmax(),
        "left out",
    ),
    ("nearest_word", "the second of all", second_of_all, "point the same way|row asked for"),
    ("nearest_word", "not scaled", nearest_by_product, "won by its length"),
    ("nearest_word", "distance", nearest_by_distance, "smallest distance"),
    ("nearest_word", "size of the cosine", nearest_by_size, "opposite way"),
    ("nearest_word", "zero in its place", nearest_but_zero, "whatever cosines the others have"),
    ("nearest_word", "rows moved up", nearest_of_the_others, "moved up by one"),
    ("nearest_word", "length by sizes", nearest_by_sizes, "root of the sum"),
    ("nearest_word", "in place", nearest_in_place, "work on a copy"),
    ("nearest_word", "the cosine", lambda v, row: cosines(v, row).max(), "number of a row"),
    (
        "nearest_word",
        "a fixed row",
        lambda v, row: 3 if len(v) == 5 else int(row == 0),
        "row 1|row 0",
    ),
    ("two_steps", "one step", 2.0, "after one step"),
    ("two_steps", "the first slope twice", 3.0, "slope changes"),
    ("two_steps", "uphill", -1.5, "uphill"),
    ("two_steps", "the loss", -2.25, "not the loss"),
    ("two_steps", "no learning rate", 1.0, "learning rate is missing"),
    ("two_steps", "no factor 2", 1.875, "factor 2"),
    ("two_steps", "another number", 2.75, "too large: new w"),
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
    (
        "embed_tokens",
        "positions alone",
        lambda i, t, p: embed_as(i, t, p, lambda x, p, T: p[:T].expand_as(x)),
        "token vectors are missing",
    ),
    (
        "embed_tokens",
        "multiplied",
        lambda i, t, p: embed_as(i, t, p, lambda x, p, T: x * p[:T]),
        "multiplied",
    ),
    (
        "embed_tokens",
        "the last positions",
        lambda i, t, p: embed_as(i, t, p, lambda x, p, T: x + p[-T:]),
        "take the first T",
    ),
    (
        "embed_tokens",
        "one position for all",
        lambda i, t, p: embed_as(i, t, p, lambda x, p, T: x + p[0]),
        "vector of position 0",
    ),
    (
        "embed_tokens",
        "side by side",
        lambda i, t, p: embed_as(
            i, t, p, lambda x, p, T: torch.cat([x, p[:T].expand_as(x)], dim=-1)
        ),
        "add them",
    ),
    ("embed_tokens", "refuses six", refuses_six, "6 tokens fit into 6"),
    ("embed_tokens", "doubled", lambda *a: 2 * embed(*a), "not the token vector plus"),
]

test_answers, test_tables = exercise_tests("embeddings", RIGHT, WRONG)


def test_other_ways_to_the_nearest_word():
    for answer in (nearest_by_norms, nearest_by_loop, lambda v, row: cosines(v, row).argmax()):
        assert verdict("embeddings/nearest_word", answer) == "right"


def test_other_ways_to_look_up_and_to_embed():
    lookups = (
        lambda ids, w: torch.einsum("btv,vd->btd", F.one_hot(ids, len(w)).float(), w),
        lambda ids, w: F.linear(F.one_hot(ids, len(w)).float(), w.T),
        lambda ids, w: (ids[..., None] == torch.arange(len(w))).float() @ w,
    )
    for answer in lookups:
        assert verdict("embeddings/one_hot_lookup", answer) == "right"

    def in_place(ids, tokens, positions):
        embed(ids, tokens, positions)
        found = tokens[ids]
        found += positions[: ids.size(1)]
        return found

    def by_layer(ids, tokens, positions):
        embed(ids, tokens, positions)
        return F.embedding(ids, tokens) + F.embedding(torch.arange(ids.size(1)), positions)

    def by_loop(ids, tokens, positions):
        embed(ids, tokens, positions)
        rows = [torch.stack([tokens[i] + positions[t] for t, i in enumerate(row)]) for row in ids]
        return torch.stack(rows)

    for answer in (in_place, by_layer, by_loop):
        assert verdict("embeddings/embed_tokens", answer) == "right", answer.__name__
