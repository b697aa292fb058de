"""A tagged cell holds definitions for keeps, and says what it takes from its notebook's imports."""

import ast
from pathlib import Path

import pytest

from shared.kit.births import (
    Refused,
    TaughtCell,
    births,
    defined_name,
    import_statements,
    names_needed,
)


def cell(source: str, module: str = "areas") -> TaughtCell:
    return TaughtCell(Path("01_data/01_areas.ipynb"), module, source, {})


def test_functions_classes_and_constants_are_definitions():
    source = "# why\n@cache\ndef f():\n    pass\n\n\nclass A:\n    pass\n\n\nLIMIT = 3"
    assert list(cell(source).definitions()) == ["f", "A", "LIMIT"]


@pytest.mark.parametrize(
    "source", ["print(1)", "lower = 3", "import os", "UPPER = 3\nprint(UPPER)", "A, B = 1, 2"]
)
def test_anything_else_is_refused_by_its_line(source):
    with pytest.raises(Refused, match="01_data/01_areas: a cell tagged shared:areas") as refusal:
        cell(source).definitions()
    assert repr(source.splitlines()[-1]) in str(refusal.value)


def test_each_name_has_its_cell():
    first, second = cell("def f():\n    pass"), cell("LIMIT = 3", "books")
    assert births([first, second]) == {"f": first, "LIMIT": second}


def test_a_name_is_for_keeps_or_not():
    names = [defined_name(node) for node in ast.parse("x = 1\nX = 1\nX_1 = 2\nx.Y = 3").body]
    assert names == [None, "X", "X_1", None]


def test_each_imported_name_has_its_statement():
    found = import_statements(
        "import math\nimport torch.nn as nn\nfrom a.b import c, d as e\nx = 1"
    )
    assert found == {
        "math": "import math",
        "nn": "import torch.nn as nn",
        "c": "from a.b import c",
        "e": "from a.b import d as e",
    }


def test_names_are_those_that_code_takes_from_outside():
    source = (
        "LIMIT = other\n\n\nclass A(nn.Module):\n    x: Tensor\n\n"
        "    def f(self, y: int = LIMIT) -> 'B':\n"
        "        local = y\n        return [i for i in math.ceil(local)] + len(self.x)"
    )
    assert names_needed(source) == {"other", "nn", "Tensor", "math"}
