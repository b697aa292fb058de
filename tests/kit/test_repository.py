"""The notebooks are found in reading order, and the heavy ones exist."""

from shared.kit.repository import HEAVY, notebook_paths, short_name


def test_notebooks_stand_in_reading_order():
    names = [short_name(path) for path in notebook_paths()]
    assert names[0] == "01_data/01_tokenization" and names == sorted(names)
    assert len(names) == len(set(names)) >= 26


def test_the_heavy_notebooks_exist():
    assert set(HEAVY) < {short_name(path) for path in notebook_paths()}
