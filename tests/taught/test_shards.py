"""Shards on the disk hold the ids of the list, in the windows of the list."""

import numpy as np
import pytest
import torch

from shared.dataloader import GPTDataset
from shared.shards import open_token_shards, write_token_shards


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
