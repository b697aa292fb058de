"""A taught module is what its cells say, whole; nothing that was changed by hand is lost."""

import subprocess
import sys

import nbformat
import pytest

from shared.kit import copying, repository
from shared.kit.births import Refused

IMPORTS = "import math\nfrom collections import Counter\n\nimport torch.nn as nn"
AREA = "# why\ndef area(radius: float) -> float:\n    return math.pi * radius**2  # square metres"


@pytest.fixture
def house(tmp_path, monkeypatch):
    """An empty course; returns a function that writes a notebook: house(name, imports, *cells)."""
    monkeypatch.setattr(repository, "ROOT", tmp_path)
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "__init__.py").touch()

    def write(name: str, imports: str, *cells: tuple[str, str]) -> None:
        path = tmp_path / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        tagged = [
            nbformat.v4.new_code_cell(source, metadata={"tags": [f"shared:{module}"]})
            for module, source in cells
        ]
        nbformat.write(
            nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(imports), *tagged]), path
        )

    return write


def text(module: str) -> str:
    return copying.module_path(module).read_text(encoding="utf-8")


def test_a_new_module_is_written_with_its_imports(house):
    house("01_data/01_areas", IMPORTS, ("areas", AREA), ("areas", "LIMIT = 5"))
    assert copying.copy() == ["areas"]
    assert text("areas").startswith(
        '"""Areas.\n\nWritten from 01_data/01_areas: change it there.\n"""\n\n'
        f"import math\n\n\n{AREA}\n\n\nLIMIT = 5\n"
    )
    assert copying.copy() == [] and not copying.differences() and not copying.strays()


def test_order_is_that_of_birth_over_notebooks(house):
    house("02_more/01_later", "", ("areas", "def second() -> int:\n    return first()"))
    house("01_data/01_areas", "", ("areas", "def first() -> int:\n    return 1"))
    copying.copy()
    assert text("areas").index("def first") < text("areas").index("def second")
    assert "01_data/01_areas, 02_more/01_later: change it there" in text("areas").replace("\n", " ")


def test_a_module_with_a_main_can_be_run_and_one_without_says_nothing(house):
    main = "def main() -> None:\n    print(area(1.0))"
    house("01_data/01_areas", IMPORTS, ("areas", AREA), ("areas", main), ("rooms", "LIMIT = 5"))
    copying.copy()
    assert text("areas").count('\n\n\nif __name__ == "__main__":\n    main()\n') == 1
    assert "__main__" not in text("rooms")
    command = [sys.executable, "-m", "shared.areas"]
    run = subprocess.run(command, cwd=repository.ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.startswith("3.14159")
    assert not copying.differences() and not copying.copy(), "the guard is part of the module"


def test_a_name_born_elsewhere_is_imported_from_there(house):
    house("01_data/01_areas", IMPORTS, ("areas", AREA))
    house("01_data/02_rooms", "", ("rooms", "def room(r: float) -> float:\n    return 2 * area(r)"))
    copying.copy()
    assert "from shared.areas import area\n" in text("rooms") and "import math" not in text("rooms")


def test_the_first_line_of_the_docstring_is_kept(house):
    house("01_data/01_areas", IMPORTS, ("areas", AREA))
    copying.copy()
    path = copying.module_path("areas")
    path.write_text(
        text("areas").replace('"""Areas.', '"""How large things are.'), encoding="utf-8"
    )
    house("01_data/01_areas", IMPORTS, ("areas", AREA.replace("2", "3")))
    assert copying.copy() == ["areas"]
    assert text("areas").startswith('"""How large things are.\n\nWritten') and "radius**3" in text(
        "areas"
    )


def test_renaming_leaves_no_orphan(house):
    house(
        "01_data/01_areas",
        IMPORTS,
        ("areas", AREA),
        ("areas", "def user() -> float:\n    return area(1.0)"),
    )
    copying.copy()
    house(
        "01_data/01_areas",
        IMPORTS,
        ("areas", AREA.replace("area", "disc")),
        ("areas", "def user() -> float:\n    return disc(1.0)"),
    )
    copying.copy()
    assert "def area" not in text("areas") and text("areas").index("def disc") < text(
        "areas"
    ).index("def user")
    subprocess.run([sys.executable, "-c", "import shared.areas"], cwd=repository.ROOT, check=True)


@pytest.mark.parametrize(
    "change",
    {
        "a changed line": lambda code: code.replace("radius**2", "radius * radius"),
        "an added function": lambda code: code.replace(
            "\n\n\n# Written", "\n\n\ndef orphan():\n    pass\n\n\n# Written"
        ),
        "a line at the end": lambda code: code + "\n\ndef orphan():\n    pass\n",
        "an added import": lambda code: code.replace("import math", "import math\nimport os"),
        "no digest": lambda code: code.partition("# Written by")[0],
    }.items(),
    ids=lambda case: case[0],
)
def test_a_change_by_hand_is_refused_and_kept(house, change):
    house("01_data/01_areas", IMPORTS, ("areas", AREA))
    copying.copy()
    mine = change[1](text("areas"))
    assert mine != text("areas")
    copying.module_path("areas").write_text(mine, encoding="utf-8")
    assert list(copying.differences()) == ["areas"], "the check looks both ways"
    for cell in (AREA, AREA.replace("2", "3")):  # whether or not the notebook has changed too
        house("01_data/01_areas", IMPORTS, ("areas", cell))
        with pytest.raises(
            Refused, match="changed by hand, and copying would lose that"
        ) as refusal:
            copying.copy()
        assert text("areas") == mine and "git checkout shared/areas.py" in str(refusal.value)


def test_one_refused_module_leaves_all_as_they_were(house):
    house("01_data/01_areas", IMPORTS, ("areas", AREA), ("books", "PAGES = 3"))
    copying.copy()
    copying.module_path("books").write_text("PAGES = 4\n", encoding="utf-8")
    house("01_data/01_areas", IMPORTS, ("areas", AREA.replace("2", "3")), ("books", "PAGES = 3"))
    before = text("areas")
    with pytest.raises(Refused, match="books"):
        copying.copy()
    assert text("areas") == before


def test_a_missing_import_is_named(house):
    house("01_data/01_areas", "import os", ("areas", AREA))
    with pytest.raises(Refused, match="'math', which 01_data/01_areas neither imports"):
        copying.copy()
    assert not copying.module_path("areas").exists()


def test_strays_are_named(house):
    house("01_data/01_areas", IMPORTS, ("areas", AREA))
    house("02_more/01_later", "from shared.areas import area, gone", ("more", "LIMIT = 1"))
    copying.copy()
    copying.module_path("loose").write_text("def loose():\n    pass\n", encoding="utf-8")
    first, second = copying.strays()
    assert first.startswith("shared/loose.py is written from no tagged cell")
    assert second == "02_more/01_later imports gone, which shared/areas.py has not"
