"""The lab on batch widths: every record once, and bucketing saves padding."""

import pytest

from shared.labs.dataloaders import batch_order, batch_widths_view, training_lengths


@pytest.mark.parametrize("bucketed", [False, True])
def test_batches_hold_every_record_once(bucketed):
    batches = batch_order(8, bucketed, seed=3)
    assert sorted(i for batch in batches for i in batch) == list(range(len(training_lengths())))
    assert batches != batch_order(8, bucketed, seed=4)


def padding_in_title(figure):
    return float(figure.axes[0].get_title().split("%")[0])


def test_bucketing_saves_padding_and_larger_batches_waste_more():
    plain, large = (
        padding_in_title(batch_widths_view(8, False, 1)),
        padding_in_title(batch_widths_view(64, False, 1)),
    )
    assert padding_in_title(batch_widths_view(8, True, 1)) < 1 < 5 < plain < large
    assert padding_in_title(batch_widths_view(1, False, 1)) == 0
