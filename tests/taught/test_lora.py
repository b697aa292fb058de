"""LoRA changes nothing at the start, merged equals unmerged, adapters travel alone, PEFT agrees."""

import copy
import json
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import shared.training as training_module
from shared.finetuning import finetune
from shared.generation import generate
from shared.gpt import GPTConfig, GPTModel
from shared.instructions import create_instruction_dataloader, format_input
from shared.llama import LlamaConfig, LlamaModel
from shared.lora import (
    ALL_LINEAR,
    LoRALinear,
    adapter_weights,
    apply_lora,
    base_fingerprint,
    count_trainable,
    load_adapter,
    lora_layers,
    merge_lora,
    save_adapter,
    set_adapter,
    switch_lora,
)
from shared.schedules import attach_clipping, attach_schedule

TINY = GPTConfig(
    vocab_size=50,
    context_length=16,
    emb_dim=24,
    n_heads=2,
    n_layers=2,
    drop_rate=0.0,
    qkv_bias=True,
)


def tiny_gpt(seed=0, **changes):
    torch.manual_seed(seed)
    return GPTModel(GPTConfig(**{**vars(TINY), **changes})).eval()


def some_ids(seed=1):
    return torch.randint(0, 50, (3, 9), generator=torch.Generator().manual_seed(seed))


def randomise(model, seed=2):
    """Give the zero matrices values, as training would."""
    generator = torch.Generator().manual_seed(seed)
    for layer in lora_layers(model).values():
        layer.B.data = torch.randn(layer.B.shape, generator=generator) * 0.2


def train(model, steps=3):
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    ids = some_ids()
    for _ in range(steps):
        loss = nn.functional.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


@pytest.mark.parametrize("targets", [("W_query", "W_value"), ALL_LINEAR, ("out_head",)])
def test_nothing_changes_at_the_start(targets):
    model = tiny_gpt()
    before = model(some_ids())
    apply_lora(model, targets, rank=4, alpha=8)
    assert torch.equal(model(some_ids()), before)


@settings(max_examples=25, deadline=None)
@given(
    d_in=st.integers(1, 12),
    d_out=st.integers(1, 12),
    share=st.floats(0, 1),
    alpha=st.floats(0.5, 32),
    bias=st.booleans(),
    seed=st.integers(0, 999),
)
def test_a_layer_is_the_linear_layer_with_its_change_added(d_in, d_out, share, alpha, bias, seed):
    torch.manual_seed(seed)
    rank = max(1, round(share * min(d_in, d_out)))
    linear = nn.Linear(d_in, d_out, bias=bias)
    x = torch.randn(2, 3, d_in)
    layer = LoRALinear(copy.deepcopy(linear), rank, alpha)
    layer.B.data.normal_()
    expected = linear(x) + alpha / rank * (x @ layer.A.T @ layer.B.T)
    assert torch.allclose(layer(x), expected, atol=1e-4, rtol=1e-4)
    assert torch.linalg.matrix_rank(layer.change()) <= rank


@pytest.mark.parametrize("targets", [("W_query", "W_value"), ALL_LINEAR])
def test_merged_equals_unmerged(targets):
    model = tiny_gpt()
    before = model(some_ids())
    apply_lora(model, targets, rank=4, alpha=8)
    randomise(model)
    adapted = model(some_ids())
    merge_lora(model)
    assert not lora_layers(model) and not torch.allclose(adapted, before, atol=1e-2)
    assert torch.allclose(model(some_ids()), adapted, atol=1e-5)


def test_merging_a_tied_head_leaves_the_embedding_alone():
    model = tiny_gpt(tie_weights=True)
    embedding = model.tok_emb.weight.detach().clone()
    apply_lora(model, ("out_head",), rank=2, alpha=2)
    randomise(model)
    adapted = model(some_ids())
    merge_lora(model)
    assert torch.equal(model.tok_emb.weight, embedding)
    assert torch.allclose(model(some_ids()), adapted, atol=1e-5)


def test_switched_off_the_base_model_is_back_bit_for_bit():
    model = tiny_gpt()
    before = model(some_ids())
    apply_lora(model, ALL_LINEAR, rank=4, alpha=8)
    train(model)
    switch_lora(model, False)
    assert torch.equal(model(some_ids()), before)
    switch_lora(model, True)
    assert not torch.allclose(model(some_ids()), before, atol=1e-3)


def test_training_changes_the_adapter_and_nothing_else():
    model = tiny_gpt()
    apply_lora(model, ALL_LINEAR, rank=4, alpha=8)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    first, last = train(model, 1), train(model, 20)
    changed = {
        name for name, weight in model.state_dict().items() if not torch.equal(weight, before[name])
    }
    assert last < first
    assert changed == {f"{name}.{matrix}" for name in lora_layers(model) for matrix in "AB"}
    assert {n for n, p in model.named_parameters() if p.requires_grad} == changed
    assert all(p.grad is None for n, p in model.named_parameters() if n not in changed)


@pytest.mark.parametrize("rank", [1, 4])
def test_trainable_share_is_rank_times_both_sides(rank):
    model = tiny_gpt()
    _, total = count_trainable(model)
    apply_lora(model, ("W_query", "layers.0"), rank=rank, alpha=1)
    trainable = TINY.n_layers * rank * ((24 + 24) + (24 + 96))
    assert count_trainable(model) == (trainable, total + trainable)


def test_targets_are_whole_parts_of_names():
    model = tiny_gpt()
    apply_lora(model, ("W_query",), rank=1, alpha=1)
    assert list(lora_layers(model)) == ["trf_blocks.0.att.W_query", "trf_blocks.1.att.W_query"]
    with pytest.raises(ValueError, match="query"):
        apply_lora(tiny_gpt(), ("query",), rank=1, alpha=1)


def test_an_adapter_travels_alone(tmp_path):
    model = tiny_gpt()
    apply_lora(model, ("W_query", "W_value"), rank=2, alpha=4)
    train(model)
    save_adapter(model, tmp_path / "adapter.safetensors")
    fresh = tiny_gpt()
    load_adapter(fresh, tmp_path / "adapter.safetensors")
    assert torch.equal(fresh(some_ids()), model(some_ids()))
    numbers = count_trainable(model)[0]
    assert 4 * numbers < (tmp_path / "adapter.safetensors").stat().st_size < 4 * numbers + 2000


def test_generation_with_a_cache_runs_on_the_adapted_model():
    model = tiny_gpt()
    apply_lora(model, ALL_LINEAR, rank=2, alpha=4)
    randomise(model)
    with_adapter = generate(model, some_ids()[:1], 5, 16)
    merge_lora(model)
    assert torch.equal(generate(model, some_ids()[:1], 5, 16), with_adapter)


def test_the_fingerprint_belongs_to_the_base():
    model = tiny_gpt()
    fingerprint = base_fingerprint(model)
    apply_lora(model, ALL_LINEAR, rank=2, alpha=4)
    train(model)
    assert base_fingerprint(model) == fingerprint == base_fingerprint(tiny_gpt())
    merge_lora(model)
    assert base_fingerprint(model) != fingerprint


def saved_adapter(folder):
    model = tiny_gpt()
    apply_lora(model, ("W_query",), rank=2, alpha=4)
    save_adapter(model, folder / "adapter.safetensors")
    return folder / "adapter.safetensors"


@pytest.mark.parametrize(
    "other, words",
    [
        ({"emb_dim": 32}, r"trf_blocks.0.att.W_query to be \(24, 24\), found \(32, 32\)"),
        ({"n_layers": 1}, "trf_blocks.1.att.W_query to be .*found no such layer"),
        ({"seed": 5}, "trained on other weights"),
    ],
)
def test_an_adapter_for_another_model_is_refused(tmp_path, other, words):
    model = tiny_gpt(**other)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    with pytest.raises(ValueError, match=words):
        load_adapter(model, saved_adapter(tmp_path))
    after = model.state_dict()
    assert list(after) == list(before) and all(
        torch.equal(after[name], before[name]) for name in before
    )


def test_a_file_of_other_tensors_is_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="not an adapter"):
        load_adapter(tiny_gpt(), tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"rank": 0}, "rank=0"),
        ({"rank": 25}, r"rank=25 .*min\(24, 24\)"),
        ({"alpha": 0}, "alpha=0"),
        ({"targets": ()}, "nothing"),
        ({"targets": ("W_kwery",)}, "W_kwery"),
    ],
)
def test_wrong_settings_are_refused_and_leave_the_model_alone(settings, words):
    model = tiny_gpt()
    with pytest.raises(ValueError, match=words):
        apply_lora(model, **{"targets": ("W_query",), "rank": 2, "alpha": 4, **settings})
    assert not lora_layers(model) and all(p.requires_grad for p in model.parameters())


def test_a_second_adapter_and_a_missing_one_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no adapter to save"):
        save_adapter(tiny_gpt(), tmp_path / "x.safetensors")
    model = tiny_gpt()
    apply_lora(model, ("W_query",), rank=2, alpha=4)
    with pytest.raises(ValueError, match="adapter already"):
        apply_lora(model, ("W_value",), rank=2, alpha=4)


def test_peft_agrees_for_the_same_weights():
    peft = pytest.importorskip("peft")
    ours, theirs = tiny_gpt(), tiny_gpt()
    apply_lora(ours, ALL_LINEAR, rank=4, alpha=8)
    randomise(ours)
    config = peft.LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=list(ALL_LINEAR))
    theirs = peft.get_peft_model(theirs, config)
    for name, layer in lora_layers(ours).items():
        twin = theirs.base_model.model.get_submodule(name)
        twin.lora_A["default"].weight.data = layer.A.data.clone()
        twin.lora_B["default"].weight.data = layer.B.data.clone()
    assert torch.allclose(ours(some_ids()), theirs(some_ids()), atol=1e-6)
    assert count_trainable(ours) == count_trainable(theirs)
    assert train(ours, 20) == pytest.approx(train(theirs, 20), abs=1e-6)


def test_settings_are_stored_beside_the_matrices(tmp_path):
    from safetensors import safe_open

    with safe_open(saved_adapter(tmp_path), framework="pt") as file:
        stored = json.loads(file.metadata()["lora"])
    assert stored["rank"] == 2 and stored["alpha"] == 4 and len(stored["base"]) == 64


def test_kept_matrices_come_back_and_others_are_refused():
    model = tiny_gpt()
    apply_lora(model, ("W_query", "W_value"), rank=2, alpha=4)
    start = {name: weight.clone() for name, weight in adapter_weights(model).items()}
    before = model(some_ids())
    train(model)
    learned = {name: weight.clone() for name, weight in adapter_weights(model).items()}
    after = model(some_ids())
    set_adapter(model, start)
    assert torch.equal(model(some_ids()), before) and not torch.equal(before, after)
    set_adapter(model, learned)
    assert torch.equal(model(some_ids()), after)
    name = "trf_blocks.0.att.W_query.A"
    others = [{}, {**start, "x.A": start[name]}, {**start, name: torch.zeros(3, 24)}]
    for other in [*others, {n: w for n, w in start.items() if n != name}]:
        with pytest.raises(ValueError, match="another adapter, which differs in .*"):
            set_adapter(model, other)
    assert torch.equal(model(some_ids()), after)


HF_PARTS = {  # ours: transformers'
    "tok_emb": "model.embed_tokens", "norm1": "input_layernorm", "final_norm": "model.norm",
    "norm2": "post_attention_layernorm", "att.W_query": "self_attn.q_proj", "ff.up": "mlp.up_proj",
    "att.W_key": "self_attn.k_proj", "att.W_value": "self_attn.v_proj", "out_head": "lm_head",
    "att.out_proj": "self_attn.o_proj", "ff.gate": "mlp.gate_proj", "ff.down": "mlp.down_proj",
    "trf_blocks": "model.layers", "scale": "weight",
}  # fmt: skip


def their_name(name):
    for ours, theirs in HF_PARTS.items():
        name = name.replace(ours, theirs)
    return name


def twins(rank, alpha):
    """A small Llama of ours with our adapter, and the same of transformers with PEFT's."""
    transformers = pytest.importorskip("transformers")
    peft = pytest.importorskip("peft")
    torch.manual_seed(3)
    ours = LlamaModel(LlamaConfig(128, 96, 48, 6, 2, 2, 96))
    config = transformers.LlamaConfig(
        vocab_size=128, hidden_size=48, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=6, num_key_value_heads=2, max_position_embeddings=96,
        rms_norm_eps=1e-5, tie_word_embeddings=True,
    )  # fmt: skip
    theirs = transformers.LlamaForCausalLM(config)
    weights = {their_name(name): weight for name, weight in ours.state_dict().items()}
    assert set(weights) == set(theirs.state_dict())
    theirs.load_state_dict(weights)
    apply_lora(ours, ("W_query", "W_value"), rank, alpha)
    settings = peft.LoraConfig(
        r=rank, lora_alpha=alpha, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"
    )
    theirs = peft.get_peft_model(theirs, settings)
    for name, layer in lora_layers(ours).items():
        twin = theirs.base_model.model.get_submodule(their_name(name))
        twin.lora_A["default"].weight.data = layer.A.data.clone()
        twin.lora_B["default"].weight.data = layer.B.data.clone()
    return ours, theirs


def test_our_finetuning_and_pefts_lose_the_same_at_every_step():
    """Our records, our collate function and our loop; PEFT's model with labels and a mask."""
    from small_parts import PLAIN, WITH_INPUT, Tokens

    ours, theirs = twins(rank=4, alpha=8)
    records = [PLAIN, WITH_INPUT, {**PLAIN, "output": "five"}, {**WITH_INPUT, "output": "old"}]
    load = partial(
        create_instruction_dataloader, records, Tokens(), batch_size=2,
        format_prompt=partial(format_input, preamble=False), mask_instruction=True, shuffle=False,
    )  # fmt: skip
    optimizer = torch.optim.AdamW(
        [p for p in theirs.parameters() if p.requires_grad],
        lr=1e-2, betas=(0.9, 0.95), weight_decay=0.1,
    )  # fmt: skip
    attach_schedule(optimizer, 12, 2, minimum=5e-4)
    attach_clipping(optimizer, theirs, max_norm=1.0)
    expected = []
    for inputs, targets in [batch for _ in range(6) for batch in load()]:
        labels = torch.cat([torch.full((2, 1), -100), targets], dim=1)
        ids = torch.cat([inputs, torch.zeros(2, 1, dtype=torch.long)], dim=1)
        mask = torch.ones_like(ids)
        for row, length in enumerate((labels != -100).int().cumsum(1).argmax(1) + 1):
            mask[row, length:] = 0  # padding is hidden from theirs; ours lets it come last
        loss = theirs(input_ids=ids, attention_mask=mask, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        expected.append(loss.item())
    found = []
    step = training_module.training_step

    def noted(*given):
        found.append(step(*given))
        return found[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_module, "training_step", noted)
        finetune(ours, load(), load(), "cpu", 6, 1e-2, warmup_steps=2, eval_freq=99, progress=False)
    assert len(found) == 12 and found[-1] < found[0] - 0.05
    assert found == pytest.approx(expected, abs=1e-5)
    for name, layer in lora_layers(ours).items():
        twin = theirs.base_model.model.get_submodule(their_name(name))
        assert torch.allclose(layer.B, twin.lora_B["default"].weight, atol=1e-4)
