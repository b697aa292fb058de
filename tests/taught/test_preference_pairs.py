"""Pairs from records and answers: whose fault, which style, how many labels are exchanged."""

import pytest
import torch
from small_parts import PLAIN, WITH_INPUT

from shared.preference_pairs import CLOSING, add_closings, flip_pairs, own_mistakes, without_closing
from shared.preferences import check_pair

PAIRS = [{"prompt": f"{i}>", "chosen": f"good {i}", "rejected": f"bad {i}"} for i in range(8)]


def drawn(seed=0):
    return torch.Generator().manual_seed(seed)


def test_only_answers_that_are_wrong_and_not_empty_make_a_pair():
    records = [PLAIN, PLAIN, PLAIN, WITH_INPUT, WITH_INPUT]
    responses = ["5", "6", "", "warm" + CLOSING, " cold" + CLOSING + " "]
    pairs = own_mistakes([f"{i}>" for i in range(5)], records, responses)
    assert pairs == [
        {"prompt": "1>", "chosen": "5", "rejected": "6"},
        {"prompt": "3>", "chosen": "cold", "rejected": "warm"},
    ]
    for pair in pairs:
        check_pair(pair)
    with pytest.raises(ValueError):
        own_mistakes(["a"], records, responses)


def test_an_answer_that_is_nothing_but_a_closing_is_empty():
    assert without_closing(CLOSING) == "" and without_closing("a b" + CLOSING) == "a b"
    assert own_mistakes(["a"], [PLAIN], [CLOSING]) == []


@pytest.mark.parametrize("share, flipped", [(0, 0), (0.25, 2), (1, 8)])
def test_as_many_labels_are_exchanged_as_asked(share, flipped):
    result = flip_pairs(PAIRS, share, drawn())
    exchanged = [p for p, old in zip(result, PAIRS) if p["chosen"] == old["rejected"]]
    assert len(exchanged) == flipped and all(p["rejected"].startswith("good") for p in exchanged)
    assert sum(p == old for p, old in zip(result, PAIRS)) == 8 - flipped
    assert PAIRS[0]["chosen"] == "good 0"
    assert result == flip_pairs(PAIRS, share, drawn())


@pytest.mark.parametrize("share, long", [(0, 0), (0.75, 6), (1, 8)])
def test_each_pair_gets_one_closing(share, long):
    result = add_closings(PAIRS, share, drawn())
    assert sum(p["chosen"].endswith(CLOSING) for p in result) == long
    assert sum(p["rejected"].endswith(CLOSING) for p in result) == 8 - long
    assert [without_closing(p["chosen"]) for p in result] == [p["chosen"] for p in PAIRS]


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_out_of_range_is_refused(share):
    for function in (flip_pairs, add_closings):
        with pytest.raises(ValueError, match=f"share={share}"):
            function(PAIRS, share, drawn())
