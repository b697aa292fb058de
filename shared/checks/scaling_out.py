"""The exercises of 04_pretraining/07_scaling_out."""

from collections.abc import Callable, Iterable
from typing import Any

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, not_a_number, wrong_number, wrong_type


def judge_planned_hours(answer: Any) -> str | None:
    right = 3 * 808e6 * 5e9 / (4 * 989e12 * 0.35) / 3600
    slips = {
        right / 3: "that is the forward pass alone; the backward pass takes twice as many "
        "operations",
        right * 2 / 3: "that is the backward pass alone; the forward pass comes on top",
        right * 4: "that is for one device; there are four",
        right * 0.35: "the devices reach only 35% of their peak: divide by 0.35",
        right * 0.35**2: "you multiplied by 0.35; a smaller share takes longer: divide",
        right * 3600: "those are seconds",
        right * 60: "those are minutes",
        right / 24: "those are days",
        right * 989 / 312: "that is with the speed of an A100; an H100 has 989 TFLOP/s",
        right * 0.35 / 0.4: "that is with a share of 40%; here 35% are reached",
        right * 2: "that is for 10 billion tokens; here there are 5 billion",
    }
    how = "hours = 3 F N / (G S u 3600), with S in operations"
    return wrong_number(answer, right, slips, tolerance=0.02, how=how)


@asks_for_function
def judge_deal(answer: Callable[[list[int], int, int], list[int]]) -> str | None:
    order = [7, 3, 9, 1, 8, 2, 6, 0, 5, 4]
    alone = answer(list(order), 0, 1)
    if hint := wrong_type(alone, Iterable, "a list of items"):
        return hint
    if list(alone) != order:
        return "a process alone takes everything, in the order given"
    for world_size in (2, 3, 4):
        hands = [list(answer(list(order), rank, world_size)) for rank in range(world_size)]
        if hint := wrong_hands(hands, order, world_size):
            return hint
    return None


def wrong_hands(hands: list[list[int]], order: list[int], world_size: int) -> str | None:
    """A hint unless the order was dealt in turns, and to all equally."""
    sizes = [len(hand) for hand in hands]
    if len(set(sizes)) > 1:
        return f"with {world_size} processes the parts have {sizes} items: cut the end off"
    dealt = [item for hand in hands for item in hand]
    if len(set(dealt)) < len(dealt):
        return f"with {world_size} processes an item is dealt twice"
    if len(dealt) != len(order) // world_size * world_size:
        return f"with {world_size} processes only {len(dealt)} of {len(order)} items are dealt"
    if set(dealt) != set(order[: len(dealt)]):
        return "what does not come out even is left out at the end, not at the beginning"
    if not set(order[:world_size]) == {hand[0] for hand in hands}:
        return (
            "you cut the order in blocks; deal in turns, so that the first step sees the first "
            "items in any case"
        )
    if [hand[0] for hand in hands] != order[:world_size]:
        return "the first item goes to process 0, the second to process 1, and so on"
    if hands != [order[: len(dealt)][rank::world_size] for rank in range(world_size)]:
        return (
            f"with {world_size} processes the first round is dealt as it should be, a later one is "
            "not: each round begins with process 0, and a process keeps the order of its items"
        )
    return None


@asks_for_function
def judge_largest_batch(answer: Callable[[float, float, float], int]) -> str | None:
    cases = (
        (5.0, 1.0, 12.0, 4),
        (2.0, 1.0, 12.0, 8),
        (2.0, 1.0, 10.0, 8),
        (2.0, 0.8, 80.0, 64),
        (10.0, 3.0, 12.0, 0),
        (0.0, 5.0, 5.0, 1),
        (1.0, 0.01, 80.0, 4096),
    )
    for fixed, each, memory, right in cases:
        found = answer(fixed, each, memory)
        if hint := not_a_number(found):
            return hint
        if found == right:
            continue
        if right == 0:
            return (
                f"{fixed} GB fixed and {each} GB a sequence do not fit into {memory} GB: that "
                f"is 0, not {found}"
            )
        if found and fixed + found * each > memory:
            return (
                f"{found} sequences take {fixed + found * each:.1f} GB, but the device has {memory}"
            )
        if found == int((memory - fixed) / each):
            return f"{found} fits, but it is no power of two"
        if fixed + right * each == memory:
            return (
                f"{right} of {each} GB and {fixed} GB fixed fill {memory} GB exactly: that fits, "
                f"but you say {found}"
            )
        if right == 4096:
            return f"a batch may be large: with {each} GB a sequence {right} fit; you say {found}"
        return (
            f"with {fixed} GB fixed, {each} GB a sequence and {memory} GB, {right} fit; you "
            f"say {found}. The fixed part is there once, whatever the batch"
        )
    return None


EXERCISES = {
    "deal": Exercise(
        judge_deal,
        "a slice may have a step: items[start::step]",
        "cut the end first: how many items is the largest multiple of world_size?",
    ),
    "largest_batch": Exercise(
        judge_largest_batch,
        "does one fit? if so: would twice as many fit, and twice as many again?",
    ),
    "planned_hours": Exercise(
        judge_planned_hours,
        "F counts the forward pass; the backward pass takes two times as much on top",
        "1 TFLOP/s is 1e12 operations a second",
    ),
}
