"""The teacher's page: it names every notebook, and what it tells to run runs."""

import re
import subprocess
import sys

import nbformat

from shared.checks import verdict
from shared.kit.repository import ROOT, notebook_paths, short_name

PAGE = (ROOT / ".github" / "TEACHING.md").read_text(encoding="utf-8")
SCRIPT, GRADED = re.findall("```python\n(.*?)```", PAGE, re.DOTALL)


def test_every_notebook_has_its_week():
    table = PAGE.split("## Collect answers")[0]
    named = re.findall(r"`(\d\d_\w+/\d\d_\w+)`", table)
    assert sorted(named) == [short_name(path) for path in notebook_paths()]


def test_what_learners_hand_in_is_collected(tmp_path):
    """Ada solved one exercise, Ben left all as it was; both notebooks hold the solutions."""
    path = ROOT / "02_attention" / "01_averaging_the_past.ipynb"
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    asking = [c for c in cells if 'check("averaging_the_past/decay_scores"' in c.source]
    for learner in ("ada", "ben"):
        kept = [cells[0], *asking]
        if learner == "ada":
            kept[1:1] = [nbformat.v4.new_code_cell(asking[1].source + "\n# my own")]
        folder = tmp_path / "handed_in" / learner
        folder.mkdir(parents=True)
        nbformat.write(nbformat.v4.new_notebook(cells=kept), folder / path.name)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == [
        "ada 01_averaging_the_past decay_scores",
        "ben 01_averaging_the_past",
    ], done.stderr


def test_a_graded_cell_asks_for_the_verdict():
    name = re.search(r'verdict\("([\w/]+)"', GRADED)[1]
    exec(GRADED, {"lora_parameters_answer": 294_912})
    assert verdict(name, 31) != "right"
