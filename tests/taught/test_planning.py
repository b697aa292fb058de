"""The plan is arithmetic: it scales with devices, and its memory is what the model holds."""

from dataclasses import replace

import pytest

from shared.counting import count_parameters, flops_per_token
from shared.gpt import GPTModel
from shared.gpt2_weights import GPT2_SIZES
from shared.planning import Hardware, accumulation_for, device_gigabytes, plan_training


def test_the_plan_scales_as_it_should():
    cfg = GPT2_SIZES["gpt2"]
    one = plan_training(cfg, 1e9, 512, 1, Hardware(1, 312, dollars_an_hour=2.0))
    eight = plan_training(cfg, 1e9, 512, 1, Hardware(8, 312, dollars_an_hour=2.0))
    assert one["hours"] == pytest.approx(8 * eight["hours"]) and one["dollars"] == pytest.approx(
        eight["dollars"]
    )
    assert one["hours"] == pytest.approx(
        3 * flops_per_token(cfg, 1024) * 1e9 / (312e12 * 0.4) / 3600
    )
    assert one["operations"] == pytest.approx(
        6 * sum(count_parameters(cfg).values()) * 1e9, rel=0.2
    )  # the rule 6 N D
    assert (
        eight["micro-batches a step and device"] * 8
        == one["micro-batches a step and device"]
        == 512
    )


def test_memory_of_a_device():
    cfg = replace(GPT2_SIZES["gpt2-xl"], drop_rate=0.0)
    whole, part = (
        device_gigabytes(cfg, 2, Hardware(8, 312, sharded=sharded)) for sharded in (False, True)
    )
    assert (
        whole["weights"]
        == pytest.approx(4 * 1_557_611_200 / 1e9)
        == pytest.approx(8 * part["weights"])
    )
    assert whole["activations"] == part["activations"]
    mixed = device_gigabytes(cfg, 2, Hardware(8, 312, mixed=True))
    loss = 4 * 2 * 1024 * 50257 / 1e9  # the log-probabilities stay in float32
    assert mixed["activations"] - loss == pytest.approx((part["activations"] - loss) / 2)
    small = replace(GPT2_SIZES["gpt2"], n_layers=2, emb_dim=48, vocab_size=60)
    held = 4 * sum(weight.numel() for weight in GPTModel(small).parameters())
    assert device_gigabytes(small, 1, Hardware(1, 1))["AdamW"] == pytest.approx(2 * held / 1e9)


@pytest.mark.parametrize("numbers", [(512, 3, 1), (512, 1, 640), (0, 1, 1), (8, 0, 1)])
def test_batches_that_do_not_come_out_even_are_refused(numbers):
    with pytest.raises(
        ValueError,
        match=f"global_batch={numbers[0]}.*batch_size={numbers[1]}.*devices={numbers[2]}",
    ):
        accumulation_for(*numbers)
