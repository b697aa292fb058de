"""The map of what is done, and beginning anew."""

import subprocess
import sys

import pytest

from shared.checks import desk, exercises
from shared.checks.desk import course_map, forget
from shared.kit.repository import ROOT, notebook_paths


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LLM_COURSE_ANSWERS", str(tmp_path))
    for name in ("lora/lora_parameters", "lora/lora_forward", "loss/perplexity"):
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("answer = 1")
    (tmp_path / "lora" / "notes.txt").write_text("the reader's own")
    return tmp_path


def kept(home):
    return sorted(path.stem for path in home.rglob("*.py"))


def row(text, notebook):
    return next(line for line in text.splitlines() if line.split()[:1] == [notebook])


def test_the_map_shows_every_notebook_and_what_is_done(home, capsys):
    course_map()
    text = capsys.readouterr().out
    for path in notebook_paths():
        assert len(row(text, path.stem).split()[1]) == len(exercises(path.stem.split("_", 1)[1]))
    assert row(text, "05_lora").endswith("●●○○○")
    assert row(text, "01_loss").endswith("●○○")
    assert "●" not in row(text, "01_tokenization")


def test_without_a_folder_the_map_is_empty(monkeypatch, capsys):
    monkeypatch.setenv("LLM_COURSE_ANSWERS", "")
    course_map()
    assert "●" not in capsys.readouterr().out
    forget()


@pytest.mark.parametrize("name", ["05_lora", "lora", "05_instruction_finetuning/05_lora"])
def test_one_notebook_is_forgotten_and_no_file_of_the_readers(home, name):
    forget(name)
    assert kept(home) == ["perplexity"]
    assert (home / "lora" / "notes.txt").exists()


def test_all_is_forgotten(home):
    forget()
    assert kept(home) == []


def test_an_unknown_notebook_is_refused(home):
    with pytest.raises(ValueError, match="no notebook is named 'lore': give its name, as 05_lora"):
        forget("lore")
    assert len(kept(home)) == 3


@pytest.mark.parametrize(
    ("arguments", "left"), [([], 3), (["map"], 3), (["forget", "01_loss"], 2), (["forget"], 0)]
)
def test_the_command_line(home, monkeypatch, arguments, left):
    monkeypatch.setattr(sys, "argv", ["desk", *arguments])
    desk.main()
    assert len(kept(home)) == left


def test_the_command_line_refuses_in_a_sentence(home):
    command = [sys.executable, "-m", "shared.checks.desk", "forget", "lore"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "no notebook is named 'lore'" in done.stderr
    assert "Traceback" not in done.stderr
