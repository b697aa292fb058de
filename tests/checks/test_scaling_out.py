"""The exercises of 04_pretraining/07_scaling_out."""

import math

from harness import exercise_tests

HOURS = 3 * 808e6 * 5e9 / (4 * 989e12 * 0.35) / 3600


def deal(order, rank, world_size):
    return order[: len(order) // world_size * world_size][rank::world_size]


def blocks(order, rank, world_size):
    each = len(order) // world_size
    return order[rank * each : (rank + 1) * each]


def largest_batch(fixed, each, memory):
    return 0 if fixed + each > memory else 2 ** int(math.log2((memory - fixed) / each))


RIGHT = {"planned_hours": HOURS, "deal": deal, "largest_batch": largest_batch}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("planned_hours", "forward only", HOURS / 3, "forward pass alone"),
    ("planned_hours", "one device", HOURS * 4, "there are four"),
    ("planned_hours", "share multiplied", HOURS * 0.35, "divide by 0.35"),
    ("planned_hours", "a guess", 1e9, "hours = 3 F N"),
    ("deal", "blocks", blocks, "blocks"),
    ("deal", "parts of two sizes", lambda o, r, w: o[r::w], "cut the end off"),
    ("deal", "the same to all", lambda o, r, w: o[: len(o) // w], "dealt twice"),
    (
        "deal",
        "sorted",
        lambda o, r, w: sorted(o)[: len(o) // w * w][r::w],
        "takes everything, in the order",
    ),
    ("deal", "the start cut off", lambda o, r, w: o[len(o) % w :][r::w], "not at the beginning"),
    ("largest_batch", "no power of two", lambda f, e, m: int((m - f) / e), "no power of two"),
    (
        "largest_batch",
        "one doubling too many",
        lambda f, e, m: 2 * largest_batch(f, e, m),
        "but the device has",
    ),
    (
        "largest_batch",
        "never none",
        lambda f, e, m: max(1, largest_batch(f, e, m)),
        "do not fit into",
    ),
    (
        "largest_batch",
        "one doubling too few",
        lambda f, e, m: largest_batch(f, e, m) // 2,
        "you say",
    ),
]

test_answers, test_tables = exercise_tests("scaling_out", RIGHT, WRONG)
