"""The notebooks run to their end on a text of the reader's own: one made here, of other words than
the story's. Only errors that a page means to show are allowed.

`pytest -m own` runs those of chapters 1 and 2; LLM_COURSE_OWN=all runs those of chapter 4 too.
"""

import os
import random
import re

import nbformat
import pytest
from nbclient import NotebookClient

from shared.kit.corpora import SHORTEST_TEXT, load_corpus
from shared.kit.repository import ROOT, notebook_paths, short_name

CHAPTERS = ("01_data", "02_attention", "04_pretraining")
SHORT = CHAPTERS[:2]
CHARACTERS = 14_000
SYLLABLES = "ba ke li mo nu ra shi to ve zu gwen plo cri dha est ünk".split()
CHOSEN = CHAPTERS if os.environ.get("LLM_COURSE_OWN") == "all" else SHORT
ALL = [name for name in map(short_name, notebook_paths()) if name.startswith(CHAPTERS)]
NAMES = [name for name in ALL if name.startswith(CHOSEN)]


def made_text() -> str:
    """About 14,000 characters of sentences in a language that there is not."""
    draw = random.Random(7)
    words = ["".join(draw.choices(SYLLABLES, k=draw.choice((1, 2, 2, 3)))) for _ in range(900)]
    often = [1 / rank for rank in range(1, len(words) + 1)]  # as words of a language are
    text = ""
    while len(text) < CHARACTERS:
        sentence = " ".join(draw.choices(words, often, k=draw.randint(3, 14)))
        text += sentence.capitalize() + draw.choice((". ", "? ", ".\n\n"))
    return text


@pytest.fixture(scope="module")
def own_text(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "own.txt"
    path.write_text(made_text(), encoding="utf-8")
    return path


def test_the_made_text_shares_hardly_a_word_with_the_story(own_text):
    text = load_corpus(str(own_text))
    assert SHORTEST_TEXT < len(text) < CHARACTERS + 200
    words = set(text.lower().split())
    assert len(words & set(load_corpus().lower().split())) < len(words) / 50


@pytest.mark.parametrize("name", ALL)
def test_a_notebook_that_reads_a_text_lets_the_reader_choose_it(name):
    cells = nbformat.read(ROOT / f"{name}.ipynb", as_version=4).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    read = re.findall(r"\bload_corpus\((.*?)\)", code)
    assert not read or re.search(r"\bcorpus = default_corpus\(\)", code, re.IGNORECASE)
    assert set(read) <= {"corpus", "CORPUS"}


@pytest.mark.own
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_on_an_own_text(name, own_text, tmp_path, monkeypatch):
    path = ROOT / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    environment = {
        "LLM_COURSE_TEXT": str(own_text), "LLM_COURSE_QUICK": "1",
        "XDG_CACHE_HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }  # fmt: skip
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": path.parent}})
    client.execute()  # cells tagged raises-exception may fail, all others must not
