"""Judges asked in both orders, replies that are read, judges held against what is known."""

import itertools

import pytest
from small_parts import PLAIN

from shared.judges import calibrate_judge, compare_pairwise, exact_judge, model_judge, read_verdict


def test_the_exact_judge():
    assert exact_judge(PLAIN, "5", "6") == "first"
    assert exact_judge(PLAIN, "6", " 5\n") == "second"
    assert exact_judge(PLAIN, "5", "5") == exact_judge(PLAIN, "4", "6") == "tie"


def test_pairs_are_counted_for_the_right_model():
    records = [PLAIN] * 5
    a, b = ["5", "5", "1", "2", "5"], ["5", "1", "5", "2", "1"]
    expected = {"a": 2, "b": 1, "tie": 2, "unsure": 0, "none": 0}
    assert compare_pairwise(exact_judge, records, a, b) == expected


@pytest.mark.parametrize(
    "verdict, name", [("first", "unsure"), ("second", "unsure"), ("tie", "tie"), ("none", "none")]
)
def test_a_judge_that_looks_at_places_only_decides_nothing(verdict, name):
    counts = compare_pairwise(lambda *_: verdict, [PLAIN] * 3, ["5"] * 3, ["6"] * 3)
    assert counts[name] == 3 and sum(counts.values()) == 3


MEANING = {  # verdict on (a, b), verdict on (b, a): who won, what it means where a is right
    ("first", "second"): ("a", "right"),
    ("second", "first"): ("b", "wrong"),
    ("tie", "tie"): ("tie", "tie"),
    ("first", "first"): ("unsure", "first"),
    ("second", "second"): ("unsure", "second"),
}


@pytest.mark.parametrize(
    "verdicts", list(itertools.product(("first", "second", "tie", "none"), repeat=2)), ids="-".join
)
def test_each_two_verdicts_have_one_meaning(verdicts):
    def judge(entry, first, second):
        assert entry is PLAIN
        return verdicts[0] if (first, second) == ("a", "b") else verdicts[1]

    other = ("none", "none") if "none" in verdicts else ("unsure", "tie")
    winner, meaning = MEANING.get(verdicts, other)
    for count, name in (
        (compare_pairwise(judge, [PLAIN], ["a"], ["b"]), winner),
        (calibrate_judge(judge, [PLAIN], ["a"], ["b"]), meaning),
    ):
        assert count[name] == 1 and sum(count.values()) == 1


def test_bad_judgements_and_lengths_are_refused():
    for judge in (lambda *_: "better", lambda *_: None):
        with pytest.raises(ValueError, match="the judge said.*(better|None)"):
            compare_pairwise(judge, [PLAIN], ["5"], ["6"])
    for function in (compare_pairwise, calibrate_judge):
        with pytest.raises(ValueError):
            function(exact_judge, [PLAIN], ["5", "5"], ["6"])


@pytest.mark.parametrize(
    "reply, verdict",
    [
        ("first", "first"),
        ("  Second.\n", "second"),
        ("It is a TIE", "tie"),
        ("Not the first. The second.", "second"),
        ("The second? No, the first!", "first"),
        ("**First**", "first"),
        ("", "none"),
        ("firsthand", "none"),
        ("Both are necktied.", "none"),
        ("no idea", "none"),
    ],
)
def test_the_last_verdict_of_a_reply_counts(reply, verdict):
    assert read_verdict(reply) == verdict


def test_a_model_is_asked_with_the_record_and_both_responses():
    asked = []

    def ask(text):
        asked.append(text)
        return "Not the first. The second."

    assert model_judge(ask)(PLAIN, "five {or} so", "6") == "second"
    assert (
        "Add 2 and 3." in asked[0] and "five {or} so" in asked[0] and asked[0].endswith("Verdict:")
    )
    assert model_judge(ask, "{output}: {first} or {second}?")(PLAIN, "x", "y") == "second"
    assert asked[1] == "5: x or y?"


def test_a_broken_judge_does_not_look_like_two_equal_models():
    counts = compare_pairwise(model_judge(lambda text: "I"), [PLAIN] * 4, ["5"] * 4, ["6"] * 4)
    assert counts["none"] == 4 and counts["tie"] == 0


def test_the_exact_scorer_is_calibrated_as_perfect_and_its_opposite_as_always_wrong():
    def opposite(entry, first, second):
        return exact_judge(entry, second, first)

    known = ([PLAIN] * 3, ["5", " 5", "5\n"], ["6", "", "55"])
    assert calibrate_judge(exact_judge, *known)["right"] == 3
    assert calibrate_judge(opposite, *known)["wrong"] == 3
