"""How a check answers, and that notebooks and checks name the same exercises."""

import re
from operator import methodcaller
from pathlib import Path

import nbformat
import pytest
import torch

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
    helpers = {stem for stem in judges if stem.startswith("judging")}
    assert judges - helpers - {"__init__", "desk"} == set(NOTEBOOKS)
    shared_judges = {name for name in tables if name.startswith("test_judging")}
    assert tables - shared_judges - {"test_checks", "test_desk"} == {
        f"test_{name}" for name in NOTEBOOKS
    }


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
        "not yet: look again\nThere are no more hints: see Solutions, at the end of the notebook",
    ]


def test_nothing_given_is_no_try():
    verdict(NAME, None)
    assert "Hint" not in verdict(NAME, [])
    assert "Hint 1: " in verdict(NAME, [])


def test_an_error_is_told_and_only_a_bare_stub_is_no_attempt():
    def unfinished(x):
        raise NotImplementedError("later")

    said = verdict("averaging_the_past/causal_mean", unfinished)
    assert said.startswith("not yet: your answer raised NotImplementedError: later\n")


def judged_by_call(monkeypatch, answer, *given):
    """The lines of the verdict of a check that does nothing but call the answer."""
    checks.ATTEMPTS.clear()
    monkeypatch.setattr(checks, "find", lambda name: Exercise(methodcaller("__call__", *given)))
    return verdict("any/name", answer).splitlines()


def last_piece(text, count=1):
    pieces = [word for word in text.split()]
    return pieces[count]


def test_an_error_shows_its_line_and_the_arguments(monkeypatch):
    assert judged_by_call(monkeypatch, last_piece, "Is it?", 10) == [
        "not yet: your answer raised IndexError: list index out of range",
        "  in line 3 of last_piece: `return pieces[count]`",
        "  with text = 'Is it?', count = 10",
    ]


def test_an_error_below_shows_the_way_down_to_the_readers_last_line(monkeypatch):
    def add(x):
        return sum(parted(number) for number in x)

    def parted(number):
        return torch.ones(2) @ torch.ones(3)

    said = judged_by_call(monkeypatch, add, [1, 2])
    assert said[0].startswith("not yet: your answer raised RuntimeError: ")
    assert said[-3:] == [
        "  in line 2 of add: `return sum(parted(number) for number in x)`",
        "  in line 2 of parted: `return torch.ones(2) @ torch.ones(3)`",
        "  with x = [1, 2]",
    ]


def test_a_deep_error_shows_its_last_three_lines(monkeypatch):
    def endless(n):
        return endless(n + 1)

    said = judged_by_call(monkeypatch, endless, 0)
    assert said[0].startswith("not yet: your answer raised RecursionError: ")
    assert said[1:] == ["  in line 2 of endless: `return endless(n + 1)`"] * 3 + ["  with n = 0"]


def test_arguments_are_short(monkeypatch):
    class Reader:
        def __repr__(self):
            raise AssertionError("never asked for")

    given = (torch.zeros(2, 3), "a" * 99, list(range(99)), Reader(), len, None, 0.5)
    said = judged_by_call(monkeypatch, lambda a, b, c, d, e, f, g: 1 / 0, *given)
    assert said[-1] == (
        "  with a = <tensor of shape (2, 3)>, b = 'aaaaaaaaaaaa...aaaaaaaaaaaaa', "
        "c = [0, 1, 2, 3, 4, 5, ...], d = <Reader>, e = <len>, f = None, g = 0.5"
    )
    assert said[1].startswith("  in line 1 of your lambda: `said = judged_by_call(")


def test_an_error_without_source_or_words_is_still_a_verdict(monkeypatch):
    class Silent(Exception):
        def __str__(self):
            raise ValueError

    def silent():
        raise Silent

    assert judged_by_call(monkeypatch, silent) == ["not yet: your answer raised Silent"]
    scope = {}
    exec("def answer(x):\n    return x / 0", scope)
    assert judged_by_call(monkeypatch, scope["answer"], 3) == [
        "not yet: your answer raised ZeroDivisionError: division by zero",
        "  in line 2 of answer",
        "  with x = 3",
    ]


def test_an_error_outside_the_readers_code_is_told_in_one_line(monkeypatch):
    said = judged_by_call(monkeypatch, torch.zeros(2).view, 3)
    assert said[0].startswith("not yet: your answer raised RuntimeError: ") and len(said) == 1


def test_check_and_progress_print_what_is_done(capsys):
    check(NAME, None)
    progress("02_attention/01_averaging_the_past")
    check(NAME, RIGHT)
    check(NAME, RIGHT)
    progress("02_attention/01_averaging_the_past")
    assert capsys.readouterr().out.splitlines() == [
        f"{NAME}: not attempted yet",
        "0 of 4 done",
        f"{NAME}: right",
        f"{NAME}: right",
        "1 of 4 done",
    ]
