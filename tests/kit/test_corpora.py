"""Texts and records: the course's own are there, others are named or explained."""

import hashlib

import pytest

from shared.kit import corpora
from shared.kit.corpora import load_corpus, load_instruction_data
from shared.kit.gpt2_vocabulary import get_tokenizer
from shared.tokenizer import BPETokenizer


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


# ---- a reader's own text


def test_an_own_text_is_named_by_its_path_or_by_the_variable(tmp_path, monkeypatch):
    path = tmp_path / "own.txt"
    path.write_bytes(b"\xef\xbb\xbf" + b"To be, or not to be.\r\n" * 500)
    text = load_corpus(str(path))
    assert text.startswith("To be") and "\r" not in text
    monkeypatch.delenv("LLM_COURSE_TEXT", raising=False)
    assert corpora.default_corpus() == "story"
    monkeypatch.setenv("LLM_COURSE_TEXT", str(path))
    assert load_corpus(corpora.default_corpus()) == text


def test_a_path_is_seen_from_the_top_of_the_course_too(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert load_corpus("shared/data/story.txt") == load_corpus("story")


@pytest.mark.parametrize(
    "content, said",
    [
        (b"", "0 characters.*10,000 or more"),
        (b"short", "5 characters"),
        ("Grüße ".encode("latin-1") * 2000, r"no UTF-8 text \(byte 2 is 0xfc\)"),
    ],
    ids=["empty", "short", "latin-1"],
)
def test_a_text_that_cannot_be_used_is_refused(tmp_path, content, said):
    path = tmp_path / "own.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said):
        load_corpus(str(path))


def test_a_claim_is_asserted_of_the_story_and_told_of_another_text(capsys):
    corpora.claim("story", "it is short", True)
    with pytest.raises(AssertionError, match="it is short"):
        corpora.claim("story", "it is short", False)
    corpora.claim("own.txt", "it is short", True)
    assert capsys.readouterr().out == ""
    corpora.claim("own.txt", "it is short", False)
    assert "Of the story it is true that it is short." in capsys.readouterr().out


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


def test_the_vocabulary_fits_a_text_of_few_words():
    few = "ab ab, ab. cde cde! 12 it's" * 20  # ab, cde, it
    assert corpora.fitting_vocab_size(few, 1024) == 257 + 4  # and "sab", where the copies meet
    assert corpora.fitting_vocab_size(load_corpus(), 1024) == 1024
    for text in (few, "Ähre für Ähre"):
        size = corpora.fitting_vocab_size(text, 1024)
        assert BPETokenizer.train(text, size).n_vocab == size


# ---- a reader's own records


def test_own_records_are_named_by_the_variable_and_seen_from_the_top_too(tmp_path, monkeypatch):
    monkeypatch.delenv("LLM_COURSE_RECORDS", raising=False)
    assert corpora.default_records() == "course"
    monkeypatch.setenv("LLM_COURSE_RECORDS", "own.jsonl")
    assert corpora.default_records() == "own.jsonl"
    monkeypatch.chdir(tmp_path)
    inside = "shared/data/instruction-data.json"
    assert corpora.own_records_file(inside) == corpora.ROOT / inside
    (tmp_path / "own.jsonl").write_text("{}")
    assert corpora.own_records_file("own.jsonl").is_file()
    with pytest.raises(ValueError, match="'other.jsonl', seen from .*'course' and 'lectures'"):
        corpora.own_records_file("other.jsonl")


def test_a_claim_on_records_is_asserted_of_the_course_s_and_told_of_others(capsys):
    corpora.claim_of_course("course", "there are many", True)
    with pytest.raises(AssertionError, match="there are many"):
        corpora.claim_of_course("course", "there are many", False)
    corpora.claim_of_course("own.jsonl", "there are many", True)
    assert capsys.readouterr().out == ""
    corpora.claim_of_course("own.jsonl", "there are many", False)
    assert "Of the course's it is true that there are many." in capsys.readouterr().out
