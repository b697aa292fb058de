"""The map of the course: it says where one is, fits its card, and knows every notebook."""

import re
import xml.etree.ElementTree as ET

import pytest

from shared.kit.drawings import BLUE, BOXES, HEIGHT, INK, PALE, PLACES, WIDTH, alt_text, draw_map
from shared.kit.gpt2_vocabulary import get_tokenizer
from shared.kit.repository import notebook_paths, short_name

NAMES = sorted(PLACES)
SVG = "{http://www.w3.org/2000/svg}"
by_notebook = pytest.mark.parametrize("name", NAMES)


def shapes(name: str, kind: str) -> list[ET.Element]:
    return list(ET.fromstring(draw_map(name, NAMES)).iter(SVG + kind))


def filled(name: str, colour: str) -> set[str]:
    """The places of a map whose boxes have this colour."""
    corners = {(left, top): place for place, (left, top, _, _) in BOXES.items()}
    return {
        corners[int(rect.get("x")), int(rect.get("y"))]
        for rect in shapes(name, "rect")
        if rect.get("fill") == colour and rect.get("rx") == "6"
    }


def test_every_notebook_of_the_course_has_a_place():
    assert {short_name(path) for path in notebook_paths()} <= set(PLACES)
    assert {place for places in PLACES.values() for place in places} == set(BOXES)


def test_a_notebook_without_a_place_is_named():
    with pytest.raises(ValueError, match="02_attention/06_flash has no place on the map.*PLACES"):
        draw_map("02_attention/06_flash", NAMES)


@by_notebook
def test_the_places_of_the_notebook_are_highlighted_and_no_others(name):
    assert filled(name, BLUE) == set(PLACES[name])


def test_what_lies_behind_is_pale():
    assert filled("01_data/01_tokenization", PALE) == set()
    assert filled("02_attention/01_averaging_the_past", PALE) == {"text", "ids", "vectors"}
    assert "loss" not in filled("03_gpt/04_generating_text", PALE)
    behind = filled("05_instruction_finetuning/10_rewards", PALE)
    assert behind == set(BOXES) - {"answers"}


@by_notebook
def test_the_marker_points_at_the_place(name):
    left, top, width, height = BOXES[PLACES[name][0]]
    (tip,) = [path for path in shapes(name, "path") if path.get("fill") == INK]
    x, y = map(float, re.search(r"L([\d.]+) ([\d.]+)L", tip.get("d")).groups())
    assert x == left + width / 2 and min(abs(y - top), abs(y - top - height)) == 0


def said(name: str) -> str:
    """What the marker says."""
    (text,) = [text.text for text in shapes(name, "text") if text.text.startswith("you are here")]
    return text


def test_the_marker_counts_the_notebooks_of_a_place():
    assert said("02_attention/02_queries_keys_values") == "you are here, 2 of 5"
    assert said("04_pretraining/01_loss") == "you are here"
    alone = [name for name in NAMES if not name.endswith("05_inside_the_heads")]
    assert "attention, part 2 of 4." in alt_text("02_attention/02_queries_keys_values", alone)


@by_notebook
def test_nothing_of_the_map_lies_outside_of_the_card_or_in_another_box(name):
    marker = [rect for rect in shapes(name, "rect") if rect.get("rx") == "8"]
    for rect in shapes(name, "rect"):
        x, y, width, height = (float(rect.get(a, 0)) for a in ("x", "y", "width", "height"))
        assert x >= 0 and y >= 0 and x + width <= WIDTH and y + height <= HEIGHT
        if rect.get("rx") == "6":
            for other in marker:
                start = float(other.get("x"))
                apart = start >= x + width or start + float(other.get("width")) <= x
                above = float(other.get("y")) + 16 <= y or float(other.get("y")) >= y + height
                assert apart or above, "the marker hides a box"


@by_notebook
def test_the_map_is_told_in_words(name):
    root = ET.fromstring(draw_map(name, NAMES))
    alt = alt_text(name, NAMES)
    assert root.get("role") == "img" and root.find(SVG + "desc").text == alt
    assert root.find(SVG + "title").text.endswith(" and ".join(PLACES[name]))
    assert f"You are here: {' and '.join(PLACES[name])}" in alt and len(alt.split()) <= 30
    assert "]" not in alt, "it would end the picture's text in Markdown"


def test_the_numbers_of_the_map_are_those_of_gpt2():
    texts = [text.text for text in shapes("01_data/01_tokenization", "text")]
    ids = " ".join(map(str, get_tokenizer().encode("the bell rang")))
    assert "the bell rang" in texts and ids in texts
