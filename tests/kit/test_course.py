"""The maintainer's command: what it refuses, and that it says why."""

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
