"""The exercises of 04_pretraining/07_scaling_out."""

import math

import pytest
from harness import exercise_tests

from shared.checks import verdict

HOURS = 3 * 808e6 * 5e9 / (4 * 989e12 * 0.35) / 3600


def deal(order, rank, world_size):
    return order[: len(order) // world_size * world_size][rank::world_size]


def blocks(order, rank, world_size):
    each = len(order) // world_size
    return order[rank * each : (rank + 1) * each]


def largest_batch(fixed, each, memory):
    return 0 if fixed + each > memory else 2 ** int(math.log2((memory - fixed) / each))


def snake(order, rank, world_size):
    """Every second round backwards: the hands are equal in size, but not dealt in turns."""
    hand = []
    for start in range(0, len(order) // world_size * world_size, world_size):
        hands = order[start : start + world_size]
        hand.append(hands[rank] if start // world_size % 2 == 0 else hands[-1 - rank])
    return hand


def one_by_one(order, rank, world_size):
    hands = [[] for _ in range(world_size)]
    for place, item in enumerate(order):
        hands[place % world_size].append(item)
    return hands[rank][: len(order) // world_size]


def by_columns(order, rank, world_size):
    rounds = zip(*[iter(order)] * world_size)
    return (items[rank] for items in rounds)


def whole(order, world_size):
    return order[: len(order) // world_size * world_size]


def padded(order, rank, world_size):
    return (order + order[: -len(order) % world_size])[rank::world_size]


def from_a_list(fixed, each, memory):
    fitting = [2**n for n in range(20) if fixed + each * 2**n <= memory]
    return max(fitting, default=0)


def by_bits(fixed, each, memory):
    """1 << (bits - 1) is the largest power of two in a whole number."""
    fit = int((memory - fixed) / each + 1e-9)
    return 1 << (fit.bit_length() - 1) if fit > 0 else 0


def doubling(fixed, each, memory, most=10**9):
    batch = 1
    while 2 * batch <= most and fixed + 2 * batch * each <= memory:
        batch *= 2
    return batch if fixed + batch * each <= memory else 0


def fixed_each_time(fixed, each, memory):
    return doubling(0.0, fixed + each, memory)


def must_leave_room(fixed, each, memory):
    return doubling(fixed, each, memory - 1e-6)


RIGHT = {"deal": deal, "largest_batch": largest_batch, "planned_hours": HOURS}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("planned_hours", "forward only", HOURS / 3, "forward pass alone"),
    ("planned_hours", "one device", HOURS * 4, "there are four"),
    ("planned_hours", "share multiplied", HOURS * 0.35, "divide by 0.35"),
    ("planned_hours", "a guess", 1e9, "hours = 3 F N"),
    ("planned_hours", "backward only", HOURS * 2 / 3, "backward pass alone"),
    ("planned_hours", "seconds", HOURS * 3600, "seconds"),
    ("planned_hours", "days", HOURS / 24, "days"),
    ("planned_hours", "the speed of an A100", HOURS * 989 / 312, "an H100 has 989"),
    ("planned_hours", "the share of the page", HOURS * 0.35 / 0.4, "here 35%"),
    ("planned_hours", "the tokens of the page", HOURS * 2, "here there are 5 billion"),
    ("planned_hours", "the share left out", HOURS * 0.35, "divide by 0.35"),
    ("deal", "snake", snake, "each round begins with process 0"),
    ("deal", "the last process first", lambda o, r, w: deal(o, w - 1 - r, w), "goes to process 0"),
    ("deal", "a hand backwards", lambda o, r, w: deal(o, r, w)[::-1], "in the order given"),
    (
        "deal",
        "a sorted hand",
        lambda o, r, w: sorted(deal(o, r, w), key=o.index if w == 1 else None),
        "cut the order in blocks",
    ),
    ("deal", "padded", padded, "dealt twice"),
    ("deal", "places for items", lambda o, r, w: list(range(r, len(o), w)), "in the order given"),
    ("deal", "one item only", lambda o, r, w: o if w == 1 else [o[r]], "only 2 of 10"),
    ("largest_batch", "without what is fixed", lambda f, e, m: doubling(0.0, e, m), "takes? 13.0"),
    ("largest_batch", "fixed for each", fixed_each_time, "there once, whatever the batch"),
    ("largest_batch", "a full device refused", must_leave_room, "fill 10.0 GB exactly"),
    ("largest_batch", "64 at most", lambda f, e, m: doubling(f, e, m, 64), "a batch may be large"),
    ("largest_batch", "as many as fit", lambda f, e, m: doubling(f, e, m, 1), "4 fit; you say 1"),
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


@pytest.mark.parametrize(
    "name, answer",
    [
        ("deal", one_by_one),
        ("deal", by_columns),
        ("deal", lambda o, r, w: [o[i] for i in range(r, len(whole(o, w)), w)]),
        ("largest_batch", from_a_list),
        ("largest_batch", by_bits),
        ("largest_batch", doubling),
        ("planned_hours", 2.43),
        ("planned_hours", 2.4),
        ("planned_hours", HOURS * 1.001),
    ],
)
def test_right_answers_written_differently(name, answer):
    assert verdict(f"scaling_out/{name}", answer) == "right"
