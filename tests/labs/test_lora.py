"""The lab on LoRA: what a short run costs, shows and scores."""

import pytest
import torch
from matplotlib.figure import Figure

from shared.gpt import GPTConfig, GPTModel
from shared.labs.lora import LAYER_CHOICES, cost_figure, short_runs

TINY = GPTConfig(vocab_size=30, context_length=8, emb_dim=16, n_heads=2, n_layers=1, drop_rate=0.0)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def run(**changes):
    torch.manual_seed(0)
    base = GPTModel(TINY)
    ids = torch.randint(0, 30, (4, 8))
    history: list = changes.pop("history", [])
    values = {"layers": "all linear layers", "rank": 2, "alpha": 4.0, **changes}
    before = {name: weight.clone() for name, weight in base.state_dict().items()}
    shown = list(
        short_runs(base, [(ids[:, :-1], ids[:, 1:])], lambda model: (3, 5), history, 6, **values)
    )
    assert all(torch.equal(weight, before[name]) for name, weight in base.state_dict().items()), (
        "the base was changed"
    )
    return shown, history


def test_the_costs_stand_on_the_bars():
    assert texts(cost_figure(1000, 50_000)) == ["50.00", "1.00", "0.60", "0.01"]


@pytest.mark.parametrize("layers", list(LAYER_CHOICES))
def test_a_short_run_shows_its_cost_then_its_progress_then_its_score(layers):
    shown, history = run(layers=layers)
    assert isinstance(shown[0][0], Figure) and all(figure is None for figure, _ in shown[1:])
    assert "working: step 3 of 6" in shown[1][1] and "3 of 5" in shown[-1][1] and len(history) == 1
    if layers.startswith("none"):
        assert f"{sum(p.numel() for p in GPTModel(TINY).parameters()):,}" in shown[-1][1]


def test_runs_are_collected_and_a_larger_rank_trains_more():
    history: list = []
    for rank in (1, 4):
        shown, _ = run(rank=rank, history=history)
    assert len(history) == 2 and shown[-1][1].count("<tr>") == 3
    one, four = (int(row[3].replace(",", "")) for row in history)
    assert four == 4 * one


def test_a_rank_that_is_too_large_is_refused_with_a_message():
    with pytest.raises(ValueError, match="rank=17"):
        run(rank=17)
