"""Texts and records: the course's own are there, others are named or explained."""

import pytest

from shared.kit.corpora import load_corpus, load_instruction_data
from shared.kit.gpt2_vocabulary import get_tokenizer


def test_the_story():
    text = load_corpus()
    assert len(text) == 20_524 and len(get_tokenizer().encode(text)) == 5_204
    assert "\r" not in text


def test_a_corpus_that_is_not_there():
    with pytest.raises(ValueError, match="'war-and-peace'.*'story' and 'the-verdict'"):
        load_corpus("war-and-peace")


def test_unknown_data_is_named():
    with pytest.raises(ValueError, match="'alpaca'.*'course' and 'lectures'"):
        load_instruction_data("alpaca")
