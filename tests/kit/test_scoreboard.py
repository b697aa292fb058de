"""The scoreboard: rows of earlier notebooks, the record, a reader's own text."""

import json

import pytest

from shared.kit import scoreboard
from shared.kit.corpora import load_corpus
from shared.kit.scoreboard import Scoreboard, read_rows

FIRST, SECOND, THIRD = "01_data/01_a", "02_attention/01_b", "02_attention/02_c"


@pytest.fixture(autouse=True)
def record(tmp_path, monkeypatch):
    """A record of two rows in an empty folder, an empty cache, no recording."""
    path = tmp_path / "record.json"
    rows = [
        {"notebook": SECOND, "name": "average", "nats": 2.35, "text": "the"},
        {"notebook": FIRST, "name": "pairs", "nats": 2.32, "text": "th\ne"},
    ]
    path.write_text(json.dumps(rows), encoding="utf-8")
    monkeypatch.setattr(scoreboard, "RECORD", path)
    monkeypatch.setattr(scoreboard.pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    monkeypatch.delenv("LLM_COURSE_RECORD", raising=False)
    monkeypatch.delenv("LLM_COURSE_QUICK", raising=False)
    return path


def names(board):
    return [row["name"] for row in board.rows]


def test_a_notebook_sees_the_rows_before_it_and_its_own(record):
    board = Scoreboard(SECOND, load_corpus())
    assert names(board) == ["pairs"]
    board.add("head", 2.03, "a")
    board.add("head", 2.01, "b")
    assert names(board) == ["pairs", "head"] and board.loss("head") == 2.01
    assert len(read_rows(record)) == 2, "only the maintainer's run writes the record"


def test_the_maintainers_run_records_and_leaves_what_hardly_changed(record, monkeypatch):
    monkeypatch.setenv("LLM_COURSE_RECORD", "1")
    Scoreboard(SECOND, load_corpus()).add("average", 2.36, "other words")
    assert read_rows(record)[1]["nats"] == 2.35
    Scoreboard(SECOND, load_corpus()).add("average", 2.10, "other words")
    assert read_rows(record)[1] == {
        "notebook": SECOND,
        "name": "average",
        "nats": 2.1,
        "text": "other words",
    }
    monkeypatch.setenv("LLM_COURSE_QUICK", "1")
    Scoreboard(SECOND, load_corpus()).add("average", 3.0, "")
    assert read_rows(record)[1]["nats"] == 2.1


def test_an_own_text_has_a_record_of_its_own(record):
    text = "all work and no play " * 300
    Scoreboard(FIRST, text).add("pairs", 1.5, "all")
    assert names(Scoreboard(SECOND, text)) == ["pairs"]
    assert names(Scoreboard(SECOND, text + ".")) == []
    assert len(read_rows(record)) == 2


def test_table_and_bars_say_the_same(record):
    board = Scoreboard(THIRD, load_corpus())
    board.add("head", 2.0, "<b>")
    assert "2.32" in board.table() and "th<br>e" in board.table() and "&lt;b&gt;" in board.table()
    assert "2.89" in board.table("bits"), "2 nats are 2.89 bits"
    ax = board.bars().axes[0]
    assert [bar.get_width() for bar in ax.patches] == [2.32, 2.35, 2.0]
    assert "nats" in ax.get_xlabel() and "bits" in board.bars("bits").axes[0].get_xlabel()


@pytest.mark.parametrize("nats", [float("nan"), float("inf"), -0.1])
def test_what_is_no_loss_is_refused(nats):
    with pytest.raises(ValueError, match="0 or more, not"):
        Scoreboard(FIRST, load_corpus()).add("pairs", nats, "")


def test_the_record_of_the_course_is_in_order():
    rows = json.loads((scoreboard.DATA_FOLDER / "scoreboard.json").read_text(encoding="utf-8"))
    assert [row["notebook"] for row in rows] == sorted(row["notebook"] for row in rows)
