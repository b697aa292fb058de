"""What chapter 3 taught, asked again."""

import math
import random

from shared.kit.quiz import Question, question


def normalised_pair(draw: random.Random) -> Question:
    low = draw.randint(-9, 5)
    high = low + draw.randint(2, 9)
    text = f"LayerNorm, before its scale and shift, turns ({low}, {high}) into about"
    wrong = ("(0, 1)", "(-0.5, 0.5)", f"({low - high}, {high - low})")
    because = "Mean 0 and variance 1: of two numbers nothing remains but which is larger."
    return question(draw, text, "(-1, 1)", wrong, because)


def feed_forward_parameters(draw: random.Random) -> Question:
    D = draw.choice((64, 128, 768, 1024))
    text = f"The feed-forward network of a block widens {D} to {4 * D} and back. Parameters?"
    wrong = (8 * D * D, 4 * D * D + 4 * D, 8 * D * D + 8 * D, 2 * D * D + 2 * D)
    because = f"Two matrices of {D} times {4 * D}, and {4 * D} + {D} biases."
    return question(draw, text, 8 * D * D + 5 * D, wrong, because)


def logits_shape(draw: random.Random) -> Question:
    B, T, D, V = draw.randint(2, 8), draw.choice((10, 64)), draw.choice((48, 768)), 50_257
    text = f"A GPT of width {D} reads ids of shape ({B}, {T}), of {V} tokens. Its output has shape"
    wrong = ((B, V), (B, T, D), (B, T))
    because = "A score for every token of the vocabulary, at every place."
    return question(draw, text, (B, T, V), wrong, because)


def untrained_loss(draw: random.Random) -> Question:
    V = draw.choice((100, 1000, 5000, 50_257))
    text = f"An untrained model with a vocabulary of {V:,} tokens. Its loss is about"
    wrong = (f"{math.log2(V):.1f}", f"{V / 2:.1f}", "0.0", "1.0")
    because = f"It gives each token about 1 / {V:,}; the loss is ln {V:,}."
    return question(draw, text, f"{math.log(V):.1f}", wrong, because)


def tied_weights(draw: random.Random) -> Question:
    V, D = draw.choice((1000, 32_000, 50_257)), draw.choice((128, 768, 1024))
    text = f"{V:,} tokens, width {D}: how many parameters are saved by tying the output head?"
    wrong = (2 * V * D, V * D + V, D * D, V)
    because = "Head and token embedding are one table instead of two."
    return question(draw, text, V * D, wrong, because)


def cache_numbers(draw: random.Random) -> Question:
    L, T, D = draw.choice((4, 12, 24)), draw.choice((100, 256, 1024)), draw.choice((128, 768))
    text = f"{L} blocks, width {D}, {T:,} tokens so far: how many numbers does the cache hold?"
    wrong = (L * T * D, 2 * T * D, L * T * T, 2 * L * D)
    because = "In every block a key and a value for every token."
    return question(draw, text, 2 * L * T * D, wrong, because)


def tokens_run(draw: random.Random) -> Question:
    prompt, new = draw.randint(5, 30), draw.randint(5, 30)
    cached = draw.random() < 0.5
    with_cache, without = prompt + new - 1, sum(range(prompt, prompt + new))
    how = "with" if cached else "without"
    text = f"{new} tokens are written after a prompt of {prompt}, {how} a cache."
    text += " How many tokens run through the model?"
    right, other = (with_cache, without) if cached else (without, with_cache)
    because = f"With a cache {prompt} + {new} - 1: the last token written is never read again."
    if not cached:
        because = f"{prompt} + {prompt + 1} + ... + {prompt + new - 1}: all of the text each time."
    return question(draw, text, right, (other, prompt + new, prompt * new), because)


def grouped_heads(draw: random.Random) -> Question:
    G = draw.choice((2, 3, 4))
    H = G * draw.choice((2, 3, 4))
    text = f"{H} heads share {G} heads of keys and values. The cache is smaller by a factor of"
    wrong = (G, H, 1, H + G)
    because = f"It holds {G} heads instead of {H}."
    return question(draw, text, H // G, wrong, because)


def rotary_distance(draw: random.Random) -> Question:
    query, key = draw.randint(20, 30), draw.randint(1, 18)
    move = draw.randint(3, 19)
    text = (
        f"Rotary positions: a query at place {query} and a key at place {key} have a score."
        " Where have the same two vectors the same one?"
    )

    def places(q: int, k: int) -> str:
        return f"query at {q}, key at {k}"

    wrong = (places(key, query), places(query + move, key), places(query, key + move))
    because = f"The score depends on the distance alone, {query} - {key}."
    return question(draw, text, places(query + move, key + move), wrong, because)


QUESTIONS = (
    normalised_pair,
    feed_forward_parameters,
    logits_shape,
    untrained_loss,
    tied_weights,
    cache_numbers,
    tokens_run,
    grouped_heads,
    rotary_distance,
)
