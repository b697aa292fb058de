"""The schedule that is drawn is the schedule."""

import pytest

from shared.labs.checkpoints import draw_schedule
from shared.schedules import learning_rate_at


@pytest.mark.parametrize(
    "total, warmup, peak, percent",
    [(200, 0, 1e-4, 0), (200, 190, 1e-2, 100), (2000, 0, 1e-2, 0), (2000, 190, 1e-4, 10)],
)
def test_the_schedule_drawn_is_the_schedule(total, warmup, peak, percent):
    figure = draw_schedule(total, warmup, peak, percent)
    x, y = figure.axes[0].lines[0].get_data()
    assert list(x) == list(range(total))
    assert list(y) == [
        learning_rate_at(step, total, warmup, peak, peak * percent / 100) for step in range(total)
    ]
    assert figure.axes[0].get_xlabel() == "step" and figure.axes[0].get_ylabel() == "learning rate"
