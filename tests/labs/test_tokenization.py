"""The vocabulary lab: its numbers are those of the real code, and no typed text breaks it."""

import re

import matplotlib.pyplot as plt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kit.corpora import load_corpus
from shared.kit.widgets import png_bytes
from shared.labs.tokenization import in_units, readable, vocabulary_lab
from shared.tokenizer import check_text

typed = st.text(st.characters(), min_size=1, max_size=60).filter(lambda t: t.strip())
few = settings(deadline=None, max_examples=25, derandomize=True)


def numbers_below(page: str) -> list[str]:
    return re.findall(r"<small[^>]*>(.*?)</small>", page)


@pytest.mark.parametrize("share", [1, 37, 90, 100])
def test_unknown_words_are_those_that_were_not_read(share):
    words = in_units(load_corpus(), "words")
    known = set(words[: max(1, len(words) * share // 100)])
    page, figure = vocabulary_lab("The captain dropped his telephone.", "words", share)
    unknown = [w for w in ["The", "captain", "dropped", "his", "telephone", "."] if w not in known]
    assert numbers_below(page).count("unknown") == len(unknown) >= 1
    assert f"vocabulary: {len(known):,}" in page and f"unknown: {len(unknown)}" in page
    read, met = figure.axes[0].lines[1].get_data()
    assert int(met[0]) == len(known) and int(read[0]) == max(1, len(words) * share // 100) - 1


@few
@given(typed)
def test_no_byte_is_unknown(text):
    page, _ = vocabulary_lab(text, "bytes", 1)
    assert "unknown: 0" in page and len(numbers_below(page)) == len(check_text(text).encode())
    plt.close("all")


def test_characters_fail_on_what_the_story_lacks():
    assert "unknown: 1" in vocabulary_lab("sea 🐋", "characters", 100)[0]


def test_the_lab_draws_a_picture():
    _, figure = vocabulary_lab("The sea, 1903.", unit="words", share=90)
    assert len(png_bytes(figure)) > 5_000


@pytest.mark.parametrize(
    "text, hint", [("", "empty"), ("  \n", "empty"), ("ab " * 101, "303 characters")]
)
def test_unusable_text_is_explained(text, hint):
    with pytest.raises(ValueError, match=hint):
        vocabulary_lab(text, unit="words", share=90)


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "a\x00b", "\ud800 x", "👩‍👩‍👧", "<|endoftext|>", "&a;"]
)
def test_strange_text_is_drawn(text):
    page, figure = vocabulary_lab(text, unit="words", share=90)
    assert "<script" not in page and "\x00" not in page and not re.search("[\ud800-\udfff]", page)
    assert png_bytes(figure)


def test_readable():
    assert readable(b" sea") == " sea" and readable("é".encode()) == "é"
    assert readable(b"\xf0\x9f") == "f0 9f" and readable(b"\x00") == "00"
