"""The labs: `rang` can be found, and is not at the start; scaling keeps the softmax soft."""

import matplotlib.pyplot as plt
import pytest
import torch

from shared.labs.queries_keys_values import (
    ENOUGH,
    RANG,
    TWICE,
    WIDTHS,
    X,
    find_rang_lab,
    mean_largest_weights,
    random_scores,
    saturation_lab,
    turn_and_stretch,
    word_weights,
)

START = (-90.0, 1.0, 0.0, 1.0, 0.0, 1.0)
FIRST_TASK = (0.0, 2.0, 0.0, 2.0, 0.0, 1.0)
BOTH_TASKS = (60.0, 3.0, 0.0, 3.0, 0.0, 1.0)


def parts(*setting):
    figure = find_rang_lab(*setting)
    plt.close(figure)
    return figure, "\n".join(text.get_text() for text in figure.texts)


def drawn_weights(figure):
    return torch.tensor([float(text.get_text()) for text in figure.axes[1].texts]).view(4, 4)


def test_a_turn_turns_to_the_left():
    torch.testing.assert_close(X @ turn_and_stretch(90, 2), 2 * torch.stack([-X[:, 1], X[:, 0]], 1))


def test_the_start_solves_nothing_and_is_near_the_page():
    figure, text = parts(*START)
    assert "FOUND" not in text and text.count("not yet") == 2
    assert "1. 'twice' gives 'rang' 0.14, and most to 'bell', 0.58: not yet" in text
    assert drawn_weights(figure)[2].tolist() == pytest.approx([0.05, 0.85, 0.05, 0.05])


def test_both_tasks_can_be_solved_and_the_second_is_harder():
    figure, text = parts(*FIRST_TASK)
    assert text.count("FOUND") == 1 and text.count("not yet") == 1 and "Both" not in text
    assert drawn_weights(figure)[TWICE, RANG] > ENOUGH
    figure, text = parts(*BOTH_TASKS)
    assert text.count("FOUND") == 2 and "Both at once" in text
    assert (drawn_weights(figure)[[1, TWICE], RANG] > ENOUGH).all()


def test_the_right_turn_alone_is_not_enough():
    _, text = parts(0.0, 1.0, 0.0, 1.0, 0.0, 1.0)
    assert "its largest weight, but not above 0.9" in text


def test_weights_depend_on_the_product_of_the_matrices_alone():
    together = word_weights(turn_and_stretch(60 + 35, 1), turn_and_stretch(35, 9))
    torch.testing.assert_close(
        together, word_weights(turn_and_stretch(60, 3), turn_and_stretch(0, 3))
    )
    other = word_weights(turn_and_stretch(60 + 35, 3), turn_and_stretch(0, 3))
    assert not torch.allclose(together, other)


def test_values_move_the_mixture_and_no_weight():
    one, _ = parts(*FIRST_TASK)
    two, _ = parts(*FIRST_TASK[:4], 90.0, 2.0)
    assert torch.equal(drawn_weights(one), drawn_weights(two))
    mixtures = [figure.axes[2].lines[2].get_xydata()[0] for figure in (one, two)]
    first, second = mixtures
    assert second == pytest.approx([-2 * first[1], 2 * first[0]], abs=1e-5)
    matrices = turn_and_stretch(*FIRST_TASK[:2]), turn_and_stretch(*FIRST_TASK[2:4])
    assert first == pytest.approx((word_weights(*matrices)[TWICE] @ X).tolist(), abs=1e-5)
    after = one.axes[2].lines[4].get_xydata()[0]
    assert after == pytest.approx((X[TWICE].numpy() + first).tolist(), abs=1e-5)


@pytest.mark.parametrize("seed", range(0, 21, 4))
def test_the_mean_largest_weight_grows_with_the_width_unless_scaled(seed):
    loose = mean_largest_weights(random_scores(False, seed), WIDTHS)
    assert all(a < b for a, b in zip(loose, loose[1:]))
    assert loose[0] < 0.4 and loose[-1] > 0.93
    assert max(mean_largest_weights(random_scores(True, seed), WIDTHS)) < 0.4


@pytest.mark.parametrize("seed", range(0, 21, 4))
def test_nine_tenths_are_passed_where_the_page_says(seed):
    at_80, at_170 = mean_largest_weights(random_scores(False, seed), [80, 170])
    assert at_80 < ENOUGH < at_170


def test_saturation_lab_marks_its_width():
    for head_dim, scaled, side in (
        (16, False, "not above"),
        (512, False, "above"),
        (512, True, "not"),
    ):
        figure = saturation_lab(head_dim, scaled, 0)
        plt.close(figure)
        width, mean = figure.axes[1].lines[1].get_xydata()[0]
        (wanted,) = mean_largest_weights(random_scores(scaled, 0), [head_dim])
        assert (width, mean) == (head_dim, pytest.approx(wanted))
        assert f"K = {head_dim}: {mean:.3f}, {side}" in figure.axes[1].get_title()
        assert sum(bar.get_height() for bar in figure.axes[0].patches) == pytest.approx(1)
