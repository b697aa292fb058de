"""The lab turns by the taught functions, and draws every setting."""

import re

import pytest
import torch

from shared.labs.modern_blocks import (
    HEAD_DIM,
    KEY,
    LAST,
    QUERY,
    distance_scores,
    draw_groups,
    draw_turns,
    draw_two_places,
    vector,
)
from shared.llama import rotary_angles, rotate


def titles(*settings):
    return [ax.get_title() for ax in draw_turns(*settings).axes]


@pytest.mark.parametrize("base", [10.0, 10_000.0])
def test_the_curve_is_the_score_of_a_turned_query_and_a_turned_key(base):
    angles = rotary_angles(LAST + 1, HEAD_DIM, base)
    q = rotate(vector(QUERY).expand(1, 1, LAST + 1, -1), angles)[0, 0]  # (C, K)
    k = rotate(vector(KEY).expand(1, 1, LAST + 1, -1), angles)[0, 0]  # (C, K)
    scores = q @ k.T  # (C, C)
    for distance, score in enumerate(distance_scores(base).sum(dim=-1)):
        assert torch.allclose(scores.diagonal(-distance), score, atol=1e-4)


def test_equal_distances_have_equal_scores_and_others_have_others():
    assert titles(12, 5, 100.0, 2)[1] == titles(47, 40, 100.0, 2)[1]
    assert titles(12, 5, 100.0, 2)[1] != titles(13, 5, 100.0, 2)[1]
    angle, part = re.match(r"pair 2: (.+) degrees.*\n.*: (.+)", titles(5, 5, 100.0, 2)[0]).groups()
    assert int(angle) == QUERY[1] - KEY[1] == -30 and part == "0.87"


def test_a_key_after_its_query_has_no_score():
    assert titles(5, 12, 100.0, 2)[1] == "the key comes after the query: the mask hides it"


@pytest.mark.parametrize("base", [10.0, 100.0, 10_000.0, 100_000.0])
@pytest.mark.parametrize("pair", [1, 2, 3, 4])
@pytest.mark.parametrize("query_at, key_at", [(0, 0), (60, 0), (0, 60), (60, 60)])
def test_every_setting_draws(base, pair, query_at, key_at):
    assert len(draw_turns(query_at, key_at, base, pair).axes) == 2


def test_the_picture_of_places_tells_the_score_of_each():
    figure = draw_two_places(0.0, 0.9, 0.5, ((2, 0), (5, 3), (5, 0)))
    scores = [ax.get_title().split()[-1] for ax in figure.axes]
    assert scores[0] == scores[1] != scores[2]


def test_query_heads_are_joined_to_the_head_of_their_group():
    figure = draw_groups(4, (4, 2, 1))
    for ax, reads in zip(figure.axes, ([0, 1, 2, 3], [0.5, 0.5, 2.5, 2.5], [1.5] * 4)):
        lines = [line.get_xdata() for line in ax.lines if len(line.get_xdata()) == 2]
        assert [list(line) for line in lines] == [[head, to] for head, to in enumerate(reads)]
