"""The exercises of 04_pretraining/11_inside_a_real_model."""

from dataclasses import replace

import pytest
import torch
from harness import exercise_tests

from shared.checks.inside_a_real_model import TINY_MAP, Bench, Evidence, judge_circuit
from shared.circuits import heads_off, round_losses, score_back
from shared.llama import LlamaConfig, LlamaModel


def settled(logits):
    best = logits.argmax(dim=-1).tolist()
    layer = len(best) - 1
    while layer > 0 and best[layer - 1] == best[-1]:
        layer -= 1
    return layer


def first_time(logits):
    best = logits.argmax(dim=-1).tolist()
    return best.index(best[-1])


def never_the_first(logits):
    return max(1, settled(logits))


FOUND = Evidence(
    off=((4, 0),),
    induction=((5, 1), (6, 2)),
    first_round=13.0,
    whole=1.7,
    without=7.3,
    control=2.4,
    score_whole=0.8,
    score_without=0.1,
)

RIGHT = {"by_hand": 0.7, "circuit": FOUND, "settled": settled}
WRONG = [
    ("by_hand", "three back", 0.25 / 3, "three back stands the same letter"),
    ("by_hand", "one back", 0.1, "that is one back"),
    ("by_hand", "row 2 too", 0.625, "row 2 is still the first round"),
    ("by_hand", "the sum", 2.1, "the sum of the three"),
    ("by_hand", "the best", 0.8, "the best of the three"),
    ("by_hand", "any", 0.5, "too small: take rows 3, 4 and 5"),
    ("circuit", "heads alone", [(4, 0)], r"give what bench.without"),
    ("circuit", "nothing off", replace(FOUND, off=()), "with no head off"),
    ("circuit", "many", replace(FOUND, off=((1, 1), (2, 2), (3, 3))), "3 heads are off"),
    ("circuit", "an induction head", replace(FOUND, off=((5, 1),)), "L5 H1 is one of the six"),
    ("circuit", "harmless", replace(FOUND, without=2.0), "rises by 0.3 nats, of 11.3"),
    ("circuit", "not read", replace(FOUND, score_without=0.7), "still look where they did"),
    ("circuit", "no control", replace(FOUND, control=6.0), "this proves nothing"),
    ("circuit", "no circuit", replace(FOUND, whole=12.5), "this model copies nothing"),
    ("settled", "the first time", first_time, "it must stay the best"),
    ("settled", "never 0", never_the_first, "it was the best all along|one state only"),
    ("settled", "a tensor", lambda logits: logits, "must return a whole number"),
]

test_answers, test_tables = exercise_tests("inside_a_real_model", RIGHT, WRONG)


def test_the_tiny_map_is_one_of_weights_and_has_the_score():
    tiny = torch.tensor(TINY_MAP)
    torch.testing.assert_close(tiny.sum(dim=1), torch.ones(6))
    assert tiny.triu(1).abs().max() == 0
    assert score_back(tiny.view(1, 1, 1, 6, 6), 2, 3).item() == pytest.approx(0.7)


@pytest.fixture
def bench():
    torch.manual_seed(0)
    cfg = LlamaConfig(
        vocab_size=40,
        context_length=32,
        emb_dim=32,
        n_heads=4,
        n_kv_heads=2,
        n_layers=3,
        hidden_dim=48,
    )
    model = LlamaModel(cfg).eval()
    half = torch.randint(40, (1, 6), generator=torch.Generator().manual_seed(1))
    return Bench(model, torch.cat([half, half], dim=1), [(2, 0), (2, 1)])


def test_the_bench_measures_what_is_lost_and_leaves_the_model_whole(bench):
    first, whole = round_losses(bench.model, bench.repeated)
    found = bench.without([(0, 1), (0, 1), (1, 3)])
    assert (found.off, found.first_round, found.whole) == (((0, 1), (1, 3)), first, whole)
    with heads_off(bench.model, found.off):
        assert found.without == round_losses(bench.model, bench.repeated)[1]
    assert found.score_without != found.score_whole and found.control >= whole
    assert round_losses(bench.model, bench.repeated)[1] == whole
    assert "without L0 H1 and L1 H3: loss of the second round" in str(found)


def test_a_model_of_random_weights_has_no_circuit(bench):
    assert "this model copies nothing" in judge_circuit(bench.without([(0, 0)]))


def test_the_bench_refuses_a_head_that_is_not_there(bench):
    with pytest.raises(ValueError, match="there is no head 9 in layer 0"):
        bench.without([(0, 9)])
