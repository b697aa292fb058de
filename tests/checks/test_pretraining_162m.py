"""The exercises of 04_pretraining/03_pretraining_162m."""

import numpy as np
import pytest
from harness import exercise_tests

from shared.checks import verdict

XL = 1_557_611_200


def stop_at(losses, patience, late=0, last_only=False, at_the_end=None, ties=False):
    best = 0
    for i, loss in enumerate(losses):
        if (
            loss < losses[best]
            or (last_only and i and loss < losses[i - 1])
            or (ties and loss == losses[best])
        ):
            best = i
        if i - best >= patience + late:
            return i
    return len(losses) - 1 if at_the_end is None else at_the_end


def by_rises(losses, patience):
    """Stops after so many rises in a row."""
    rises = 0
    for i in range(1, len(losses)):
        rises = rises + 1 if losses[i] > losses[i - 1] else 0
        if rises >= patience:
            return i
    return len(losses) - 1


def never_anew(losses, patience):
    """Counts what is no improvement, and forgets to begin anew at a better loss."""
    best, bad = losses[0], 0
    for i, loss in enumerate(losses[1:], start=1):
        best, bad = (loss, bad) if loss < best else (best, bad + 1)
        if bad >= patience:
            return i
    return len(losses) - 1


RIGHT = {"training_memory": 23.21, "evaluations": 18, "stop_at": stop_at}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("training_memory", "weights alone", 5.8, "weights alone"),
    ("training_memory", "one mean", 17.4, "two means"),
    ("training_memory", "no gradient, no second mean", 11.6, "on top of its gradient"),
    ("training_memory", "GB", 24.92, "2\\*\\*30"),
    ("training_memory", "bytes", XL * 16, "in bytes"),
    ("training_memory", "MiB", XL * 16 / 2**20, "in MiB"),
    ("training_memory", "bits", XL * 2 / 2**30, "4 bytes"),
    ("training_memory", "a guess", 100, "what stands in memory"),
    ("evaluations", "without the first", 17, "step 0"),
    ("evaluations", "with step 90", 19, "step 89"),
    ("evaluations", "every step", 90, "fifth"),
    ("evaluations", "every epoch", 10, "fifth"),
    ("evaluations", "two an epoch", 20, "across epochs"),
    ("evaluations", "a guess", 45, "which of the steps"),
    ("stop_at", "one too late", lambda x, p: stop_at(x, p, late=1), "too late"),
    ("stop_at", "one too early", lambda x, p: stop_at(x, p, late=-1), "too early|never stop"),
    ("stop_at", "the loss before", lambda x, p: stop_at(x, p, last_only=True), "best loss so far"),
    ("stop_at", "rises in a row", by_rises, "best loss so far"),
    ("stop_at", "no end", lambda x, p: stop_at(x, p, at_the_end=-1), "last position"),
    ("stop_at", "an equal loss is better", lambda x, p: stop_at(x, p, ties=True), "no improvement"),
    ("stop_at", "never begins anew", never_anew, "begins the count anew"),
    ("stop_at", "the loss", lambda x, p: x[stop_at(x, p)], "return its position"),
    ("stop_at", "counted from 1", lambda x, p: stop_at(x, p) + 1, "from 0"),
    ("stop_at", "the best position", lambda x, p: x.index(min(x)), "where the best loss stood"),
]

test_answers, test_tables = exercise_tests("pretraining_162m", RIGHT, WRONG)


def by_slices(losses, patience):
    for i in range(patience, len(losses)):
        if min(losses[i - patience + 1 : i + 1]) >= min(losses[: i - patience + 1]):
            return i
    return len(losses) - 1


def by_waiting(losses, patience):
    best, waited, i = float("inf"), 0, 0
    while i < len(losses):
        if losses[i] < best:
            best, waited = losses[i], 0
        else:
            waited += 1
        if waited == patience:
            break
        i += 1
    return min(i, len(losses) - 1)


def by_numpy(losses, patience):
    ages = [i - int(np.argmin(losses[: i + 1])) for i in range(len(losses))]
    old = np.flatnonzero(np.array(ages) >= patience)
    return old[0] if len(old) else np.int64(len(losses) - 1)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("training_memory", 23),
        ("training_memory", 23.2),
        ("training_memory", XL * 16 / 1024**3),
        ("evaluations", len(range(0, 90, 5))),
        ("stop_at", by_slices),
        ("stop_at", by_waiting),
        ("stop_at", by_numpy),
    ],
)
def test_other_right_answers(name, answer):
    assert verdict(f"pretraining_162m/{name}", answer) == "right"
