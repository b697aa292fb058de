"""Files of a vocabulary: what is damaged, missing or impossible is refused by its name."""

import json

import pytest

from shared.kit.gpt2_vocabulary import gpt2_files
from shared.tokenizer import BPETokenizer
from shared.vocabulary import build_token_bytes

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
    ],
    ids=range(19),
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
