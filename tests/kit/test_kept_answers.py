"""What a reader solved stays: in their folder, from their own cells, whatever else goes on."""

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from shared.kit import kept_answers
from shared.kit.kept_answers import answers_folder, keep, kept_answer, say_once, solutions, topic
from shared.kit.repository import ROOT

NAME = "averaging_the_past/decay_scores"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LLM_COURSE_ANSWERS", str(tmp_path / "answers"))
    say_once.cache_clear()
    return tmp_path / "answers"


@pytest.fixture
def cell(monkeypatch):
    """Says which cell runs."""

    def runs(source: str | None) -> None:
        monkeypatch.setattr(kept_answers, "running_cell", lambda: source)

    return runs


def test_a_topic_is_a_notebook_without_chapter_and_number():
    assert topic("05_instruction_finetuning/05_lora") == "lora"
    assert topic(ROOT / "03_gpt" / "04_generating_text.ipynb") == "generating_text"


def test_answers_go_to_the_users_folder_a_chosen_one_or_nowhere(monkeypatch, tmp_path):
    monkeypatch.setenv("LLM_COURSE_ANSWERS", str(tmp_path))
    assert answers_folder() == tmp_path
    monkeypatch.setenv("LLM_COURSE_ANSWERS", "")
    assert answers_folder() is None and kept_answer(NAME) is None
    monkeypatch.delenv("LLM_COURSE_ANSWERS")
    assert answers_folder().parts[-2:] == ("llm-course", "answers")
    assert not answers_folder().is_relative_to(ROOT)


def test_a_right_answer_is_kept_as_its_cell(home, cell):
    cell("decay_scores = 'naïve'\ncheck(...)")
    assert kept_answer(NAME) is None
    keep(NAME)
    assert kept_answer(NAME) == home / "averaging_the_past" / "decay_scores.py"
    assert kept_answer(NAME).read_text(encoding="utf-8") == "decay_scores = 'naïve'\ncheck(...)"


def test_outside_of_a_notebook_nothing_is_kept(home):
    keep(NAME)
    assert not home.exists()


def test_two_notebooks_at_once_lose_nothing(home, cell):
    cell("x = 1")
    names = [f"notebook_{k % 3}/exercise_{k}" for k in range(60)]
    with ThreadPoolExecutor(8) as several:
        list(several.map(keep, names))
    assert all(kept_answer(name) for name in names)


def test_a_folder_that_cannot_be_written_is_told_once(tmp_path, cell, monkeypatch):
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("LLM_COURSE_ANSWERS", str(tmp_path / "a file"))
    say_once.cache_clear()
    cell("x = 1")
    with pytest.warns(UserWarning, match="what you solve is not kept .*Set LLM_COURSE_ANSWERS"):
        keep(NAME)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        keep(NAME)


def test_the_courses_own_cells_are_known():
    path = ROOT / "02_attention" / "01_averaging_the_past.ipynb"
    cells = nbformat.read(path, as_version=4).cells
    asking = [c.source.strip() for c in cells if f'check("{NAME}"' in c.source]
    assert [source in solutions("averaging_the_past") for source in asking] == [False, True]


def run_cells(sources: list[str], folder: Path) -> list[str]:
    """What each cell prints, in a kernel of its own."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    environment = {**os.environ, "LLM_COURSE_ANSWERS": str(folder), "PYTHONPATH": str(ROOT)}
    NotebookClient(notebook, kernel_name="python3").execute(env=environment)
    texts = [[o.get("text", "") for o in c.outputs if o.name == "stdout"] for c in notebook.cells]
    return ["".join(text) for text in texts]


def test_in_a_notebook_the_readers_cell_counts_and_the_courses_does_not(tmp_path):
    path = ROOT / "02_attention" / "01_averaging_the_past.ipynb"
    cells = [c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    solution = [source for source in cells if f'check("{NAME}"' in source][-1]
    assert solution.strip() in solutions("averaging_the_past")
    first = cells[0] + f'\ncheck("{NAME}", None)'
    ask = 'progress("02_attention/01_averaging_the_past")'
    own = solution + "\n# in my own words"
    shown = run_cells([first, solution, ask, own, ask], tmp_path)
    assert [text.strip().split(": ")[-1] for text in shown] == [
        "not attempted yet", "right", "0 of 4 done", "right", "1 of 4 done",
    ]  # fmt: skip
    assert (tmp_path / f"{NAME}.py").read_text(encoding="utf-8") == own
    # opened again
    shown = run_cells([first, ask], tmp_path)
    assert "not attempted yet; solved before: your answer is kept in" in shown[0]
    assert shown[1].strip() == "1 of 4 done"
