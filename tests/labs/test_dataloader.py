"""The window lab shows the windows and batches of the real loader."""

import re

import pytest

from shared.dataloader import create_dataloader
from shared.kit.widgets import Lab, slider, switch
from shared.labs.dataloader import COLOURS, window_grid, window_lab


def numbers_below(page: str) -> list[str]:
    return re.findall(r"<small[^>]*>(.*?)</small>", page)


@pytest.mark.parametrize(
    "length, context, stride, batch_size, drop_last",
    [
        (22, 4, 4, 2, True),
        (22, 4, 4, 2, False),
        (40, 1, 1, 8, True),
        (40, 16, 16, 8, True),
        (17, 16, 3, 1, False),
        (30, 3, 7, 2, True),
        (40, 6, 2, 3, True),
    ],
)
def test_windows_and_batches_are_those_of_the_loader(
    length, context, stride, batch_size, drop_last
):
    loader = create_dataloader(
        range(length), batch_size, context, stride, shuffle=False, drop_last=drop_last
    )
    seen = [int(token) for x, _ in loader for token in x.flatten()]
    page = window_lab(length, context, stride, batch_size, drop_last)
    assert (
        f"= <b>{len(loader.dataset)}</b>" in page
        and f"batches of {batch_size}: <b>{len(loader)}</b>" in page
    )
    assert f"never an input: {length - len(set(seen))}</b>" in page
    counted = [seen.count(token) for token in range(length)]
    assert numbers_below(page) == [f"{n}×" if n else "never" for n in counted]


def test_the_grid_marks_inputs_targets_and_dropped_windows():
    grid, times = window_grid(length=8, context=2, stride=2, batch_size=2, windows=3, used=2)
    assert grid == [[1, 1, 3, 0, 0, 0, 0, 0], [0, 0, 1, 1, 3, 0, 0, 0], [0, 0, 0, 0, 4, 4, 3, 0]]
    assert times == [1, 1, 1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize(
    "settings, done",
    [
        ((22, 4, 4, 2, True), []),
        ((22, 3, 5, 2, True), [1, 2]),
        ((22, 3, 5, 3, True), [1]),
        ((8, 3, 4, 2, True), [1, 2]),
        ((22, 4, 4, 5, True), [2]),
        ((22, 4, 4, 1, True), []),
        ((22, 4, 4, 5, False), []),
        ((30, 6, 2, 3, True), [2, 3]),
        ((30, 6, 2, 5, True), [3]),
        ((30, 5, 2, 3, True), []),
        ((30, 3, 1, 3, True), [2, 3]),
        ((22, 4, 4, 8, True), []),
    ],
)
def test_the_lab_says_which_tasks_are_done(settings, done):
    page = window_lab(*settings)
    said = re.findall(r"\((\d)\) [\w ]+: <b>(found|not yet)</b>", page)
    assert [int(number) for number, found in said if found == "found"] == done
    assert len(said) == 3


def test_the_lab_shows_the_text_that_the_notebook_reads(tmp_path):
    (tmp_path / "own.txt").write_text("zebra stripes " * 1000, encoding="utf-8")
    page = window_lab(22, 4, 4, 2, True, corpus=str(tmp_path / "own.txt"))
    assert "stripes" in page and page.count("<small") == 22


def test_a_context_that_does_not_fit_says_so():
    with pytest.raises(ValueError, match="4 tokens are too few"):
        window_lab(4, 4, 1, 1, True)


def test_the_table_shows_the_grid():
    page = window_lab(length=22, context=4, stride=4, batch_size=2, drop_last=True)
    grid, _ = window_grid(22, 4, 4, 2, windows=5, used=4)
    shown = re.findall(r'<td style="background:(#\w+)', page)
    assert shown == [COLOURS[kind] for row in grid for kind in row]
    assert re.findall(r">window (\d)<", page) == ["0", "1", "2", "3", "4"]


def test_moving_a_control_changes_the_picture():
    lab = Lab(
        window_lab,
        length=slider("n", 22, 4, 40),
        context=slider("T", 4, 1, 16),
        stride=slider("s", 4, 1, 16),
        batch_size=slider("B", 2, 1, 8),
        drop_last=switch("drop_last", True),
    )
    moves = {"length": 30, "context": 5, "stride": 2, "batch_size": 3, "drop_last": False}
    for name, value in moves.items():
        before = [part.value for part in lab.parts]
        lab.controls[name].value = value
        assert [part.value for part in lab.parts] != before, name
