"""Folders that are written whole or not at all.

Written from 04_pretraining/06_gpt2_weights: change it there.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any


def new_folder(path: str | Path, fill: Callable[[Path], None]) -> None:
    """Let `fill` write files into a folder beside `path`, then rename it: all of them or none.

    Raises FileExistsError if there is anything at `path` but an empty folder. What `fill` raises
    goes on to the caller, and leaves nothing behind.
    """
    path = Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(f"{path.name} is there and is not empty, so nothing was written: "
                              "name a new folder, or empty this one")
    part = path.with_name(f"{path.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # left by a run that was killed
    part.mkdir(parents=True)
    try:
        fill(part)
        if path.is_dir():
            path.rmdir()  # Windows renames onto a free name only
        part.rename(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_json(path: Path, content: Any) -> None:
    """Write a file of settings."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")


# Written by `python -m shared.kit.course copy`: b0f8d29f93db
