"""Loss, evaluation and the training loop: properties that any right implementation has."""

import contextlib
import copy
import dataclasses
import math
import random
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from small_parts import SMALL, pieces, same_weights, train
from torch import nn

import shared.training
from shared.dataloader import create_dataloader, split_text
from shared.gpt import GPTConfig, GPTModel
from shared.kit.corpora import load_corpus
from shared.kit.gpt2_vocabulary import get_tokenizer
from shared.training import (
    calc_loss_batch,
    calc_loss_loader,
    evaluate_model,
    generate_and_print_sample,
    interrupts_wait,
    train_model,
    train_model_simple,
)
from shared.training_state import TrainingState, random_states_kept

CFG = GPTConfig(vocab_size=50, context_length=8, emb_dim=16, n_heads=2, n_layers=2, drop_rate=0.2)


class Letters:
    """A tokenizer of single characters, enough for samples."""

    def encode(self, text, allowed_special=frozenset()):
        return [ord(c) % 50 for c in text]

    def decode(self, ids):
        return "".join(chr(97 + i % 26) for i in ids) + "\n"


class Letters30(Letters):
    """For the smaller vocabulary of `pieces`."""

    def encode(self, text, allowed_special=frozenset()):
        return [ord(c) % 30 for c in text]


class Counting(nn.Module):
    """Wraps a model and notes in which mode, and whether with gradients, it is called."""

    def __init__(self, model):
        super().__init__()
        self.model, self.calls, self.cfg = model, [], model.cfg

    def forward(self, idx):
        self.calls.append((self.training, torch.is_grad_enabled()))
        return self.model(idx)


def loaders(n=200, batch_size=4):
    ids = torch.randint(50, (n,), generator=torch.Generator().manual_seed(5)).tolist()
    return create_dataloader(ids, batch_size, 8, 8), create_dataloader(
        ids[:70], 2, 8, 8, shuffle=False
    )


def small_model(seed=1):
    torch.manual_seed(seed)
    return GPTModel(CFG)


def run(model, num_epochs, lr=3e-3, start_context=None, **options):
    train_loader, val_loader = loaders()
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    torch.manual_seed(3)
    return train_model(
        model,
        train_loader,
        val_loader,
        optimizer,
        "cpu",
        num_epochs,
        2,
        2,
        start_context,
        Letters(),
        progress=False,
        **options,
    )


# ---- the loss


def test_loss_is_the_mean_negative_log_probability_of_the_targets():
    model, (batch, targets) = small_model().eval(), next(iter(loaders()[0]))
    log_probs = model(batch).log_softmax(-1)
    by_hand = -torch.stack(
        [log_probs[b, t, targets[b, t]] for b in range(4) for t in range(8)]
    ).mean()
    torch.testing.assert_close(calc_loss_batch(batch, targets, model, "cpu"), by_hand)


def test_masked_targets_do_not_count_and_a_batch_of_them_is_refused():
    model, (batch, targets) = small_model().eval(), next(iter(loaders()[0]))
    masked = targets.clone()
    masked[1:] = -100
    expected = F.cross_entropy(model(batch)[0], targets[0])
    torch.testing.assert_close(calc_loss_batch(batch, masked, model, "cpu"), expected)
    with pytest.raises(ValueError, match="every target .* -100"):
        calc_loss_batch(batch, torch.full_like(targets, -100), model, "cpu")


def test_loss_of_a_loader_is_the_mean_over_the_batches_asked_for():
    model, (_, val_loader) = small_model().eval(), loaders()
    each = [calc_loss_batch(*batch, model, "cpu").item() for batch in val_loader]
    assert calc_loss_loader(val_loader, model, "cpu") == pytest.approx(sum(each) / len(each))
    assert calc_loss_loader(val_loader, model, "cpu", 2) == pytest.approx(sum(each[:2]) / 2)
    assert calc_loss_loader(val_loader, model, "cpu", 10_000) == calc_loss_loader(
        val_loader, model, "cpu"
    )


def test_a_loader_is_not_asked_for_more_batches_than_needed():
    given, model, (_, val_loader) = [], small_model(), loaders()

    class Watched(list):
        def __iter__(self):
            for batch in super().__iter__():
                given.append(batch)
                yield batch

    calc_loss_loader(Watched(val_loader), model, "cpu", 2)
    assert len(given) == 2


@pytest.mark.parametrize("num_batches", [0, -1, None])
def test_no_batch_is_an_error_and_not_nan(num_batches):
    with pytest.raises(ValueError, match="no batch to evaluate"):
        calc_loss_loader(
            [] if num_batches is None else loaders()[1], small_model(), "cpu", num_batches
        )


def test_untrained_loss_is_near_the_logarithm_of_the_vocabulary():
    torch.manual_seed(123)
    model = GPTModel(GPTConfig(50257, 64, emb_dim=64, n_heads=4, n_layers=2)).eval()
    ids = get_tokenizer().encode(split_text(load_corpus("story"))[0])
    loader = create_dataloader(ids[:700], 2, 64, 64)
    with torch.no_grad():
        assert abs(calc_loss_loader(loader, model, "cpu") - math.log(50257)) < 0.4


# ---- looking from outside


def test_evaluation_has_no_dropout_and_no_gradients_and_goes_back_to_training():
    model, (train_loader, val_loader) = Counting(small_model()), loaders()
    first = evaluate_model(model, train_loader, val_loader, "cpu", 1)
    assert set(model.calls) == {(False, False)} and model.training and model.model.training
    assert evaluate_model(model, val_loader, val_loader, "cpu", 2) == (
        evaluate_model(model, val_loader, val_loader, "cpu", 2)
    )
    assert first[1] == calc_loss_loader(val_loader, model.eval(), "cpu", 1)


@pytest.mark.parametrize("mode", [True, False])
def test_evaluation_and_sample_leave_the_mode_as_it_was(mode, capsys):
    model = small_model().train(mode)
    evaluate_model(model, *loaders(), "cpu", 1)
    assert all(part.training == mode for part in model.modules())
    generate_and_print_sample(model, Letters(), "cpu", "abc", max_new_tokens=2)
    assert all(part.training == mode for part in model.modules())


def test_evaluation_changes_no_weight():
    model = small_model()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    evaluate_model(model, *loaders(), "cpu", 2)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_a_sample_is_one_line_and_starts_with_the_context(capsys):
    model = small_model()
    generate_and_print_sample(model, Letters(), "cpu", "abc", max_new_tokens=12)
    first = capsys.readouterr().out
    assert first.count("\n") == 1 and len(first.strip()) == 15 and model.training
    generate_and_print_sample(model, Letters(), "cpu", "abc", max_new_tokens=12)
    assert capsys.readouterr().out == first  # greedy and without dropout


# ---- the loop


def test_it_learns_and_evaluates_every_eval_freq_steps(capsys):
    train_losses, val_losses, tokens_seen = run(small_model(), 12)
    batches = len(loaders()[0])
    assert train_losses[-1] < train_losses[0] - 0.5
    assert len(train_losses) == len(val_losses) == len(range(0, 12 * batches, 2))
    assert tokens_seen == [(step + 1) * 4 * 8 for step in range(0, 12 * batches, 2)]
    out = capsys.readouterr().out
    assert "Ep 1 (step 000000): train loss" in out and "Ep 12 (step" in out


def test_one_batch_can_be_memorised():
    torch.manual_seed(1)
    model = GPTModel(GPTConfig(50, 8, 32, 2, 2, drop_rate=0.0))
    loader = loaders(n=33)[0]  # 4 windows: one batch
    assert len(loader) == 1
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    train_losses, *_ = train_model(
        model, loader, loader, optimizer, "cpu", 80, 79, 1, None, Letters(), progress=False
    )
    assert train_losses[-1] < 0.1


def test_the_same_seeds_give_the_same_run():
    first, second = small_model(), small_model()
    assert run(first, 3) == run(second, 3)
    assert same_weights(first, second)


def run_simple(model, train_loader, val_loader, **options):
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    torch.manual_seed(3)
    given = {"start_context": None, "tokenizer": Letters()} | options
    return train_model_simple(
        model, train_loader, val_loader, optimizer, "cpu", 3, eval_freq=2, eval_iter=2, **given
    )


def test_both_loops_make_the_same_weights(monkeypatch):
    """To the last bit, once the plain loop's evaluations draw no random numbers either."""

    def still(model, *loaders_and_more):
        with random_states_kept(*loaders_and_more[:2]):
            return evaluate_model(model, *loaders_and_more)

    ours, plain = small_model(), small_model()
    results = run(ours, 3)
    monkeypatch.setattr(shared.training, "evaluate_model", still)
    assert run_simple(plain, *loaders()) == results
    assert same_weights(ours, plain)


def test_the_plain_loop_is_that_of_the_lectures():
    """Written once more, as recorded; its evaluations draw, and it must stay so."""
    model, recorded = small_model(), small_model()
    _, _, tokens = run_simple(model, *loaders())
    train_loader, val_loader = loaders()
    optimizer = torch.optim.AdamW(recorded.parameters(), lr=3e-3)
    torch.manual_seed(3)
    for epoch in range(3):
        recorded.train()
        for step, (batch, targets) in enumerate(train_loader, start=epoch * len(train_loader)):
            optimizer.zero_grad()
            F.cross_entropy(recorded(batch).flatten(0, 1), targets.flatten()).backward()
            optimizer.step()
            if step % 2 == 0:
                evaluate_model(recorded, train_loader, val_loader, "cpu", 2)
    assert same_weights(model, recorded)
    assert tokens == [(step + 1) * 4 * 8 for step in range(0, 3 * len(train_loader), 2)]


def test_the_plain_loop_writes_a_sample_and_calls_after_each_epoch(capsys):
    called = []
    run_simple(small_model(), *loaders(), start_context="abc", after_epoch=lambda: called.append(1))
    lines = capsys.readouterr().out.splitlines()
    assert len(called) == 3 and len([line for line in lines if not line.startswith("Ep ")]) == 3


def test_the_plain_loop_keeps_its_losses_when_stopped():
    def stop():
        raise KeyboardInterrupt

    train_losses, val_losses, tokens = run_simple(small_model(), *loaders(), after_epoch=stop)
    assert len(train_losses) == len(val_losses) == len(tokens) == 3


@pytest.mark.parametrize("own_generator", [True, False], ids=["loader's", "global"])
def test_looking_more_often_changes_nothing(own_generator, capsys):
    def weights(**options):
        model, *parts = pieces(own_generator)
        tokenizer = Letters30()
        tokenizer.decode = lambda ids: torch.rand(1) and "x"  # a sample that draws
        train_model(
            model, *parts, "cpu", 2, eval_iter=2, tokenizer=tokenizer, progress=False, **options
        )
        return nn.utils.parameters_to_vector(model.parameters())

    seldom = weights(eval_freq=100, start_context=None)
    assert torch.equal(seldom, weights(eval_freq=1, start_context=None))
    assert torch.equal(seldom, weights(eval_freq=3, start_context="abc"))


def test_a_sample_after_each_epoch_only_if_there_is_a_start(capsys):
    run(small_model(), 3)
    without = capsys.readouterr().out.splitlines()
    run(small_model(), 3, start_context="abc")
    with_samples = capsys.readouterr().out.splitlines()
    assert len(with_samples) == len(without) + 3 and all(line in with_samples for line in without)


def test_after_step_sees_every_step_and_the_last_batch_of_each_epoch():
    seen, batches = [], len(loaders()[0])
    run(small_model(), 2, after_step=lambda state: seen.append((state.global_step, state.batch)))
    assert [step for step, _ in seen] == list(range(2 * batches))
    assert [batch for _, batch in seen] == 2 * list(range(1, batches + 1))


def test_an_interrupt_keeps_what_was_learned(capsys):
    def stop(state):
        if state.global_step == 4:
            raise KeyboardInterrupt

    model, untouched = small_model(), small_model()
    train_losses, *_ = run(model, 5, after_step=stop)
    assert len(train_losses) == 3 and "Stopped after 5 steps" in capsys.readouterr().out
    assert not torch.equal(model.out_head.weight, untouched.out_head.weight)


def test_a_loss_that_is_not_a_number_names_the_step_and_the_remedy():
    model, state = small_model(), TrainingState()
    with pytest.raises(FloatingPointError, match=r"nan at step 1.*smaller learning rate"):
        run(model, 5, lr=1e30, state=state)
    assert state.global_step == 0


# ---- resumed: equal to the run never stopped, bit for bit, wherever it was stopped


@pytest.mark.parametrize(
    "own_generator", [True, False], ids=["loader generator", "global generator"]
)
@pytest.mark.parametrize("accumulation_steps", [1, 3])
def test_resumed_anywhere_equals_never_stopped(own_generator, accumulation_steps):
    snapshots = []

    def snapshot(state: TrainingState) -> None:
        snapshots.append(copy.deepcopy((model.state_dict(), optimizer.state_dict(), state)))

    model, *loaders, optimizer = pieces(own_generator)
    results = train(
        model, *loaders, optimizer, accumulation_steps=accumulation_steps, after_step=snapshot
    )
    assert len(snapshots) == 3 * math.ceil(len(loaders[0]) / accumulation_steps)
    for weights, moments, state in snapshots[
        ::-5
    ]:  # the last of all, of an epoch, and within epochs
        resumed, *new_loaders, new_optimizer = pieces(own_generator, seed=99)
        resumed.load_state_dict(weights)
        new_optimizer.load_state_dict(moments)
        torch.rand(5)  # whatever happens between loading and going on
        assert (
            train(
                resumed,
                *new_loaders,
                new_optimizer,
                accumulation_steps=accumulation_steps,
                state=state,
            )
            == results
        )
        assert same_weights(resumed, model)


def test_two_calls_equal_one():
    model, *loaders, optimizer = pieces()
    results = train(model, *loaders, optimizer)
    again, *loaders, optimizer = pieces()
    state = TrainingState()
    train(again, *loaders, optimizer, num_epochs=1, state=state)
    torch.rand(5)
    assert train(again, *loaders, optimizer, state=state) == results
    assert same_weights(again, model)


def test_stopped_by_the_button_and_continued():
    def stop(state: TrainingState) -> None:
        if state.global_step == 9:
            raise KeyboardInterrupt

    model, *loaders, optimizer = pieces()
    results = train(model, *loaders, optimizer)
    again, *loaders, optimizer = pieces()
    state = TrainingState()
    part = train(again, *loaders, optimizer, state=state, after_step=stop)
    assert part[0] == results[0][:5] and state.global_step == 9
    assert train(again, *loaders, optimizer, state=state) == results
    assert same_weights(again, model)


# ---- interrupts: a step is done and counted, or not done, whatever the moment

WATCHED = [Path(shared.training.__file__).name, "training_state.py", "generation.py", "adamw.py"]
WATCHED += ["adam.py", "sampler.py", "dataloader.py"]


def interrupted_at(moment, work):
    """Run `work` with an interrupt at the moment-th line of the watched files; the lines seen."""
    seen = 0

    def trace(frame, event, argument):
        nonlocal seen
        if Path(frame.f_code.co_filename).name not in WATCHED:
            return None
        if event == "line":
            seen += 1
            if seen == moment:
                signal.raise_signal(signal.SIGINT)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with contextlib.suppress(KeyboardInterrupt):  # it may come before the loop or after it
            work()
    finally:
        sys.settrace(before)
    return seen


def interruptible(own_generator=True):
    """A run of 6 steps with evaluations and samples, and everything that it leaves behind."""
    model, train_loader, val_loader, optimizer = pieces(own_generator)
    train_loader = create_dataloader(
        train_loader.dataset.token_ids[:73], 3, 8, 8, generator=train_loader.generator
    )
    state, called = TrainingState(), []

    def go_on():
        train_model(
            model, train_loader, val_loader, optimizer, "cpu", 2, 2, 2, "abc", Letters30(),
            state=state, progress=False,
            after_step=lambda state: called.append(state.global_step),
        )  # fmt: skip

    def result():
        numbers = dataclasses.asdict(state)
        moments = [m["exp_avg_sq"] for m in optimizer.state_dict()["state"].values()]
        tensors = [*model.parameters(), *moments, *numbers.pop("random").values()]
        del numbers["epoch_random"]
        return numbers | {"called": called}, [tensor.detach().clone() for tensor in tensors]

    return go_on, result


def assert_same_end(result, expected):
    assert result[0] == expected[0]
    assert all(torch.equal(a, b) for a, b in zip(result[1], expected[1], strict=True))


@pytest.mark.parametrize("own_generator", [True, False], ids=["loader's", "global"])
def test_interrupted_at_any_line_and_continued_equals_never_stopped(own_generator, capsys):
    go_on, result = interruptible(own_generator)
    lines = interrupted_at(-1, go_on)
    expected = result()
    assert expected[0]["global_step"] == 5 and len(expected[0]["val_losses"]) == 3
    for moment in random.Random(1).sample(range(1, lines + 1), 60):
        again, result = interruptible(own_generator)
        interrupted_at(moment, again)
        again()
        assert_same_end(result(), expected)


def test_an_interrupt_raised_while_evaluating_repeats_the_evaluation(monkeypatch, capsys):
    """By other means than a signal: the step counts, and the losses are those of the step."""
    go_on, result = interruptible()
    go_on()
    expected = result()

    def broken(*given):
        monkeypatch.undo()
        raise KeyboardInterrupt

    go_on, result = interruptible()
    monkeypatch.setattr(shared.training, "evaluate_model", broken)
    go_on()
    assert result()[0]["global_step"] == 0 and result()[0]["val_losses"] == []
    torch.rand(3)
    go_on()
    got, wanted = result(), expected
    assert got[0].pop("called") == wanted[0].pop("called")[1:]  # the step's own call was cut off
    assert_same_end(got, wanted)


def test_an_interrupt_waits_for_the_end_of_the_block():
    before = signal.getsignal(signal.SIGINT)
    reached = []
    with pytest.raises(KeyboardInterrupt):
        with interrupts_wait():
            signal.raise_signal(signal.SIGINT)
            reached.append("the end")
        reached.append("behind it")
    assert reached == ["the end"] and signal.getsignal(signal.SIGINT) == before
    with pytest.raises(ZeroDivisionError):
        with interrupts_wait():
            1 / 0  # noqa: B018
    assert signal.getsignal(signal.SIGINT) == before


def test_training_in_another_thread(capsys):
    go_on, result = interruptible()
    go_on()
    expected = result()
    go_on, result = interruptible()
    thread = threading.Thread(target=go_on)
    thread.start()
    thread.join()
    assert_same_end(result(), expected)


def test_a_loss_that_is_not_finite_stops_before_the_weights():
    model, *loaders, optimizer = pieces()

    def poison(state: TrainingState) -> None:
        if state.global_step == 3:
            kept.append(copy.deepcopy(model))
            model.register_forward_hook(lambda module, inputs, logits: logits * math.nan)

    kept = []
    with pytest.raises(FloatingPointError, match="loss is nan at step 4"):
        train(model, *loaders, optimizer, eval_freq=100, after_step=poison)
    assert same_weights(model, kept[0])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"accumulation_steps": 0}, "accumulation_steps=0"),
        ({"state": TrainingState(batch=50)}, "needs at least 50"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        train(*pieces(), **options)


def test_an_empty_loader_is_refused():
    model, loader, val_loader, optimizer = pieces()
    empty = create_dataloader(torch.arange(10), 3, 8, 8)
    with pytest.raises(ValueError, match="0 batches"):
        train(model, empty, val_loader, optimizer)


def test_micro_batches_equal_the_full_batch_with_masked_targets_too():
    """Targets of -100 in one half only: each micro-batch counts by its share of the targets."""
    torch.manual_seed(1)
    inputs, targets = torch.randint(30, (4, 8)), torch.randint(30, (4, 8))
    targets[:2, 1:] = -100
    models = [GPTModel(replace(SMALL, drop_rate=0.0)) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    for model, batches in zip(
        models, ([(inputs, targets)], list(zip(inputs.split(2), targets.split(2))))
    ):
        state = TrainingState()
        train(
            model,
            batches,
            batches,
            torch.optim.SGD(model.parameters(), lr=1.0),
            1,
            9,
            accumulation_steps=2,
            state=state,
        )
        assert state.global_step == 0 and state.tokens_seen == 32
    for one, other in zip(models[0].parameters(), models[1].parameters()):
        assert torch.allclose(one, other, atol=1e-6)
