"""The memorisation meter against a slow definition, and at its edges."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.memorization import copied_run_lengths, copied_share, longest_copied_run

ids = st.lists(st.integers(0, 3), max_size=14)  # few tokens, so that runs happen
few = settings(deadline=None, max_examples=150, derandomize=True)


def stands_in(run, text):
    return any(text[j : j + len(run)] == run for j in range(len(text) - len(run) + 1))


def slow_lengths(sample, training):
    return [
        max(n for n in range(len(sample) - i + 1) if stands_in(sample[i : i + n], training))
        for i in range(len(sample))
    ]


@few
@given(ids, ids)
def test_lengths_equal_the_slow_definition(sample, training):
    lengths = slow_lengths(sample, training)
    assert copied_run_lengths(sample, training).tolist() == lengths
    assert longest_copied_run(sample, training) == max(lengths, default=0)


@few
@given(ids.filter(bool), ids, st.integers(1, 5))
def test_share_equals_the_slow_definition(sample, training, min_run):
    runs = [range(i, i + n) for i, n in enumerate(slow_lengths(sample, training)) if n >= min_run]
    inside = sum(any(i in run for run in runs) for i in range(len(sample)))
    assert copied_share(sample, training, min_run) == pytest.approx(inside / len(sample))


def test_a_passage_is_copied_whole_and_a_strange_text_not_at_all():
    training = list(range(100))
    assert (
        longest_copied_run(training[20:70], training) == 50
        and copied_share(training[20:70], training) == 1.0
    )
    assert (
        longest_copied_run([200, 201], training) == 0 and copied_share([200, 201], training) == 0.0
    )
    # 7 tokens are too short a run to count, 8 are not; the run of 8 is 8 of 10 tokens
    assert copied_share([*training[:7], 200, 201, 202], training) == 0.0
    assert copied_share([*training[:8], 200, 201], training) == pytest.approx(0.8)


def test_tensors_of_any_shape_are_rows_of_tokens():
    sample, training = torch.tensor([[1, 2, 3]]), torch.tensor([5, 1, 2, 3])
    assert longest_copied_run(sample, training) == 3 and copied_share(sample, training, 3) == 1.0


def test_nothing_to_measure():
    assert longest_copied_run([], [1, 2]) == 0 == longest_copied_run([1, 2], [])
    with pytest.raises(ValueError, match="no tokens"):
        copied_share([], [1, 2])
    with pytest.raises(ValueError, match="min_run=0"):
        copied_share([1], [1], min_run=0)
