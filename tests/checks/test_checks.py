"""How a check answers, and that notebooks and checks name the same exercises."""

import re
from pathlib import Path

import nbformat
import pytest

from shared import checks
from shared.checks import Exercise, check, exercises, find, progress, verdict
from shared.kit.repository import notebook_paths

NOTEBOOKS = {path.stem.split("_", 1)[1]: path for path in notebook_paths()}
NAME = "averaging_the_past/causal_mean_by_hand"
RIGHT = [[2, 0], [3, 3], [2, 3], [2, 3]]


@pytest.fixture(autouse=True)
def a_learner_who_begins(monkeypatch):
    monkeypatch.setattr(checks, "ATTEMPTS", {})
    monkeypatch.setattr(checks, "DONE", set())


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_a_notebook_asks_all_its_exercises_and_no_others(notebook):
    cells = nbformat.read(NOTEBOOKS[notebook], as_version=4).cells
    source = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    assert source.count("check(") == len(re.findall(r'\bcheck\("[\w/]+"', source))
    asked = re.findall(r'check\("([\w/]+)"', source)
    assert set(asked) == {f"{notebook}/{name}" for name in exercises(notebook)}
    chapter = NOTEBOOKS[notebook].parent.name
    progressed = set(re.findall(r'progress\("([\w/]+)"\)', source))
    assert progressed == {f"{chapter}/{NOTEBOOKS[notebook].stem}"}


def test_each_notebook_has_its_judges_and_their_tests():
    judges = {path.stem for path in Path(checks.__file__).parent.glob("*.py")}
    tables = {path.stem for path in Path(__file__).parent.glob("test_*.py")}
    assert judges - {"__init__", "judging"} == set(NOTEBOOKS)
    assert tables - {"test_checks", "test_judging"} == {f"test_{name}" for name in NOTEBOOKS}


@pytest.mark.parametrize(
    "name", ["loss/nothing", "nothing/perplexity", "judging/plain", "perplexity", "/", ""]
)
def test_an_unknown_name_is_refused(name):
    with pytest.raises(ValueError, match="no exercise is named"):
        find(name)


def test_each_try_gets_one_more_hint(monkeypatch):
    exercise = Exercise(lambda answer: "look again", "the first", "the second")
    monkeypatch.setattr(checks, "find", lambda name: exercise)
    said = [verdict("any/name", 0) for _ in range(4)]
    assert said == [
        "not yet: look again",
        "not yet: look again\nHint 1: the first",
        "not yet: look again\nHint 2: the second",
        "not yet: look again",
    ]


def test_nothing_given_is_no_try():
    verdict(NAME, None)
    assert "Hint" not in verdict(NAME, [])
    assert "Hint 1: " in verdict(NAME, [])


def test_an_error_is_told_and_only_a_bare_stub_is_no_attempt():
    def unfinished(x):
        raise NotImplementedError("later")

    said = verdict("averaging_the_past/causal_mean", unfinished)
    assert said == "not yet: your answer raised NotImplementedError: later"


def test_check_and_progress_print_what_is_done(capsys):
    check(NAME, None)
    progress("02_attention/01_averaging_the_past")
    check(NAME, RIGHT)
    check(NAME, RIGHT)
    progress("02_attention/01_averaging_the_past")
    assert capsys.readouterr().out.splitlines() == [
        f"{NAME}: not attempted yet",
        "0 of 3 done",
        f"{NAME}: right",
        f"{NAME}: right",
        "1 of 3 done",
    ]
