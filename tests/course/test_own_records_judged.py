"""5.7 on records that are not the course's: it trains its models on them, or says that it must.

`pytest -m own` runs the notebook; that it refuses the kept weights is tested always.
"""

import json
import os

import nbformat
import pytest
from nbclient import NotebookClient

from shared.kit.repository import ROOT

PATH = ROOT / "05_instruction_finetuning" / "07_evaluation.ipynb"
SWITCH = "RETRAIN = False"


def switch_cell(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    [cell] = [cell for cell in notebook.cells if SWITCH in cell.source]
    return cell


def test_kept_weights_are_refused_for_other_records():
    code = switch_cell(nbformat.read(PATH, as_version=4)).source
    with pytest.raises(ValueError, match="'bread.json'.*set RETRAIN = True"):
        exec(code, {"default_records": lambda: "bread.json"})
    names = {"default_records": lambda: "bread.json"}
    exec(code.replace(SWITCH, "RETRAIN = True"), names)
    assert names["kind_of"]({}) == "all records"


@pytest.mark.own
def test_evaluation_runs_on_thirty_records(tmp_path, monkeypatch):
    breads = "rye wheat oat spelt barley maize rice millet potato teff".split()
    records = [
        {"instruction": f"{asked} {bread} bread?", "output": f"{answer} {len(bread)}."}
        for bread in breads
        for asked, answer in (
            ("How long bakes", "Hours:"),
            ("How big is", "Pounds:"),
            ("Salt in", "Spoons:"),
        )
    ]
    own = tmp_path / "own.json"
    own.write_text(json.dumps(records), encoding="utf-8")
    environment = {
        "LLM_COURSE_RECORDS": str(own), "LLM_COURSE_GGUF": "stand-in",
        "XDG_CACHE_HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }  # fmt: skip
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    notebook = nbformat.read(PATH, as_version=4)
    cell = switch_cell(notebook)
    cell.source = cell.source.replace(SWITCH, "RETRAIN = True")
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": PATH.parent}})
    client.execute()
    printed = "".join(o.get("text", "") for c in notebook.cells for o in c.get("outputs", []))
    assert "Here your records differ" in printed
