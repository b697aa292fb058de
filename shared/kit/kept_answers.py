"""The reader's own right answers, kept in their data folder from one session to the next.

A file an exercise, which holds the cell that was right, and an empty file for each question that
was missed: two notebooks at once lose nothing. Set LLM_COURSE_ANSWERS to another folder, or to
nothing to keep nothing.
"""

import functools
import json
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from shared.kit.repository import notebook_paths


def answers_folder() -> Path | None:
    """Where answers are kept, or None if none shall be."""
    chosen = os.environ.get("LLM_COURSE_ANSWERS")
    if chosen is None:
        return platformdirs.user_data_path("llm-course") / "answers"
    return Path(chosen) if chosen else None


def topic(notebook: Path | str) -> str:
    """A notebook as its exercises name it: "lora" for 05_instruction_finetuning/05_lora."""
    return Path(notebook).stem.split("_", 1)[1]


def running_cell() -> str | None:
    """The source of the cell that runs, or None outside of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    return shell.history_manager.input_hist_raw[-1]


@functools.cache
def solutions(notebook: str) -> frozenset[str]:
    """The cells in which the course itself solves a notebook's exercises."""
    found: set[str] = set()
    for path in notebook_paths():
        below = False
        for cell in json.loads(path.read_bytes())["cells"] if topic(path) == notebook else ():
            source = "".join(cell["source"])
            below = below or bool(re.search("^#+ Solutions", source, re.MULTILINE))
            if below and cell["cell_type"] == "code":
                found.add(source.strip())
    return frozenset(found)


def is_the_courses(name: str) -> bool:
    """Whether the cell that runs is the course's own solution of "lora/lora_parameters"."""
    cell = running_cell()
    return cell is not None and cell.strip() in solutions(name.split("/")[0])


def keep(name: str) -> None:
    """Keep the running cell as the right answer to "lora/lora_parameters"."""
    home, cell = answers_folder(), running_cell()
    if home is None or cell is None:
        return
    path = home / f"{name}.py"
    with told_once():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(cell, encoding="utf-8")


def keep_missed(question: str, missed: bool) -> None:
    """Keep that a question was missed, or that it is no more."""
    home = answers_folder()
    if home is None:
        return
    path = home / "missed" / question
    with told_once():
        path.parent.mkdir(parents=True, exist_ok=True)
        if missed:
            path.touch()
        else:
            path.unlink(missing_ok=True)


def missed_questions() -> set[str]:
    """The names of the questions that were missed when they were asked last."""
    home = answers_folder()
    return {path.name for path in (home / "missed").glob("*")} if home else set()


@contextmanager
def told_once() -> Iterator[None]:
    """What cannot be written is told, the first time, and stops nobody."""
    try:
        yield
    except OSError as error:
        say_once(
            f"what you solve is not kept ({error}). Set LLM_COURSE_ANSWERS to a folder that can be"
            " written, or to nothing and no more is said"
        )


@functools.cache
def say_once(warning: str) -> None:
    """Warn, the first time that this is said."""
    warnings.warn(warning, stacklevel=7)


def kept_answer(name: str) -> Path | None:
    """The file that holds the right answer to "lora/lora_parameters", if there is one."""
    home = answers_folder()
    path = home / f"{name}.py" if home else None
    return path if path and path.is_file() else None
