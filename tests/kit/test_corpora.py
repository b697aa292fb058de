"""Texts and records: the course's own are there, others are named or explained."""

import hashlib

import pytest

from shared.kit import corpora
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


def test_the_records_of_the_course():
    records = load_instruction_data()
    assert len(records) == 1100
    assert all(list(record) == ["instruction", "input", "output"] for record in records)


# ---- the lectures' files


@pytest.fixture
def verdict(tmp_path, monkeypatch):
    """A short text in the place of The Verdict: its address and hash, no folder, no download."""
    content = b"I had always thought"
    found = ("https://nowhere/verdict", hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(corpora.LECTURE_FILES, "the-verdict.txt", found)
    monkeypatch.delenv("LLM_COURSE_DATA", raising=False)
    monkeypatch.setattr(corpora, "download", lambda *given: pytest.fail(f"{given} was asked for"))
    return content


def test_a_lectures_file_is_read_from_its_folder(verdict, tmp_path, monkeypatch):
    (tmp_path / "the-verdict.txt").write_bytes(verdict)
    monkeypatch.setenv("LLM_COURSE_DATA", str(tmp_path))
    assert load_corpus("the-verdict") == "I had always thought"


@pytest.mark.parametrize("named", [True, False], ids=["a folder without it", "no folder"])
def test_what_no_folder_holds_is_downloaded(verdict, tmp_path, monkeypatch, named):
    (tmp_path / "cached").write_bytes(verdict)
    asked = []

    def download(*given: str) -> object:
        asked.append(given)
        return tmp_path / "cached"

    if named:
        monkeypatch.setenv("LLM_COURSE_DATA", str(tmp_path))
    monkeypatch.setattr(corpora, "download", download)
    assert load_corpus("the-verdict") == "I had always thought"
    assert asked == [(*corpora.LECTURE_FILES["the-verdict.txt"], "the-verdict.txt")]


def test_another_file_of_that_name_is_refused(verdict, tmp_path, monkeypatch):
    (tmp_path / "the-verdict.txt").write_bytes(verdict + b"!")
    monkeypatch.setenv("LLM_COURSE_DATA", str(tmp_path))
    with pytest.raises(
        ValueError, match="is not the lectures' file: its SHA-256 is .*https://nowhere"
    ):
        load_corpus("the-verdict")
