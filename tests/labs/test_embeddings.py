"""The labs: who is near whom; without positions all orders are one bag, with them they differ."""

import math
from functools import partial

import pytest
import torch

from shared.kit.widgets import Lab, choice, png_bytes, slider, textbox
from shared.labs.embeddings import (
    ORDERS,
    cosines_of,
    nearest_rows,
    neighbour_lab,
    position_lab,
    position_vectors,
    same_vectors,
    way_to_a_pair,
    word_vector,
)


@pytest.mark.parametrize("order", ORDERS)
def test_without_positions_every_order_is_the_same_bag(order):
    assert (
        "the two bags are the same"
        in position_lab("the dog bit the man", order, 0.0, "random table")[0]
    )


@pytest.mark.parametrize("kind", ["random table", "waves"])
@pytest.mark.parametrize("scale", [0.1, 2.0])
def test_with_positions_the_order_shows(kind, scale):
    page, _ = position_lab("a b c", "reversed", scale, kind)
    assert "1 of 3 vectors" in page and "the bags differ" in page, "the middle word keeps its place"
    assert "5 of 5" in position_lab("the dog bit the man", "unchanged", scale, kind)[0]
    assert "3 of 3" in position_lab("sea sea sea", "reversed", scale, kind)[0]


def test_equal_words_have_equal_vectors_and_waves_follow_the_paper():
    assert torch.equal(word_vector("sea"), word_vector("sea")) and not torch.equal(
        word_vector("sea"), word_vector("a")
    )
    waves = position_vectors(5, "waves")
    for t in range(5):
        for i in range(3):
            angle = torch.tensor(t / 10_000 ** (2 * i / 6))
            assert torch.allclose(
                waves[t, 2 * i : 2 * i + 2], torch.stack([angle.sin(), angle.cos()]), atol=1e-6
            )


def test_same_vectors_counts_each_row_once():
    a = torch.tensor([[1.0, 2], [1, 2], [3, 4]])
    assert (
        same_vectors(a, a) == 3
        and same_vectors(a, a[[0, 2, 2]]) == 2
        and same_vectors(a, a + 1) == 0
    )


@pytest.mark.parametrize("text", ["one", "w " * 13])
def test_a_sentence_of_the_wrong_length(text):
    with pytest.raises(ValueError, match=rf"has {len(text.split())} words"):
        position_lab(text, "reversed", 1.0, "waves")


@pytest.mark.parametrize("text", ["$x$ $y$ a_b", "a\x00b c", "海 🐋 שלום"])
@pytest.mark.filterwarnings("ignore:Glyph")
def test_strange_sentences_are_drawn(text):
    assert png_bytes(position_lab(text, "reversed", 1.0, "waves")[1])


def test_the_lab_draws_a_picture():
    _, figure = position_lab("the dog bit the man", order="reversed", scale=0.5, kind="waves")
    assert len(png_bytes(figure)) > 5_000


@pytest.mark.parametrize(
    "text, hint", [("", "empty"), ("  \n", "empty"), ("ab " * 101, "303 characters")]
)
def test_unusable_text_is_explained(text, hint):
    with pytest.raises(ValueError, match=hint):
        position_lab(text, order="reversed", scale=0.5, kind="waves")


def test_moving_a_control_changes_the_picture():
    lab = Lab(
        position_lab,
        text=textbox("s", "a b c"),
        order=choice("o", list(ORDERS)),
        scale=slider("s", 0.5, 0.0, 2.0, 0.1),
        kind=choice("k", ["random table", "waves"]),
    )
    for name, value in {"order": "moved by one", "scale": 0.0, "text": "b c a"}.items():
        before = lab.parts[1].value
        lab.controls[name].value = value
        assert lab.parts[1].value != before, name


WORDS = ["he", "she", "went", "came", "sea"]
ANGLES = torch.tensor([0.0, 10, 90, 115, 30]) * math.pi / 180  # he-she and went-came are pairs
LENGTHS = torch.tensor([1.0, 5, 0.1, 3, 2])
TABLE = torch.stack([ANGLES.cos(), ANGLES.sin()], dim=1) * LENGTHS[:, None]  # (V, D)


def test_cosines_are_those_of_the_angles():
    expected = (ANGLES - ANGLES[4]).cos()
    expected[4] = -2
    assert torch.allclose(cosines_of(TABLE, 4), expected, atol=1e-6)


@pytest.mark.parametrize("word, pair", [("he", "she"), ("came", "went")])
def test_the_lab_says_when_a_pair_is_found(word, pair):
    page = neighbour_lab(WORDS, TABLE, word)
    assert f"<b>A pair:</b> {word} and {pair} are" in page and "No pair" not in page


def test_no_pair_and_the_way_to_one():
    page = neighbour_lab(WORDS, TABLE, "sea")
    assert "No pair yet: the nearest of she is he, not sea." in page
    assert "steps 2: sea &rarr; she &rarr; he" in page and "<b>A pair" not in page
    assert "The longest way" in page and "The longest way" not in neighbour_lab(WORDS, TABLE, "he")


def test_the_learned_list_is_in_order_with_its_cosines():
    page = neighbour_lab(WORDS, TABLE, "he")
    learned = [f"{w} ({math.cos(math.radians(a)):.2f})" for w, a in (("she", 10), ("sea", 30))]
    assert page.index(learned[0]) < page.index(learned[1])
    assert page.count("went (") == 2, "once in the random table, once in the learned one"


def test_every_way_ends_in_a_pair():
    vectors = torch.randn(60, 4, generator=torch.Generator().manual_seed(1))
    nearest = nearest_rows(vectors)
    for row in range(60):
        way = way_to_a_pair(nearest, row)
        assert way[0] == row and len(set(way)) == len(way)
        assert int(cosines_of(vectors, way[-1]).argmax()) == way[-2]


def test_choosing_another_word_changes_the_lists():
    lab = Lab(partial(neighbour_lab, WORDS, TABLE), word=choice("word", WORDS))
    before = lab.parts[0].value
    lab.controls["word"].value = "sea"
    assert lab.parts[0].value != before
