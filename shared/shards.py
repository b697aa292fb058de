"""Token files larger than memory.

Written from 04_pretraining/07_scaling_out: change it there.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from torch.utils.data import ConcatDataset

from shared.dataloader import GPTDataset
from shared.kit.shard_manifest import open_shard, write_manifest, write_shard
from shared.tokenizer import BPETokenizer


def write_token_shards(token_ids: Iterable[int], folder: Path,
                       tokens_a_shard: int = 100_000_000,
                       tokenizer: str | None = None) -> list[Path]:
    """Write ids as files of 16-bit numbers, shard_00000.npy and on; `token_ids` may be a generator.

    Last comes manifest.json: which files make the set whole, and the tokenizer that made the ids.

    Raises ValueError for ids that do not fit into 16 bits, and for a folder that holds shards.
    """
    if tokens_a_shard < 1 or any(folder.glob("shard_*.npy")):
        raise ValueError(f"tokens_a_shard={tokens_a_shard} must be at least 1, and {folder.name} "
                         "hold no shards yet: delete them, or name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    ids = iter(token_ids)
    paths = []
    while True:
        shard = np.fromiter(islice(ids, tokens_a_shard), dtype=np.int64)  # the next ids
        if len(shard) == 0:
            write_manifest(folder, paths, tokenizer)
            return paths
        if shard.min() < 0 or shard.max() >= 2**16:
            raise ValueError(f"ids from {shard.min()} to {shard.max()} do not fit into 16 bits, "
                             "which hold 0 to 65535")
        paths.append(folder / f"shard_{len(paths):05d}.npy")
        write_shard(paths[-1], shard.astype(np.uint16))


def read_chunks(path: Path, characters: int = 1_000_000) -> Iterator[str]:
    """The text of a UTF-8 file, at most so many characters at a time; ValueError if it is none."""
    with path.open(encoding="utf-8-sig") as file:  # without the mark that some programs begin with
        try:
            while chunk := file.read(characters):
                yield chunk
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is not UTF-8 ({error}): save it as UTF-8") from error


def encode_files(paths: Iterable[Path], tokenizer: BPETokenizer,
                 characters: int = 1_000_000) -> Iterator[int]:
    """The ids of text files, one by one; each is a document and ends with the end token."""
    for path in paths:
        chunks = read_chunks(path, characters)
        yield from tokenizer.encode_iterable(chunks, disallowed_special=())
        yield tokenizer.eot_token


def open_token_shards(paths: Sequence[Path], context_length: int) -> ConcatDataset:
    """Windows of context_length tokens of all files, read when asked for: item -> (T,), (T,).

    Windows do not overlap and do not cross from one file into the next. Raises ValueError if there
    is no file, or one is not what the set's manifest says.
    """
    if not paths:
        raise ValueError("no shards were given: write some with write_token_shards")
    shards = [open_shard(path) for path in paths]
    return ConcatDataset([GPTDataset(shard, context_length, context_length) for shard in shards])


# Written by `python -m shared.kit.course copy`: 4096ae877c86
