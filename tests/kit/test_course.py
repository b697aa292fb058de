"""The maintainer's command: what it refuses, and that it says why."""

import nbformat
import pytest

from shared.kit import course


def test_run_refuses_other_versions_than_the_pinned(monkeypatch, capsys):
    monkeypatch.setattr(
        course, "wrong_versions", lambda: {"matplotlib": ("3.10.9", "3.11.2"), "peft": ("1", None)}
    )
    monkeypatch.setattr(course, "run", lambda path: pytest.fail("nothing may run"))
    assert course.main(["run"]) == 1
    said = capsys.readouterr().err
    assert "matplotlib: 3.11.2 is installed, 3.10.9 is pinned" in said and "peft: missing" in said
    assert "pip install -r requirements.txt" in said and "Traceback" not in said


def test_run_without_names_leaves_the_heavy_notebooks_out(monkeypatch, capsys):
    ran = []
    monkeypatch.setattr(course, "wrong_versions", dict)
    monkeypatch.setattr(course, "run", lambda path: ran.append(course.short_name(path)))
    assert course.main(["run"]) == 0
    assert (
        not set(ran) & set(course.HEAVY)
        and "04_pretraining/03_pretraining_162m" in capsys.readouterr().err
    )
    light = len(ran)
    assert course.main(["run", "--all"]) == 0
    assert len(ran) - light == light + len(course.HEAVY)


def test_check_fails_where_a_copy_differs(monkeypatch, capsys):
    monkeypatch.setattr(course, "differences", lambda: {"gpt": "--- shared/gpt.py\n+x = 1"})
    assert course.main(["copy", "--check"]) == 1
    assert "+x = 1" in capsys.readouterr().out


def test_an_unknown_chapter_is_named(capsys):
    assert course.main(["test", "attenshun"]) == 1
    assert (
        "no chapter is called 'attenshun': there are 01_data, 02_attention"
        in capsys.readouterr().err
    )


HEAD = "# Averaging the past\n\n**The question:** How?"


@pytest.fixture
def small_course(tmp_path, monkeypatch):
    """A course of two notebooks, and the map of a third that is gone."""
    paths = [
        tmp_path / f"02_attention/{stem}.ipynb"
        for stem in ("01_averaging_the_past", "04_multi_head")
    ]
    (tmp_path / "02_attention" / "figures").mkdir(parents=True)
    (tmp_path / "02_attention" / "figures" / "map_03_old.svg").write_text("<svg/>")
    for path in paths:
        text, code = nbformat.v4.new_markdown_cell(HEAD), nbformat.v4.new_code_cell("x = 1")
        notebook = nbformat.v4.new_notebook(
            cells=[text, code], metadata={"course": {"ran": "0123456789abcdef"}}
        )
        nbformat.write(notebook, path)
    monkeypatch.setattr(course, "notebook_paths", lambda: paths)
    return paths


def test_draw_puts_a_map_below_each_title_and_changes_nothing_else(small_course):
    before = nbformat.read(small_course[1], as_version=4)
    assert course.main(["draw"]) == 0
    after = nbformat.read(small_course[1], as_version=4)
    title, alt, rest = after.cells[0].source.split("\n\n")
    assert (title, rest) == tuple(HEAD.split("\n\n"))
    assert alt.startswith("![") and alt.endswith("part 2 of 2.](figures/map_04_multi_head.svg)")
    after.cells[0].source = HEAD
    assert after == before
    figures = small_course[0].parent / "figures"
    assert {path.name for path in figures.iterdir()} == {
        "map_01_averaging_the_past.svg",
        "map_04_multi_head.svg",
    }


def test_drawing_twice_changes_nothing(small_course):
    course.main(["draw"])
    once = [path.read_bytes() for path in small_course]
    times = [path.stat().st_mtime_ns for path in small_course]
    course.main(["draw"])
    assert [path.read_bytes() for path in small_course] == once
    assert [path.stat().st_mtime_ns for path in small_course] == times, "not even written"


def test_draw_renews_a_map_that_says_something_else(small_course):
    notebook = nbformat.read(small_course[0], as_version=4)
    old = "# Averaging the past\n\n![old](figures/map_09_old.svg)\n\n**The question:** How?"
    notebook.cells[0].source = old
    nbformat.write(notebook, small_course[0])
    course.main(["draw"])
    source = nbformat.read(small_course[0], as_version=4).cells[0].source
    assert source.count("![") == 1 and "map_01_averaging_the_past.svg" in source


def test_draw_leaves_other_pictures_of_the_first_cell(small_course):
    source = "# Title\n\n![a bell](figures/bell.svg)\n\nText."
    names = ["02_attention/01_averaging_the_past"]
    new = course.with_map(source, small_course[0], names)
    assert new.endswith("\n\n![a bell](figures/bell.svg)\n\nText.") and new.count("![") == 2


def test_draw_names_a_notebook_without_a_place_and_writes_nothing(small_course, capsys):
    stray = small_course[0].parent / "06_flash.ipynb"
    small_course.append(stray)
    before = [path.read_bytes() for path in small_course[:2]]
    assert course.main(["draw"]) == 1
    said = capsys.readouterr().err
    assert "02_attention/06_flash has no place on the map" in said and "Traceback" not in said
    assert [path.read_bytes() for path in small_course[:2]] == before
