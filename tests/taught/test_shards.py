"""Shards on the disk hold the ids of the list, in the windows of the list."""

import tracemalloc

import numpy as np
import pytest
import torch

from shared.dataloader import GPTDataset
from shared.kit.gpt2_vocabulary import END_OF_TEXT
from shared.shards import encode_files, open_token_shards, read_chunks, write_token_shards
from shared.tokenizer import BPETokenizer


def test_windows_of_shards_are_those_of_the_list(tmp_path):
    ids = list(range(100))
    paths = write_token_shards(iter(ids), tmp_path / "shards", 40)
    assert [len(np.load(path)) for path in paths] == [40, 40, 20]
    assert all(path.stat().st_size < 2 * 40 + 200 for path in paths)
    windows = open_token_shards(paths, 6)
    in_memory = [GPTDataset(ids[start : start + 40], 6, 6) for start in (0, 40, 80)]
    expected = [pair for dataset in in_memory for pair in (dataset[i] for i in range(len(dataset)))]
    assert len(windows) == len(expected)
    for (inputs, targets), (right_inputs, right_targets) in zip(
        (windows[i] for i in range(len(windows))), expected
    ):
        assert torch.equal(inputs, right_inputs) and torch.equal(targets, right_targets)
    assert isinstance(windows.datasets[0].token_ids, np.memmap)


@pytest.mark.parametrize(
    "ids, size, message",
    [([1, 70_000], 10, "70000 do not fit"), ([-1], 10, "-1 to -1"), ([1], 0, "tokens_a_shard=0")],
)
def test_bad_ids_are_refused(tmp_path, ids, size, message):
    with pytest.raises(ValueError, match=message):
        write_token_shards(ids, tmp_path, size)


def test_shards_are_not_overwritten(tmp_path):
    write_token_shards([1, 2], tmp_path)
    with pytest.raises(ValueError, match="no shards yet"):
        write_token_shards([3, 4], tmp_path)
    assert np.load(tmp_path / "shard_00000.npy").tolist() == [1, 2]
    with pytest.raises(ValueError, match="no shards were given"):
        open_token_shards([], 4)


TEXTS = (
    "It's a long way,\n\n  said the bell.\r\nÉcoute: 你好 \U0001f600 ",
    "",
    f"{END_OF_TEXT} is text",
)


@pytest.fixture
def documents(tmp_path):
    paths = [tmp_path / f"{number}.txt" for number in range(len(TEXTS))]
    for path, text in zip(paths, TEXTS):
        path.write_text(text, encoding="utf-8", newline="")
    return paths


@pytest.mark.parametrize("characters", [1, 2, 7, 1_000_000])
def test_files_read_in_chunks_give_the_ids_of_the_whole(documents, characters):
    tokenizer = BPETokenizer.train(" ".join(TEXTS) * 3, 300)
    whole = []
    for path in documents:
        whole += tokenizer.encode_ordinary(path.read_text(encoding="utf-8"))
        whole.append(tokenizer.eot_token)
    assert whole.count(tokenizer.eot_token) == 3, "a mark within a document is ordinary text"
    assert list(encode_files(documents, tokenizer, characters)) == whole


def test_no_chunk_is_longer_than_asked_for_and_none_is_read_early(documents):
    chunks = list(read_chunks(documents[0], 5))
    assert "".join(chunks) == documents[0].read_text(encoding="utf-8")
    assert all(len(chunk) == 5 for chunk in chunks[:-1])
    tokenizer = BPETokenizer.train("a b", 257)
    ids = encode_files([documents[0], documents[0].parent / "missing.txt"], tokenizer)
    assert next(ids) == ord("I"), "the second file is not opened before the first is read"
    with pytest.raises(FileNotFoundError):
        list(ids)


def test_what_is_held_of_a_long_file_is_little(tmp_path):
    """Counted in bytes: a chunk, what is left of the one before, and one shard of ids."""
    path = tmp_path / "long.txt"
    path.write_text("the sea " * 100_000, encoding="utf-8")
    tokenizer = BPETokenizer.train("the sea the sea", 262)
    tracemalloc.start()
    write_token_shards(encode_files([path], tokenizer, 2_000), tmp_path / "shards", 2_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.5 * path.stat().st_size, f"{peak:,} bytes were held"


def test_the_mark_that_some_programs_begin_a_file_with_is_no_text(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffThe sea".encode())
    assert "".join(read_chunks(tmp_path / "a.txt")) == "The sea"


def test_a_text_that_is_no_utf8_is_refused_by_name(tmp_path):
    (tmp_path / "a.txt").write_bytes("Größe".encode("latin-1"))
    with pytest.raises(ValueError, match="a.txt is not UTF-8 .*save it as UTF-8"):
        list(read_chunks(tmp_path / "a.txt"))
