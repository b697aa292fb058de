"""The exercises of 01_data/03_dataloader."""

import random
from collections.abc import Callable, Iterable
from typing import Any

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, wrong_number, wrong_type


def judge_count_windows(answer: Any) -> str | None:
    slips = {
        29: "29 misses the window that starts at token 0: the last start divided by the stride, "
        "and one more",
        31: "31 is one too many: does the last window, with its target, still fit?",
        936: "936 is the number for stride 1: here a window starts every 32 tokens",
        935: "935 is the last possible start, not the number of windows",
        15: "15 is the number for windows that do not overlap; here the stride is 32",
    }
    how = "windows start at 0, 32, 64, ..., as long as a whole target fits"
    return wrong_number(answer, 30, slips, how=how)


@asks_for_function
def judge_count_batches(count: Callable[[int, int, int, int, bool], int]) -> str | None:
    rng = random.Random(0)
    # 20 windows in whole batches, then 21: each slip is seen first where only it gives its number
    examples = [(63, 4, 3, 4, False), (63, 4, 3, 4, True), (64, 4, 3, 4, False)]
    examples += [(66, 4, 3, 4, False), (66, 4, 3, 4, True), (62, 4, 3, 4, True)]
    examples += [(9, 4, 4, 1, True), (5, 4, 1, 3, True), (5, 4, 1, 3, False)]
    for _ in range(500):
        context = rng.randint(1, 12)
        n = context + rng.randint(1, 60)
        drop_last = rng.random() < 0.5
        examples.append((n, context, rng.randint(1, 9), rng.randint(1, 7), drop_last))
    for n, T, stride, B, drop_last in examples:
        if hint := wrong_batches(count(n, T, stride, B, drop_last), n, T, stride, B, drop_last):
            return (
                f"{n} tokens, context {T}, stride {stride}, batch size {B}, "
                f"drop_last={drop_last}: {hint}"
            )
    return None


def wrong_batches(found: Any, n: int, T: int, stride: int, B: int, drop_last: bool) -> str | None:
    """What is wrong with a number of batches, if anything."""

    def batches(windows: int, drop_last: bool = drop_last) -> int:
        return windows // B if drop_last else -(-windows // B)

    windows = sum(start + T + 1 <= n for start in range(0, n, stride))
    right = batches(windows)
    hint = wrong_number(found, right, how=f"{windows} windows make {right}")
    if hint is None:
        return None
    if isinstance(found, float) and found == batches((n - T - 1) / stride + 1):
        return f"{hint}; round the number of windows down before you make batches of them"
    if found == windows > B:
        return f"{hint}; that is the number of windows, not of batches"
    if found == batches(n - T):
        return f"{hint}; a window starts only every {stride} tokens"
    if found == batches(windows, not drop_last):
        if drop_last:
            return f"{hint}; with drop_last a last batch that is not full does not count"
        return f"{hint}; without drop_last a last batch counts even if it is not full"
    if found == batches((n - T) // stride + 1):
        return f"{hint}; a window needs one token more, for its last target"
    if found == batches((n - T - 2) // stride + 1):
        return f"{hint}; a window with its target needs {T} + 1 tokens, not more"
    if found == batches((n - T - 1) // stride):
        return f"{hint}; the window that starts at token 0 counts too"
    if not drop_last and windows % B == 0 and found == right + 1:
        return f"{hint}; {windows} windows fill {right} batches, and none is left for one more"
    return hint


@asks_for_function
def judge_windows(windows: Callable[[list[int], int, int], Iterable]) -> str | None:
    rng = random.Random(0)
    sizes = [(12, 4, 2), (9, 4, 4)]
    for _ in range(200):
        T = rng.randint(1, 6)
        sizes.append((T + rng.randint(1, 20), T, rng.randint(1, 6)))
    for n, T, stride in sizes:
        ids = [rng.randrange(100) for _ in range(n)]
        right = all_windows(ids, T, stride)
        answer = windows(list(ids), T, stride)
        if hint := wrong_type(answer, Iterable, "a list of pairs (input, target)"):
            return hint
        answer = list(answer)
        if hint := wrong_pairs(answer, T):
            return hint
        found = [(list(x), list(y)) for x, y in answer]
        if found != right:
            hint = wrong_windows(found, right, ids, T)
            return f"{len(ids)} tokens, context {T}, stride {stride}: {hint}"
    return None


def all_windows(ids: list[int], T: int, stride: int, first: int = 0) -> list[tuple[list, list]]:
    """Pairs (input, target) as the exercise asks for them."""
    starts = range(first, len(ids) - T, stride)
    return [(ids[i : i + T], ids[i + 1 : i + T + 1]) for i in starts]


def wrong_pairs(answer: list, T: int) -> str | None:
    """A hint unless a list holds nothing but pairs of lists."""
    for pair in answer:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2 or isinstance(pair[0], int):
            return (
                "the answer is one list of pairs (input, target), one pair a window, but "
                f"holds {pair!r}"
            )
        if not all(isinstance(part, (list, tuple)) for part in pair):
            return f"input and target are each a list of {T} ids, but a pair came back as {pair!r}"
    return None


def wrong_windows(found: list[tuple], right: list[tuple], ids: list[int], T: int) -> str:
    """What is wrong with the windows that came back."""
    if found and all(x == y for x, y in found):
        return "the targets are the inputs: shift them by one token"
    if found == all_windows(ids, T, 1):
        return "your windows start at every token: the stride says how far apart they start"
    if found == all_windows(ids, T, T):
        return f"your windows start {T} tokens apart: that is T, not the stride"
    if found and found[0] in all_windows(ids, T, 1, first=1)[:1]:
        return "your first window starts at token 1: the first one starts at token 0"
    for i, ((x, y), (inputs, targets)) in enumerate(zip(found, right)):
        if (x, y) == (targets, inputs):
            return f"in window {i} input and target have changed places: the input is {inputs}"
        if x == inputs and y[:1] != targets[:1]:
            return (
                f"in window {i} the input is {x}: the target must be {targets}, beginning one "
                f"token later, not {y}"
            )
        if (len(x), len(y)) != (T, T):
            return f"window {i} has {len(x)} inputs and {len(y)} targets: both must have {T}"
    if any((len(x), len(y)) != (T, T) for x, y in found):
        return f"the last window is cut short: input and target must both have {T} tokens"
    if found == right[:1] and len(right) > 2:
        return f"{len(right)} windows fit, but only the first came back: return after the loop"
    if found == right[:-1]:
        return f"the last window is missing: {right[-1]} fits as a whole"
    if found[: len(right)] == right:
        return (
            f"only {len(right)} windows have a whole target in the text, but {len(found)} came back"
        )
    if len(found) != len(right):
        return f"the number of windows that fit is {len(right)}, but {len(found)} came back"
    i = next(i for i in range(len(right)) if found[i] != right[i])
    return f"window {i} must be {right[i]}, not {found[i]}"


EXERCISES = {
    "windows": Exercise(
        judge_windows,
        "range(0, len(ids) - T, stride) gives the starts.",
        "The target is ids[start + 1 : start + T + 1].",
    ),
    "count_windows": Exercise(
        judge_count_windows,
        "The last possible start is 1,000 - 64 - 1: the target needs one token more.",
        "Starts are 0, 32, 64, ... up to 935.",
    ),
    "count_batches": Exercise(
        judge_count_batches,
        "First the number of windows by the formula of this notebook, then the batches.",
        "windows // batch_size counts full batches; -(-windows // batch_size) rounds up.",
    ),
}
