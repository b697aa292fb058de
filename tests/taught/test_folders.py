"""Folders that are written whole or not at all, and the files of settings in them."""

import json

import pytest

from shared.folders import new_folder, write_json


def test_a_folder_appears_whole(tmp_path):
    seen = []

    def fill(part):
        (part / "one").write_text("1")
        seen.append((tmp_path / "a" / "new").exists())

    new_folder(tmp_path / "a" / "new", fill)
    assert seen == [False] and (tmp_path / "a" / "new" / "one").read_text() == "1"
    (tmp_path / "empty").mkdir()
    new_folder(tmp_path / "empty", fill)
    assert (tmp_path / "empty" / "one").read_text() == "1"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "empty"]


def test_what_fails_leaves_nothing(tmp_path):
    def fill(part):
        (part / "one").write_text("1")
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        new_folder(tmp_path / "new", fill)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_empty_is_not_touched(tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    (old / "mine.txt").write_text("mine")
    for path in (old, old / "mine.txt"):
        with pytest.raises(FileExistsError, match=f"{path.name} is there and is not empty"):
            new_folder(path, lambda part: pytest.fail("it must not be called"))
    assert [path.name for path in tmp_path.rglob("*")] == ["old", "mine.txt"]


def test_what_a_killed_run_left_does_not_come_along(tmp_path):
    (tmp_path / "new.part").mkdir()
    (tmp_path / "new.part" / "half").write_text("half")
    new_folder(tmp_path / "new", lambda part: (part / "one").write_text("1"))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["one"]


def test_settings_are_json_of_any_alphabet(tmp_path):
    write_json(tmp_path / "config.json", {"name": "naïve \U0001f642", "n": 3})
    text = (tmp_path / "config.json").read_text(encoding="utf-8")
    assert "naïve" in text and json.loads(text) == {"name": "naïve \U0001f642", "n": 3}
