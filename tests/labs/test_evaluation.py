"""Intervals as the lab shows them."""

from matplotlib.figure import Figure

from shared.labs.evaluation import calibration_figure, interval_figure, interval_lab


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def test_the_interval_lab_shows_both_intervals_and_never_fails_at_the_ends():
    shown = texts(interval_lab(percent=100, answers=20, confidence=95))
    assert shown == ["83.9 to 100.0", "100.0 to 100.0"]
    for percent in (0, 50, 100):
        for answers in (1, 1000):
            assert isinstance(interval_lab(percent, answers, 99), Figure)


def test_families_are_sorted_and_counted():
    ax = interval_figure({"weak": (0, 8), "strong": (8, 8)}).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["weak (8)", "strong (8)"]


def test_calibrated_judges_are_bars_of_their_shares():
    counts = {"right": 3, "wrong": 0, "first": 1, "second": 0, "tie": 0, "none": 0}
    silent = dict.fromkeys(counts, 0) | {"none": 2}
    nobody = dict.fromkeys(counts, 0)
    ax = calibration_figure({"one": counts, "silent": silent, "unasked": nobody}).axes[0]
    shown = [label.get_text() for label in ax.get_yticklabels()]
    assert shown == ["unasked (0)", "silent (2)", "one (4)"]
    widths = [bar.get_width() for bar in ax.patches if bar.get_y() > 1.5]
    assert widths == [0.75, 0, 0.25, 0, 0, 0]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(counts)
