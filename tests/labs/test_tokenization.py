"""The vocabulary lab: its numbers are those of the real code, and no typed text breaks it."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kit.corpora import load_corpus
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
    page = vocabulary_lab("The captain dropped his telephone.", "words", share)
    unknown = [w for w in ["The", "captain", "dropped", "his", "telephone", "."] if w not in known]
    assert numbers_below(page).count("unknown") == len(unknown) >= 1
    assert f"vocabulary: {len(known):,}" in page and f"unknown: {len(unknown)}" in page


@few
@given(typed)
def test_no_byte_is_unknown(text):
    page = vocabulary_lab(text, "bytes", 1)
    assert "unknown: 0" in page and len(numbers_below(page)) == len(check_text(text).encode())


def test_characters_fail_on_what_the_story_lacks():
    assert "unknown: 1" in vocabulary_lab("sea 🐋", "characters", 100)


@pytest.mark.parametrize(
    "text, unit, share, said",
    [
        ("I was the man for eleven years.", "words", 10, "Found:</b> 7 different words"),
        ("I was the man for eleven years.", "words", 11, "at most 10 %"),
        ("I was the man for eleven years.", "characters", 10, "words, and at most"),
        ("I was I was the man.", "words", 10, "4 different words of 5"),
        ("the the the the the ! ? .", "words", 10, "1 different words of 5"),
        ("I was the man for eleven telephones.", "words", 10, "7 different words, but 1 unknown"),
    ],
)
def test_the_lab_says_when_the_task_is_done(text, unit, share, said):
    page = vocabulary_lab(text, unit, share)
    assert said in page and ("Found" in page) == ("Found" in said)


def test_the_lab_reads_the_text_that_the_notebook_reads(tmp_path):
    (tmp_path / "own.txt").write_text("zebra stripes " * 1000, encoding="utf-8")
    page = vocabulary_lab("zebra sea", "words", 100, corpus=str(tmp_path / "own.txt"))
    assert "vocabulary: 2 " in page and numbers_below(page) == ["1", "unknown"]


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
    page = vocabulary_lab(text, unit="words", share=90)
    assert "<script" not in page and "\x00" not in page and not re.search("[\ud800-\udfff]", page)


def test_readable():
    assert readable(b" sea") == " sea" and readable("é".encode()) == "é"
    assert readable(b"\xf0\x9f") == "f0 9f" and readable(b"\x00") == "00"
