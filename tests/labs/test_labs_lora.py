"""The labs on LoRA, PEFT and evaluation as plain functions, and the lab that works between Run and Stop."""

import asyncio

import pytest
import torch
from matplotlib.figure import Figure

from shared.gpt import GPTConfig, GPTModel
from shared.kit.widgets import LiveLab, slider, textbox
from shared.labs.evaluation import interval_figure, interval_lab
from shared.labs.lora import LAYER_CHOICES, cost_figure, score_table, short_runs, table

TINY = GPTConfig(vocab_size=30, context_length=8, emb_dim=16, n_heads=2, n_layers=1, drop_rate=0.0)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def test_the_table_escapes_what_models_write():
    assert "<b>" not in table(["x"], [["<b>bold</b>"]]) and "&lt;b&gt;" in table(["x"], [["<b>bold</b>"]])


def test_the_score_table_has_a_row_a_family_and_a_sum():
    shown = score_table({"base": {"plural": (1, 4), "capital": (2, 3)}, "new": {"plural": (4, 4), "capital": (2, 3)}})
    assert shown.count("<tr>") == 4 and "3 of 7" in shown and "6 of 7" in shown


def test_the_costs_stand_on_the_bars():
    assert texts(cost_figure(1000, 50_000)) == ["50.00", "1.00", "0.60", "0.01"]


def run(**changes):
    torch.manual_seed(0)
    base = GPTModel(TINY)
    ids = torch.randint(0, 30, (4, 8))
    history: list = changes.pop("history", [])
    values = {"layers": "all linear layers", "rank": 2, "alpha": 4.0, **changes}
    before = {name: weight.clone() for name, weight in base.state_dict().items()}
    shown = list(short_runs(base, [(ids[:, :-1], ids[:, 1:])], lambda model: (3, 5), history, 6, **values))
    assert all(torch.equal(weight, before[name]) for name, weight in base.state_dict().items()), "the base was changed"
    return shown, history


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


# ---- evaluation


def test_the_interval_lab_shows_both_intervals_and_never_fails_at_the_ends():
    shown = texts(interval_lab(percent=100, answers=20, confidence=95))
    assert shown == ["83.9 to 100.0", "100.0 to 100.0"]
    for percent in (0, 50, 100):
        for answers in (1, 1000):
            assert isinstance(interval_lab(percent, answers, 99), Figure)


def test_families_are_sorted_and_counted():
    ax = interval_figure({"weak": (0, 8), "strong": (8, 8)}).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["weak (8)", "strong (8)"]


# ---- the live lab


def counting(to, label):
    if to > 90:
        raise ValueError("too far")
    for i in range(1, to + 1):
        yield f"{label} {i}"


def make_lab(draw=counting):
    return LiveLab(draw, to=slider("to", 3, 1, 100), label=textbox("label", "at"))


def test_a_live_lab_shows_the_last_of_its_first_values_and_runs_again():
    lab = make_lab()
    assert lab.parts[0].value == "at 3" and lab._repr_mimebundle_()["text/html"] == "at 3"
    lab.controls["to"].value = 5
    assert lab.parts[0].value == "at 3" and "press Run" in lab.message.value, "it should wait for Run"
    lab.run_button.click()
    assert lab.parts[0].value == "at 5"


def test_a_part_that_is_not_yielded_stays_as_it_was():
    def draw(to):
        yield "cost", "working"
        yield None, f"score {to}"

    lab = LiveLab(draw, to=slider("to", 3, 1, 100))
    assert [part.value for part in lab.parts] == ["cost", "score 3"]


def test_a_live_lab_in_a_kernel_is_run_stopped_and_explains_errors():
    async def drive():
        lab = make_lab()
        lab.controls["to"].value = 50
        lab.run_button.click()
        await asyncio.sleep(0.1)
        assert "working" in lab.message.value and not lab.stop_button.disabled
        lab.stop_button.click()
        stopped = lab.parts[0].value
        await asyncio.sleep(0.1)
        assert lab.parts[0].value == stopped != "at 50" and lab.message.value == "stopped" and lab.stop_button.disabled
        lab.controls["to"].value = 2
        lab.run_button.click()
        await asyncio.sleep(0.2)
        assert lab.parts[0].value == "at 2" and lab.message.value == "done" and lab.stop_button.disabled
        lab.controls["to"].value = 91
        lab.run_button.click()
        await asyncio.sleep(0.1)
        assert "ValueError: too far" in lab.message.value and lab.parts[0].value == "at 2"

    asyncio.run(drive())


def test_a_new_run_ends_the_old_one():
    async def drive():
        lab = make_lab()
        lab.controls["to"].value = 60
        lab.run_button.click()
        await asyncio.sleep(0.05)
        lab.controls["label"].value = "new"
        lab.run_button.click()
        await asyncio.sleep(0.1)
        assert lab.parts[0].value.startswith("new")
        lab.stop_button.click()

    asyncio.run(drive())


# ---- PEFT


def test_two_models_answer_side_by_side(tmp_path):
    from shared.hub_models import load_base, make_tiny_gptj
    from shared.labs.peft import compare_answers, length_figure, loss_figure, side_by_side
    from shared.peft_lora import Recipe, add_adapter

    base, tokenizer = load_base(make_tiny_gptj(tmp_path))
    model = add_adapter(base, Recipe())
    shown = list(compare_answers(model, tokenizer, False, "Say <i>this</i>.", "", 4))
    assert 4 <= len(shown) <= 5 and all(page.count("<td") == 2 for page in shown)
    left, right = (part.split("<br>", 1)[1].split("</td>")[0] for part in shown[-1].split("<td")[1:])
    assert left == right, "an adapter that starts at zero answers as its base does"
    torch.nn.init.normal_(next(w for n, w in model.named_parameters() if "lora_B" in n), std=2.0)
    left, right = (part.split("<br>", 1)[1] for part in list(
        compare_answers(model, tokenizer, False, "Say this.", "", 4))[-1].split("<td")[1:])
    assert left != right
    with pytest.raises(ValueError, match="the instruction is empty"):
        next(compare_answers(model, tokenizer, False, "  ", "x", 4))
    assert "<b>x" not in side_by_side("<b>x", "y\nz") and "y<br>z" in side_by_side("<b>x", "y\nz")
    log = [{"step": 2, "loss": 3.0}, {"step": 2, "eval_loss": 2.5},
           {"step": 4, "loss": 2.0}, {"step": 4, "eval_loss": 2}]
    lines = loss_figure(log).axes[0].lines
    assert [list(line.get_ydata()) for line in lines] == [[3.0, 2.0], [2.5, 2]]
    assert sum(patch.get_height() for patch in length_figure([3, 4, 4], 8).axes[0].patches) == 3
