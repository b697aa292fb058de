"""What belongs to a set of token shards: written last, so without it the set is not whole."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shared.kit.files import write_text, write_whole

MANIFEST = "manifest.json"
SHARD_FORMAT = "llm-course shards 1"
AGAIN = "delete its shards and make them again"


def sha256(path: Path) -> str:
    """The check sum of a file, which is never in memory whole."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(65_536):
            total.update(part)
    return total.hexdigest()


def write_shard(path: Path, ids: np.ndarray) -> None:
    """Write numbers as a .npy file, whole or not at all."""
    write_whole(path, lambda file: np.save(file, ids))


def write_manifest(folder: Path, paths: Sequence[Path], tokenizer: str | None) -> None:
    """Say what the finished set consists of."""
    largest = max((int(np.load(path, mmap_mode="r").max()) for path in paths), default=-1)
    shards = [
        {"name": path.name, "bytes": path.stat().st_size, "sha256": sha256(path)} for path in paths
    ]
    content = {
        "format": SHARD_FORMAT,
        "dtype": "uint16",
        "tokenizer": tokenizer,
        "largest_id": largest,
        "shards": shards,
    }
    write_text(folder / MANIFEST, json.dumps(content, indent=1) + "\n")


def read_manifest(folder: Path) -> dict[str, Any]:
    """What `write_manifest` wrote. Raises ValueError if there is none or it is no manifest."""
    path = folder / MANIFEST
    if not path.is_file():
        raise ValueError(
            f"{folder} has shards and no {MANIFEST}, which is written last: whoever wrote them did "
            f"not come to the end; {AGAIN}"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        whole = content["format"] == SHARD_FORMAT and content["dtype"] == "uint16"
        int(content["largest_id"])
        for shard in content["shards"]:
            whole = whole and isinstance(shard["name"], str) and isinstance(shard["bytes"], int)
            whole = whole and len(shard["sha256"]) == 64
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is no manifest of shards ({error!r}): {AGAIN}") from error
    if not whole:
        raise ValueError(f"{path} is no manifest of {SHARD_FORMAT!r}: {AGAIN}")
    return content


def open_shard(path: Path) -> np.ndarray:
    """The ids of a shard, read from the disk when asked for.

    Raises ValueError, naming the file, if it is not what its manifest says.
    """
    entries = {shard["name"]: shard for shard in read_manifest(path.parent)["shards"]}
    if path.name not in entries:
        raise ValueError(f"{path} is not in {MANIFEST}: it belongs to another set; {AGAIN}")
    size = path.stat().st_size if path.is_file() else 0
    if size != entries[path.name]["bytes"]:
        raise ValueError(
            f"{path} has {size:,} bytes and should have {entries[path.name]['bytes']:,}: "
            f"{AGAIN}, or copy them once more"
        )
    try:
        ids = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, SyntaxError) as error:
        raise ValueError(f"{path} holds no numbers ({error}): {AGAIN}") from error
    if ids.dtype != np.uint16 or ids.ndim != 1:
        raise ValueError(f"{path} holds {ids.ndim}-D {ids.dtype}, not a row of uint16: {AGAIN}")
    return ids


def shards_of(folder: Path) -> list[Path]:
    """The paths of a set of shards; none if the folder holds none.

    Raises ValueError if one is missing or there are others.
    """
    there = sorted(folder.glob("shard_*.npy"))
    if not there:
        return []
    paths = [folder / shard["name"] for shard in read_manifest(folder)["shards"]]
    for path in sorted({*paths} ^ {*there}):
        lacks = path in paths
        words = "is in the manifest and missing" if lacks else "is there and not in the manifest"
        raise ValueError(f"{path} {words}: {AGAIN}, or copy the whole folder")
    return paths


def check_sums(folder: Path) -> None:
    """Read a whole set and compare it with its manifest. Raises ValueError for the first file."""
    for shard in read_manifest(folder)["shards"]:
        if sha256(folder / shard["name"]) != shard["sha256"]:
            raise ValueError(
                f"{folder / shard['name']} is damaged, its check sum is wrong: {AGAIN}, or copy "
                "them once more"
            )
