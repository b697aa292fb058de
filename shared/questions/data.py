"""What chapter 1 taught, asked again."""

import math
import random
from collections import Counter
from itertools import pairwise

from shared.kit.quiz import Question, question


def surprise(draw: random.Random) -> Question:
    k = draw.choice((2, 3, 5, 8, 10, 20))
    text = f"A model gave the letter that came a chance of 1 in {k}. Its surprise, in nats?"
    wrong = (f"{math.log2(k):.2f}", f"{1 / k:.2f}", f"{math.log10(k):.2f}", f"{k:.2f}")
    because = f"The surprise is -ln(1 / {k}) = ln {k}."
    return question(draw, text, f"{math.log(k):.2f}", wrong, because)


def unknown_pieces(draw: random.Random) -> Question:
    script = draw.choice(("Greek", "Korean", "Arabic", "emoji"))
    text = (
        f"Four tokenizers were built from English stories. Which one encodes a text in {script}"
        " and gives it back unchanged?"
    )
    right = "one that starts from the 256 bytes"
    wrong = (
        "one that numbers all words of the stories",
        "one that numbers all characters of the stories",
        "one of words, with <|unk|> for the rest",
    )
    because = "Any text can be written in bytes. An unknown-token raises no error, and forgets."
    return question(draw, text, right, wrong, because)


def merges_needed(draw: random.Random) -> Question:
    size = draw.choice((300, 512, 1000, 5000, 50_257))
    text = (
        f"BPE starts from the 256 bytes; one special token is added at the end. How many merges"
        f" does a vocabulary of {size:,} tokens hold?"
    )
    wrong = (size - 256, size - 1, size - 255)
    return question(draw, text, size - 257, wrong, f"{size:,} - 256 bytes - 1 special token.")


def first_merge(draw: random.Random) -> Question:
    while True:
        letters = "".join(draw.choices("abcd", k=11))
        pairs = Counter(map("".join, pairwise(letters)))
        (best, most), (_, second) = pairs.most_common(2)
        if most > second and len(pairs) > 3:
            break
    text = f"BPE learns from <code>{letters}</code>. Which pair does it merge first?"
    others = [pair for pair, _ in pairs.most_common()[1:]]
    because = f"<code>{best}</code> stands there {most} times, no other pair more than {second}."
    return question(draw, text, best, others, because)


def targets(draw: random.Random) -> Question:
    ids = draw.sample(range(10, 99), 8)
    start = draw.choice((0, 1, 2))
    window, right = ids[start : start + 4], ids[start + 1 : start + 5]
    text = f"A text has the ids {ids}. What are the targets of the window {window}?"
    wrong = (window, ids[start + 2 : start + 6], window[::-1], [ids[start + 4]])
    because = "Each token's target is the one after it: the window, moved by one."
    return question(draw, text, right, wrong, because)


def count_windows(draw: random.Random) -> Question:
    context = draw.choice((16, 32, 64))
    stride = draw.choice((context, context // 2))
    tokens = context * draw.randint(5, 30) + draw.randint(1, context - 1)
    last = tokens - context - 1
    right = last // stride + 1
    text = (
        f"Windows of {context} tokens, and their targets, are cut from {tokens:,} tokens, one"
        f" every {stride} tokens. How many?"
    )
    wrong = (right + 1, right - 1, tokens - context, right + 2)
    because = (
        f"The last may start at {tokens:,} - {context} - 1 = {last:,}: {last:,} // {stride} + 1."
    )
    return question(draw, text, right, wrong, because)


def count_batches(draw: random.Random) -> Question:
    size = draw.choice((4, 8, 16))
    windows = size * draw.randint(5, 40) + draw.randint(1, size - 1)
    drop = draw.random() < 0.5
    last = "dropped" if drop else "kept"
    text = (
        f"{windows} windows, batches of {size}, a last batch that is not full is {last}. Batches?"
    )
    full = windows // size
    wrong = (full + drop, full - 1, full + 2)
    because = f"{windows} = {full} * {size} + {windows % size}."
    return question(draw, text, full + (not drop), wrong, because)


def embedded_shape(draw: random.Random) -> Question:
    B, T, D = draw.sample((2, 4, 6, 8, 16, 32), 3)
    text = (
        f"Ids of shape ({B}, {T}) go through an embedding of width {D}. The shape that comes out?"
    )
    wrong = ((B, D, T), (B, T), (T, D))
    because = "Every id is replaced by its row of the table, so a dimension is added at the end."
    return question(draw, text, (B, T, D), wrong, because)


def embedding_numbers(draw: random.Random) -> Question:
    V, T, D = (
        draw.choice((1000, 5000, 50_257)),
        draw.choice((64, 256, 1024)),
        draw.choice((64, 768)),
    )
    text = (
        f"Token embeddings for {V:,} tokens and position embeddings for {T:,} places, both of width"
        f" {D}: how many numbers are learned?"
    )
    wrong = (V * D, V * D + T, V * T, V * T * D)
    because = f"A table of {V:,} rows and one of {T:,}, each row {D} numbers long."
    return question(draw, text, (V + T) * D, wrong, because)


QUESTIONS = (
    surprise,
    unknown_pieces,
    merges_needed,
    first_merge,
    targets,
    count_windows,
    count_batches,
    embedded_shape,
    embedding_numbers,
)
