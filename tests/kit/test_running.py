"""Saved outputs are those of this code, and a second run changes nothing."""

import shutil

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from shared.kit import repository, running
from shared.kit.repository import ROOT

LAB = "import ipywidgets\nipywidgets.IntSlider()"


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """A notebook that prints, shows a slider, draws, fails on purpose, and prints a time."""
    monkeypatch.setattr(repository, "ROOT", tmp_path)
    (tmp_path / "helper.py").write_text("def fail():\n    raise ValueError('meant')\n")
    path = tmp_path / "01_data" / "01_one.ipynb"
    path.parent.mkdir()
    cells = [
        nbformat.v4.new_code_cell(source, metadata={"tags": tags})
        for source, tags in [
            ("1 + 1", []),
            (LAB, []),
            (
                "import sys\nsys.path.insert(0, '..')\nimport helper\nhelper.fail()",
                ["raises-exception"],
            ),
            ("import torch\ntorch.zeros(2, 3) @ torch.zeros(2, 3)", ["raises-exception"]),
            ("import time\nprint(time.perf_counter())", ["nbval-ignore-output"]),
        ]
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_a_second_run_changes_no_byte(notebook):
    assert running.run(notebook)
    first = notebook.read_bytes()
    assert not running.run(notebook)
    assert notebook.read_bytes() == first


def test_what_is_saved(notebook):
    running.run(notebook)
    saved = nbformat.read(notebook, as_version=4)
    assert [cell.execution_count for cell in saved.cells] == [1, 2, 3, 4, 5]
    assert saved.cells[0].outputs[0].data["text/plain"] == "2"
    assert "widgets" not in saved.metadata
    assert saved.metadata.course.ran == running.code_digest(saved)
    trace = "".join(saved.cells[2].outputs[0].traceback)
    assert "helper.py" in trace and str(notebook.parent.parent) not in notebook.read_text(
        encoding="utf-8"
    )
    assert "ValueError" in trace


@pytest.mark.parametrize("old, new", [("1 + 1", "1 + 2"), ("time.perf_counter()", "time.time()")])
def test_changed_code_is_saved_anew(notebook, old, new):
    running.run(notebook)
    notebook.write_text(notebook.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    assert running.run(notebook)
    saved = nbformat.read(notebook, as_version=4)
    assert saved.metadata.course.ran == running.code_digest(saved)


def test_a_lost_output_is_saved_anew(notebook):
    running.run(notebook)
    saved = nbformat.read(notebook, as_version=4)
    saved.cells[0].outputs = []
    nbformat.write(saved, notebook)
    assert running.run(notebook)
    assert nbformat.read(notebook, as_version=4).cells[0].outputs


def test_a_cell_that_fails_saves_nothing(notebook):
    broken = nbformat.read(notebook, as_version=4)
    broken.cells[0].source = "1 / 0"
    nbformat.write(broken, notebook)
    before = notebook.read_bytes()
    with pytest.raises(CellExecutionError):
        running.run(notebook)
    assert notebook.read_bytes() == before


def test_of_a_progress_bar_the_last_state_is_kept():
    output = nbformat.v4.new_output("stream", name="stderr", text="0%\r50%\r100%\r\n")
    running.tidy(output, "place")
    assert output.text == "100%\n"


@pytest.mark.parametrize(
    "path",
    [
        "/opt/venv/lib/python3.11/site-packages/torch/nn.py",
        "C:\\Users\\ada\\venv\\Lib\\site-packages\\torch\\nn.py",
    ],
)
def test_paths_are_cut_behind_colour_codes(path):
    found = running.without_paths(
        f"\x1b[36mFile \x1b[39m\x1b[32m{path}:3\x1b[39m, in \x1b[36mf\x1b[39m"
    )
    assert (
        "\x1b[32msite-packages" in found
        and "venv" not in found
        and found.endswith("in \x1b[36mf\x1b[39m")
    )


@pytest.mark.slow
def test_a_second_run_of_a_lesson_changes_no_byte(tmp_path):
    """A lesson with times, pictures, a lab and exercises, in a copy outside of the repository."""
    path = tmp_path / "02_attention" / "01_averaging_the_past.ipynb"
    path.parent.mkdir()
    shutil.copy(ROOT / path.relative_to(tmp_path), path)
    running.run(path)  # pictures may differ from the saved ones where the packages do
    first = path.read_bytes()
    assert not running.run(path)
    assert path.read_bytes() == first
