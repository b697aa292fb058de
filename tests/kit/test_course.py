"""The copy command and the guard against cells that were never run."""

import nbformat
import pytest

from shared.kit import course as tool


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of one notebook with one tagged cell."""
    (tmp_path / "01_data").mkdir()
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "data.py").write_text('"""Data."""\n\nLIMIT = 1\n\n\ndef other():\n    return 2\n')
    monkeypatch.setattr(tool, "ROOT", tmp_path)

    def write(source: str) -> None:
        cell = nbformat.v4.new_code_cell(source, metadata={"tags": ["shared:data"]})
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "01_data" / "01.ipynb")

    return write, tmp_path / "shared" / "data.py"


def test_copy_appends_then_replaces_in_place(course):
    write, module = course
    write("# why\ndef taught(x: int) -> int:\n    return x  # (T,)")
    assert tool.copy() == ["shared/data.py: taught"]
    assert module.read_text().endswith("# why\ndef taught(x: int) -> int:\n    return x  # (T,)\n")
    write("LIMIT = 5\n\n\n# because\ndef taught(x: int) -> int:\n    return x + 1")
    assert tool.copy() == ["shared/data.py: LIMIT", "shared/data.py: taught"]
    text = module.read_text()
    assert "LIMIT = 5\n\n\ndef other" in text and "# because" in text and "# why" not in text
    assert tool.copy() == []


def test_definitions_keep_decorators_and_comments():
    source = "import x\n\n# note\n@decorate\nclass A:\n    pass\n\nlower = 1\nUPPER = 2\n"
    assert tool.definitions(source) == {"A": "# note\n@decorate\nclass A:\n    pass", "UPPER": "UPPER = 2"}


def test_a_cell_never_run_fails(pytester, request):
    conftest = (request.config.rootpath / "conftest.py").read_text()
    pytester.makeconftest(conftest)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(1)")])
    nbformat.write(notebook, pytester.path / "never.ipynb")
    result = pytester.runpytest_subprocess("--nbval", "--nbval-current-env", "never.ipynb")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no stored run*"])


def test_run_saves_what_strict_comparison_accepts(tmp_path):
    path = tmp_path / "one.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")]), path)
    tool.run(path)
    cell = nbformat.read(path, as_version=4).cells[0]
    assert cell.execution_count == 1 and cell.outputs[0].data["text/plain"] == "2"
    assert "widgets" not in nbformat.read(path, as_version=4).metadata
