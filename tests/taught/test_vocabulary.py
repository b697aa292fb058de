"""Files of a vocabulary: what is damaged, missing or impossible is refused by its name."""

import json
import os

import pytest

from shared.kit.gpt2_vocabulary import gpt2_files
from shared.tokenizer import BPETokenizer
from shared.vocabulary import (
    GPT2_FORM,
    VocabularyForm,
    build_token_bytes,
    number_tokens,
    read_gpt2_files,
    read_vocabulary,
    visible_bytes,
    write_vocabulary,
)

END = "<|endoftext|>"


def damaged(change):
    saved = {
        "byte_order": list(range(256)),
        "merges": [[97, 98], [256, 99]],
        "special_tokens": [END],
    }
    return json.dumps(change(saved) or saved).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not JSON",
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        b"3",
        damaged(lambda s: s.pop("merges") and None),
        damaged(lambda s: s["merges"].append([900, 97])),
        damaged(lambda s: s["merges"].append([-1, 97])),
        damaged(lambda s: s["merges"].append([97, 98])),
        damaged(lambda s: s["merges"].append([97])),
        damaged(lambda s: s["merges"].append(["a", "b"])),
        damaged(lambda s: s["byte_order"].pop() and None),
        damaged(lambda s: s["byte_order"].append(0)),
        damaged(lambda s: s.update(special_tokens=["", "x"])),
        damaged(lambda s: s.update(special_tokens=[END, END])),
        damaged(lambda s: s.update(special_tokens=[3])),
        damaged(lambda s: s.update(special_tokens=None)),
        damaged(lambda s: s)[:-40],
        damaged(lambda s: s.update(form={"missing_bytes": 1})),
        damaged(lambda s: s.update(form={"pattern": "("})),
        damaged(lambda s: s.update(form={"colour": "blue"})),
    ],
    ids=range(22),
)
def test_damaged_vocabulary(tmp_path, content):
    path = tmp_path / "vocabulary.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"vocabulary\.json is not a vocabulary"):
        BPETokenizer.load(path)


def test_missing_vocabulary_names_the_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing-here"):
        BPETokenizer.load(tmp_path / "nothing-here.json")


def test_gpt2_files_that_do_not_fit(tmp_path):
    vocab_bpe, encoder_json = gpt2_files()
    lines = vocab_bpe.read_text(encoding="utf-8").split("\n")
    swapped = tmp_path / "vocab.bpe"
    swapped.write_text("\n".join([lines[0], lines[2], lines[1], *lines[3:]]), encoding="utf-8")
    with pytest.raises(ValueError, match="does not number the merges"):
        BPETokenizer.from_gpt2_files(swapped, encoder_json)
    with pytest.raises(ValueError, match="are not GPT-2's files"):
        BPETokenizer.from_gpt2_files(encoder_json, vocab_bpe)
    short = tmp_path / "encoder.json"
    short.write_text(encoder_json.read_text(encoding="utf-8")[:5000], encoding="utf-8")
    with pytest.raises(ValueError, match="are not GPT-2's files"):
        BPETokenizer.from_gpt2_files(vocab_bpe, short)


def test_merges_that_are_cut_short_are_refused_and_the_last_newline_may_be_missing(tmp_path):
    vocab_bpe, encoder_json = gpt2_files()
    text = vocab_bpe.read_text(encoding="utf-8")
    path = tmp_path / "vocab.bpe"
    path.write_text(text.rstrip("\n"), encoding="utf-8")
    assert read_gpt2_files(path, encoder_json) == read_gpt2_files(vocab_bpe, encoder_json)
    for kept in (2, 40_000, 50_000):  # lines, the first of them the version
        path.write_text("\n".join(text.split("\n")[:kept]) + "\n", encoding="utf-8")
        with pytest.raises(ValueError, match=f"holds {kept - 1} merges for the 50257 tokens"):
            read_gpt2_files(path, encoder_json)


def test_half_a_character_or_a_full_disk_leaves_the_old_vocabulary(tmp_path, monkeypatch):
    path = tmp_path / "vocabulary.json"
    write_vocabulary(path, range(256), [(97, 98)], [END])
    before = path.read_bytes()
    with pytest.raises(ValueError, match="vocabulary.json was not written.*half of a character"):
        write_vocabulary(path, range(256), [], ["\ud800"])

    def no_space(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="vocabulary.json could not be written"):
        write_vocabulary(path, range(256), [], [END])
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "merges, hint",
    [
        ([(0, 256)], "only 256 tokens exist"),
        ([(-1, 0)], "joins the ids -1"),
        ([(1, 2), (1, 2)], "twice"),
    ],
)
def test_impossible_merges(merges, hint):
    with pytest.raises(ValueError, match=hint):
        build_token_bytes(range(256), merges, [])


# ---- vocabularies of another form


def test_a_byte_may_be_missing_only_if_the_form_says_so():
    assert build_token_bytes(range(255), [], [], missing_bytes=1)[-1] == b"\xfe"
    for order, missing in ((range(255), 0), (range(256), 1), ([*range(255), 0], 0), ([300], 255)):
        with pytest.raises(ValueError, match=f"must hold {256 - missing} of the 256 bytes"):
            build_token_bytes(order, [], [], missing_bytes=missing)


def test_special_tokens_may_come_first():
    parts = ([97, 98], [(2, 3), (4, 2)], ["<a>", "<b>"], True)
    tokens = build_token_bytes(*parts, missing_bytes=254)
    assert tokens == [b"<a>", b"<b>", b"a", b"b", b"ab", b"aba"]
    byte_ids, merges, special = number_tokens(*parts)
    assert byte_ids == {97: 2, 98: 3} and special == {"<a>": 0, "<b>": 1}
    assert merges == {(2, 3): 4, (4, 2): 5}
    last = number_tokens([97, 98], [(0, 1)], ["<a>"], False)
    assert last == [{97: 0, 98: 1}, {(0, 1): 2}, {"<a>": 3}]


@pytest.mark.parametrize("pair", [(0, 2), (1, 3), (2, 4)])
def test_no_merge_joins_a_special_token_or_one_that_is_not_there_yet(pair):
    with pytest.raises(ValueError, match="merge 0 joins the ids"):
        build_token_bytes([97, 98], [pair], ["<a>", "<b>"], True, 254)


def test_the_form_is_kept_in_the_file(tmp_path):
    form = VocabularyForm(True, r"\p{N}|\p{L}+|.", "<b>", 254)
    parts = ([97, 98], [(2, 3)], ["<a>", "<b>"], form)
    write_vocabulary(tmp_path / "vocabulary.json", *parts)
    assert read_vocabulary(tmp_path / "vocabulary.json") == parts
    saved = json.loads((tmp_path / "vocabulary.json").read_text())
    del saved["byte_order"][0]
    (tmp_path / "vocabulary.json").write_text(json.dumps(saved))
    with pytest.raises(ValueError, match="must hold 2 of the 256 bytes"):
        read_vocabulary(tmp_path / "vocabulary.json")


def test_a_file_without_a_form_has_gpt2s(tmp_path):
    (tmp_path / "vocabulary.json").write_bytes(damaged(lambda s: s))
    assert read_vocabulary(tmp_path / "vocabulary.json")[3] == GPT2_FORM


def test_every_byte_is_one_visible_character():
    byte_of = visible_bytes()
    assert sorted(byte_of.values()) == list(range(256))
    assert all(len(character) == 1 and not character.isspace() for character in byte_of)
    assert byte_of["a"] == ord("a") and byte_of["Ġ"] == ord(" ") and byte_of["Ċ"] == ord("\n")
