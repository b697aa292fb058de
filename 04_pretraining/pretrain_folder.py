"""The folder of a run: what the run was begun with, and its log."""

import json
from pathlib import Path
from typing import Any

from shared.kit.files import write_text


def same_run(out: Path, facts: dict[str, Any], begun: bool) -> None:
    """Note what a run begins with, or compare with what was noted when it was begun.

    Raises ValueError, naming both values, if the run in this folder was begun with another.
    """
    path = out / "run.json"
    if not (begun and path.exists()):
        write_text(path, json.dumps(facts, indent=1) + "\n")
        return
    try:
        noted = dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{path} does not say what the run was begun with ({error}): delete it if you know that"
            " seed and data are the same, or name another --out"
        ) from error
    for name, value in facts.items():
        if name in noted and noted[name] != value:
            raise ValueError(
                f"the run in {out} was begun with {name} {noted[name]}, not {value}: keep it, or "
                "begin a new run with another --out"
            )


def step_of_line(line: str) -> float:
    """The step that a line of the log is about; infinity for a line that a kill cut off."""
    try:
        return json.loads(line)["step"]
    except (ValueError, TypeError, KeyError):
        return float("inf")


def cut_log(out: Path, last_step: int) -> None:
    """Take the steps after the last checkpoint out of log.jsonl, since they are made again."""
    path = out / "log.jsonl"
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    kept = [line for line in lines if line.endswith("\n") and step_of_line(line) <= last_step]
    if kept != lines:
        write_text(path, "".join(kept))
