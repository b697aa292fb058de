"""The table of the lectures' numbers in README is what the code computes."""

import os

import lecture_numbers
import pytest

from shared.kit.repository import ROOT


@pytest.mark.skipif(
    not os.environ.get("LLM_COURSE_DATA"),
    reason="LLM_COURSE_DATA names no folder with the lectures' files, and tests do not download",
)
def test_readme_holds_the_table_and_every_number_agrees():
    table = lecture_numbers.table()
    assert "DIFFERS" not in table, table
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert table in readme, "run `python tests/course/lecture_numbers.py --write`"


def test_parameters_agree_without_any_file():
    assert all(
        abs(ours - expected) <= tolerance * expected
        for _, _, expected, ours, tolerance in lecture_numbers.parameter_rows()
    )
