"""The exercises of 01_data/03_dataloader."""

import math

import pytest
import torch
from harness import exercise_tests

from shared.checks import verdict


def windows(ids, T, stride, end=0, shift=1):
    return [
        (ids[i : i + T], ids[i + shift : i + T + shift])
        for i in range(0, len(ids) - T + end, stride)
    ]


def batches(n, T, s, B, drop_last, target=1, swap=False):
    w = (n - T - target) // s + 1
    return w // B if drop_last != swap else -(-w // B)


RIGHT = {"windows": windows, "count_windows": 30, "count_batches": batches}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("count_windows", "the first forgotten", 29, "starts at token 0"),
    ("count_windows", "stride 1", 936, "stride 1"),
    ("count_windows", "side by side", 15, "overlap"),
    ("count_windows", "the last start", 935, "last possible start"),
    ("count_windows", "a guess", 28, "too small: windows start at"),
    ("count_windows", "a decimal", 30.5, "whole number"),
    (
        "count_batches",
        "the first window forgotten",
        lambda n, T, s, B, d: batches(n - s, T, s, B, d),
        "token 0 counts too",
    ),
    ("count_batches", "too much room", lambda *a: batches(*a, target=2), "not more"),
    (
        "count_batches",
        "windows, not batches",
        lambda n, T, s, B, d: (n - T - 1) // s + 1,
        "number of windows, not",
    ),
    (
        "count_batches",
        "stride ignored",
        lambda n, T, s, B, d: batches(n, T, 1, B, d),
        "only every 3 tokens",
    ),
    (
        "count_batches",
        "windows not rounded",
        lambda n, T, s, B, d: (lambda w: w // B if d else -(-w // B))((n - T - 1) / s + 1),
        "round the number of windows down",
    ),
    ("count_batches", "no room for the target", lambda *a: batches(*a, target=0), "one token more"),
    (
        "count_batches",
        "drop_last the wrong way round",
        lambda *a: batches(*a, swap=True),
        "drop_last",
    ),
    (
        "count_batches",
        "drop_last ignored",
        lambda n, T, s, B, d: batches(n, T, s, B, True),
        "drop_last",
    ),
    (
        "count_batches",
        "not rounded",
        lambda n, T, s, B, d: ((n - T - 1) // s + 1) / B,
        "whole number",
    ),
    (
        "count_batches",
        "always one more",
        lambda *a: batches(*a[:4], True) + (not a[4]),
        "fill . batches",
    ),
    (
        "count_batches",
        "never a batch kept",
        lambda n, T, s, B, d: batches(n, T, s, B, True),
        "without drop_last",
    ),
    ("windows", "one id as target", lambda *a: [(x, y[-1]) for x, y in windows(*a)], "each a list"),
    (
        "windows",
        "the next window as target",
        lambda ids, T, s: windows(ids, T, s, shift=T),
        "one token later",
    ),
    (
        "windows",
        "target one too short",
        lambda *a: [(x, y[:-1]) for x, y in windows(*a) if y[1:]],
        "both must have",
    ),
    ("windows", "swapped", lambda *a: [(y, x) for x, y in windows(*a)], "changed places"),
    ("windows", "the first pair only", lambda *a: windows(*a)[0], "one list of pairs"),
    (
        "windows",
        "two lists",
        lambda *a: [list(part) for part in zip(*windows(*a))],
        "one list of pairs",
    ),
    (
        "windows",
        "tensors",
        lambda *a: [tuple(map(torch.tensor, pair)) for pair in windows(*a)],
        "each a list",
    ),
    ("windows", "nothing returned", lambda *a: None, "must return a list"),
    ("windows", "not shifted", lambda *a: windows(*a, shift=0), "shift them"),
    ("windows", "cut short at the end", lambda *a: windows(*a, end=1), "cut short"),
    ("windows", "the last one missing", lambda *a: windows(*a)[:-1], "last window is missing"),
    (
        "windows",
        "one start too few",
        lambda ids, T, s: [
            (ids[i * s : i * s + T], ids[i * s + 1 : i * s + T + 1])
            for i in range((len(ids) - T) // s)
        ],
        "last window is missing",
    ),
    ("windows", "the first one only", lambda *a: windows(*a)[:1], "after the loop"),
    ("windows", "every third one", lambda *a: windows(*a)[::3], "that fit is"),
    ("windows", "stride ignored", lambda ids, T, s: windows(ids, T, 1), "start at every token"),
    ("windows", "side by side", lambda ids, T, s: windows(ids, T, T), "that is T"),
    ("windows", "from token 1", lambda ids, T, s: windows(ids[1:], T, s), "starts at token 1"),
    (
        "windows",
        "the last target filled up",
        lambda ids, T, s: [(x, (y + [0])[:T]) for x, y in windows(ids, T, s, end=1)],
        "have a whole target",
    ),
    (
        "windows",
        "shifted by two",
        lambda ids, T, s: windows([*ids, 0], T, s, end=-1, shift=2),
        "must be",
    ),
]

test_answers, test_tables = exercise_tests("dataloader", RIGHT, WRONG)


def windows_by_while(ids, T, stride):
    found = []
    start = 0
    while start + T + 1 <= len(ids):
        found.append([list(ids[start : start + T]), list(ids[start + 1 : start + T + 1])])
        start += stride
    return found


def windows_by_zip(ids, T, stride):
    pairs = zip((ids[i : i + T] for i in range(len(ids))), (ids[i + 1 :] for i in range(len(ids))))
    return [(x, y[:T]) for x, y in pairs if len(y) >= T][::stride]


def windows_by_generator(ids, T, stride):
    for start in range(0, len(ids) - T, stride):
        yield ids[start : start + T], ids[start + 1 : start + 1 + T]


@pytest.mark.parametrize("answer", [windows_by_while, windows_by_zip, windows_by_generator])
def test_windows_may_be_cut_in_other_ways(answer):
    assert verdict("dataloader/windows", answer) == "right"


@pytest.mark.parametrize(
    "answer",
    [
        lambda n, T, s, B, d: (math.floor if d else math.ceil)(len(range(0, n - T, s)) / B),
        lambda n, T, s, B, d: len([i for i in range(0, n - T, s)][B - 1 if d else 0 :: B]),
        lambda n, T, s, B, d: sum(divmod((n - T - 1) // s + 1 + (0 if d else B - 1), B)[:1]),
    ],
)
def test_batches_may_be_counted_in_other_ways(answer):
    assert verdict("dataloader/count_batches", answer) == "right"
