"""A set of shards that is not whole is refused by the name of what is wrong."""

import json
import shutil

import numpy as np
import pytest

from shared.kit.shard_manifest import check_sums, open_shard, read_manifest, shards_of
from shared.shards import open_token_shards, write_token_shards


@pytest.fixture
def shards(tmp_path):
    write_token_shards(range(50), tmp_path / "shards", 20, "letters")
    return tmp_path / "shards"


def test_the_manifest_says_what_the_set_is(shards):
    content = read_manifest(shards)
    assert content["largest_id"] == 49 and content["tokenizer"] == "letters"
    assert [shard["name"] for shard in content["shards"]] == [
        f"shard_0000{i}.npy" for i in range(3)
    ]
    check_sums(shards)
    paths = shards_of(shards)
    assert np.concatenate([open_shard(path) for path in paths]).tolist() == list(range(50))
    assert isinstance(open_shard(paths[0]), np.memmap)
    assert shards_of(shards / "nowhere") == []


def test_a_writer_that_did_not_come_to_the_end_leaves_no_set(tmp_path):
    def ids():
        yield from range(50)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_token_shards(ids(), tmp_path, 20)
    paths = sorted(tmp_path.glob("shard_*.npy"))
    assert len(paths) == 2
    for use in (lambda: shards_of(tmp_path), lambda: open_token_shards(paths, 4)):
        with pytest.raises(ValueError, match="written last.*did not come to the end"):
            use()
    with pytest.raises(ValueError, match="hold no shards yet: delete them"):
        write_token_shards(range(50), tmp_path, 20)


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    "spoil, message",
    [
        (cut, "has 167 bytes and should have 168"),
        (lambda path: path.write_bytes(b""), "has 0 bytes"),
        (lambda path: path.write_text("text"), "has 4 bytes"),
        (lambda path: path.write_bytes(b"t" * 168), "holds no numbers"),
        (lambda path: path.write_bytes(b"\x93NUMPY" + b"t" * 162), "holds no numbers"),
        (lambda path: path.unlink(), "has 0 bytes"),
        (lambda path: np.save(path, np.zeros(10, np.uint32)), "holds 1-D uint32"),
        (lambda path: np.save(path, np.zeros((2, 10), np.uint16)), "holds 2-D uint16"),
    ],
    ids=["cut", "empty", "text", "long text", "torn head", "missing", "32 bits", "matrix"],
)
def test_a_spoilt_shard_is_refused_by_name(shards, spoil, message):
    path = shards / "shard_00001.npy"
    spoil(path)
    for use in (lambda: open_shard(path), lambda: open_token_shards([path], 4)):
        with pytest.raises(ValueError, match=f"shard_00001.npy {message}"):
            use()


def test_a_flipped_bit_is_found_by_the_check_sum(shards):
    content = bytearray((shards / "shard_00001.npy").read_bytes())
    content[-1] ^= 1
    (shards / "shard_00001.npy").write_bytes(content)
    with pytest.raises(ValueError, match="shard_00001.npy is damaged, its check sum is wrong"):
        check_sums(shards)


def test_a_shard_too_many_or_too_few_is_refused(shards):
    shutil.copy(shards / "shard_00000.npy", shards / "shard_00003.npy")
    with pytest.raises(ValueError, match="shard_00003.npy is there and not in the manifest"):
        shards_of(shards)
    with pytest.raises(ValueError, match="shard_00003.npy is not in manifest.json"):
        open_shard(shards / "shard_00003.npy")
    (shards / "shard_00003.npy").unlink()
    (shards / "shard_00002.npy").unlink()
    with pytest.raises(ValueError, match="shard_00002.npy is in the manifest and missing"):
        shards_of(shards)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "text",
        "[]",
        "3",
        "\ufeff{}",
        "{}",
        json.dumps({"format": "llm-course shards 9", "dtype": "uint16", "largest_id": 1})[:-1]
        + ', "shards": []}',
        json.dumps({"format": "llm-course shards 1", "dtype": "uint16", "largest_id": 1})[:-1]
        + ', "shards": [3]}',
    ],
)
def test_a_foreign_manifest_is_refused(shards, content):
    (shards / "manifest.json").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match="manifest.json is no manifest of"):
        shards_of(shards)
