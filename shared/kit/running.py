"""Runs notebooks and saves their outputs as `pytest --nbval` compares them, so that a second run
changes no byte.
"""

import hashlib
import os
import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from shared.kit import repository
from shared.kit.repository import short_name

SECONDS_A_CELL = 7200
WIDGET = "application/vnd.jupyter.widget-view+json"
VARYING = {
    "nbval-ignore-output",
    "varies",
}  # tags of cells that print or draw times, or a long training
COLOUR = r"(?:\x1b\[[0-9;]*m)*"  # colour codes stand inside of paths in a traceback


def run(path: Path) -> bool:
    """Run a notebook in a fresh kernel and save it; return whether the file was written.

    Counts are 1..n, no widget state is kept, nothing names this machine. Where the code is that of
    the last run and only cells that vary from run to run came out differently, the file stays as it
    is.
    """
    saved = nbformat.read(path, as_version=4)
    new = nbformat.from_dict(saved)
    client = NotebookClient(
        new,
        timeout=SECONDS_A_CELL,
        store_widget_state=False,
        record_timing=False,
        coalesce_streams=True,  # text that comes in pieces is saved as one
        resources={"metadata": {"path": str(path.parent)}},
    )
    # nbval does not route Output widgets; neither do we, so that what a lab draws stays in its cell
    client.comm_open_handlers.clear()
    # rows of the scoreboard are kept, and nobody's answers are shown
    client.execute(env={**os.environ, "LLM_COURSE_RECORD": "1", "LLM_COURSE_ANSWERS": ""})
    for number, cell in enumerate(new.cells):
        for output in cell.get("outputs", []):
            tidy(output, f"{short_name(path)} {number}")
    new.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "course": {"ran": code_digest(new)},
        }
    )
    if same_but_for_what_varies(saved, new):
        return False
    nbformat.write(new, path)
    return True


def code_digest(notebook: NotebookNode) -> str:
    """A digest of all code cells: saved outputs belong to the code whose digest the notebook
    carries.
    """
    code = "\n\0\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    return hashlib.sha256(code.encode()).hexdigest()[:16]


def same_but_for_what_varies(saved: NotebookNode, new: NotebookNode) -> bool:
    """Whether a run brought nothing new: same code as at the last run, same outputs where outputs
    must be the same.
    """
    if saved.metadata != new.metadata or len(saved.cells) != len(new.cells):
        return False
    for before, after in zip(saved.cells, new.cells):
        varies = VARYING & set(after.metadata.get("tags", []))
        if before.get("execution_count") != after.get("execution_count"):
            return False
        if before.get("outputs") != after.get("outputs") and not varies:
            return False
    return True


def tidy(output: NotebookNode, place: str) -> None:
    """Take out of an output what differs from run to run or from machine to machine."""
    if output.output_type == "error":
        output.traceback = [without_paths(line) for line in output.traceback]
    if output.get("name") == "stderr":  # of a progress bar only its last state
        output.text = "\n".join(
            line.rstrip("\r").rpartition("\r")[2] for line in output.text.split("\n")
        )
    if WIDGET in output.get("data", {}):
        output.data[WIDGET]["model_id"] = hashlib.sha256(place.encode()).hexdigest()[:32]


def without_paths(text: str) -> str:
    """A traceback in which files are named from the repository or from site-packages on, not by
    absolute paths.
    """
    text = text.replace(f"{repository.ROOT}/", "")
    return re.sub(rf"({COLOUR})[^\s'\"\x1b]*site-packages", r"\1site-packages", text)
