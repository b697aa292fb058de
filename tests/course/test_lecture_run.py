"""The recorded run on The Verdict: made with these settings, beside these numbers, and its first
steps come out again.
"""

import json
import os

import lecture_run
import pytest

from shared.kit.repository import ROOT


@pytest.fixture(scope="module")
def record():
    return json.loads(lecture_run.RECORD.read_text(encoding="utf-8"))


def test_the_record_is_of_this_run(record):
    assert record["settings"] == lecture_run.SETTINGS
    assert record["lecture"] == lecture_run.LECTURE
    assert list(record["losses"]) == [str(step) for step in range(0, 90, 5)]
    assert len(record["samples"]) == 10
    assert all(sample.startswith("Every effort moves you") for sample in record["samples"])
    assert (ROOT / record["made by"].split()[1]).is_file()


def test_the_record_is_what_the_lectures_show(record):
    """The losses as printed, early ones to the last digit; rounding grows with the steps."""
    for step, shown in lecture_run.LECTURE["losses"].items():
        assert record["losses"][step] == pytest.approx(shown, abs=0.001 if int(step) < 10 else 0.02)
    for epoch, words in lecture_run.LECTURE["words"].items():
        assert words in " ".join(record["samples"][int(epoch) - 1].split()), epoch


@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get("LLM_COURSE_DATA"), reason="LLM_COURSE_DATA names no folder with The Verdict"
)
def test_the_first_steps_come_out_again(record):
    """Nine steps of the whole model. The first two evaluations are the lectures' to 0.01."""
    losses, samples = lecture_run.lecture_run(epochs=1)
    assert list(losses) == ["0", "5"]
    for step, pair in losses.items():
        assert pair == pytest.approx(lecture_run.LECTURE["losses"][step], abs=0.01)
        assert pair == pytest.approx(record["losses"][step], abs=0.01)
    assert samples[0].startswith("Every effort moves you,")
