"""5.1 to 5.3 run to their end on records that are not the course's: thirty lines of a subject, an
export of chats, and the lectures' file. Only errors that a page means to show are allowed.

`pytest -m own` runs them.
"""

import json
import os
import re

import nbformat
import pytest
from nbclient import NotebookClient

from shared.kit.corpora import read_lecture_file
from shared.kit.repository import ROOT, notebook_paths, short_name

ALL = [n for n in map(short_name, notebook_paths()) if re.match(r"05\w+/0[1-3]", n)]
BREADS = "rye wheat oat spelt barley maize rice buckwheat millet potato".split()
ASKED = {
    "How long does {} bread bake?": "Bake it for {} minutes.",
    "How much water for {} bread?": "Take {} grams for 500 grams of flour.",
    "Name a spice for {} bread.": "Caraway, and {} grams of it.",
}


def thirty_lines() -> str:
    """Records on bread, sorted by question, without an input, one of them very long."""
    records = [
        {"instruction": asked.format(bread), "output": answer.format(20 + len(bread))}
        for asked, answer in ASKED.items()
        for bread in BREADS
    ]
    records[7]["instruction"] += " " + "Really? " * 200  # longer than the rest of the file
    return "\n".join(json.dumps(record) for record in records)


def chats() -> str:
    """Twelve conversations of two questions each, half of them with a system message."""
    listed = []
    for number, bread in enumerate(BREADS + ["teff", "rusk"]):
        messages = [{"role": "system", "content": "You bake."}] if number % 2 else []
        for asked, answer in list(ASKED.items())[:2]:
            messages.append({"role": "user", "content": asked.format(bread)})
            messages.append({"role": "assistant", "content": answer.format(len(bread))})
        listed.append({"messages": messages})
    return json.dumps(listed)


@pytest.mark.parametrize("name", ALL)
def test_a_notebook_lets_the_reader_choose_the_records(name):
    cells = nbformat.read(ROOT / f"{name}.ipynb", as_version=4).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    assert code.count("RECORDS = default_records()") == 1
    assert set(re.findall(r"(?<!def )\bopen_records\((.*?)\)", code)) == {"RECORDS"}


@pytest.mark.own
@pytest.mark.parametrize("kind", ["lines", "chats", "lectures"])
@pytest.mark.parametrize("name", ALL)
def test_a_notebook_runs_on_other_records(name, kind, tmp_path, monkeypatch):
    if kind == "lectures":
        try:
            read_lecture_file("instruction-data.json")
        except ConnectionError as error:
            pytest.skip(f"needs the lectures' instruction-data.json: {error}")
        chosen = kind
    else:
        path = tmp_path / "own.json"
        path.write_text({"lines": thirty_lines, "chats": chats}[kind](), encoding="utf-8")
        chosen = str(path)
    environment = {
        "LLM_COURSE_RECORDS": chosen, "XDG_CACHE_HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }  # fmt: skip
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    path = ROOT / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": path.parent}})
    client.execute()  # cells tagged raises-exception may fail, all others must not
