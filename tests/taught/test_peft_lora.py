"""LoRA with PEFT on the tiny GPT-J, by the functions that the model of 6 billion numbers takes."""

import json
from dataclasses import replace

import peft
import pytest
import torch
import transformers

from shared import peft_lora
from shared.hub_models import MODEL_SOURCES, load_base, make_tiny_gptj
from shared.instructions import RESPONSE_MARK, format_input
from shared.kit import hugging_face
from shared.kit.corpora import load_instruction_data
from shared.lora import apply_lora, count_trainable, lora_layers, merge_lora
from shared.peft_adapters import StopAt, check_adapter
from shared.peft_lora import (
    RECIPES,
    Recipe,
    add_adapter,
    encode_record,
    layers_to_adapt,
    leaves_room,
    load_records,
    make_trainer,
    pad_batch,
)

hugging_face.quiet_libraries()
IDS = torch.tensor([[10, 20, 30, 40, 50]])
RECORD = {
    "instruction": "Name the capital of Peru.",
    "input": "",
    "output": "The capital city of Peru is Lima.",
}
SHORT = Recipe(
    batch_size=8,
    micro_batch=4,
    epochs=1,
    warmup_steps=2,
    learning_rate=1e-2,
    preamble=False,
    save_steps=2,
)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return make_tiny_gptj(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def tokenizer(source):
    return load_base(source)[1]


def encoded(tokenizer, count=48):
    return [
        encode_record(record, tokenizer, 256, preamble=False)
        for record in load_instruction_data()[:count]
    ]


def trained(source, tokenizer, folder, stop=None):
    """An adapter after one short epoch of 6 steps; saved and stopped after that share of them."""
    model = add_adapter(load_base(source)[0], SHORT)
    torch.manual_seed(5)
    for name, weight in model.named_parameters():
        if "lora_A" in name:
            torch.nn.init.normal_(weight, std=0.1)
    items = encoded(tokenizer)
    trainer = make_trainer(model, tokenizer, items, items[:8], SHORT, folder)
    if stop is not None:
        trainer.add_callback(StopAt(stop))
    trainer.train()
    return model, trainer, items


# ---- tokenizer, records, batches


def test_an_encoded_record_learns_the_answer_and_the_end(tokenizer):
    item = encode_record(RECORD, tokenizer, 256)
    answer = [token for token in item["labels"] if token != -100]
    assert tokenizer.decode(answer) == RECORD["output"] + "<|endoftext|>"
    kept = [i for i, label in enumerate(item["labels"]) if label != -100]
    assert [item["input_ids"][i] for i in kept] == answer, (
        "labels are not shifted: the model does that"
    )
    assert tokenizer.decode(item["input_ids"]).startswith(format_input(RECORD) + RESPONSE_MARK)


@pytest.mark.parametrize("preamble", [True, False])
def test_truncation_keeps_the_end_token(tokenizer, preamble):
    whole = encode_record(RECORD, tokenizer, 256, preamble)
    for cut in range(1, 5):
        item = encode_record(RECORD, tokenizer, len(whole["input_ids"]) - cut, preamble)
        assert len(item["input_ids"]) == len(item["labels"]) == len(whole["input_ids"]) - cut
        assert item["input_ids"][-1] == item["labels"][-1] == tokenizer.eos_token_id
        assert item["input_ids"][:-1] == whole["input_ids"][: len(item["input_ids"]) - 1]


def test_a_prompt_without_room_and_a_record_without_a_field_are_refused(tokenizer):
    longest = len(tokenizer(format_input(RECORD) + RESPONSE_MARK)["input_ids"])
    for cutoff in (longest + 1, longest + 2):
        assert leaves_room(RECORD, tokenizer, cutoff) == (cutoff == longest + 2)
    item = encode_record(RECORD, tokenizer, longest + 2)
    assert sum(label != -100 for label in item["labels"]) == 2, (
        "one token of the answer, and the end"
    )
    with pytest.raises(ValueError, match="no room"):
        encode_record(RECORD, tokenizer, longest + 1)
    with pytest.raises(ValueError, match=r"no room.*cutoff=8.*Name the capital"):
        encode_record(RECORD, tokenizer, 8)
    with pytest.raises(ValueError, match="'output' is missing"):
        encode_record({"instruction": "x", "input": ""}, tokenizer, 256)


def test_padding_changes_neither_loss_nor_logits(source, tokenizer):
    model, _ = load_base(source)
    items = encoded(tokenizer, 6)
    model.eval()
    with torch.no_grad():
        batch = pad_batch(items, tokenizer.pad_token_id)
        logits, loss = model(**batch).logits, model(**batch).loss
        total = count = 0
        for row, item in enumerate(items):
            alone = model(**pad_batch([item], tokenizer.pad_token_id))
            n = len(item["input_ids"])
            assert torch.allclose(logits[row, :n], alone.logits[0], atol=1e-5)
            learned = sum(label != -100 for label in item["labels"])
            total, count = total + alone.loss * learned, count + learned
    assert loss.item() == pytest.approx((total / count).item(), abs=1e-5)
    assert {len(item["input_ids"]) for item in items} != {batch["input_ids"].size(1)}


def test_the_trap_of_padding_with_the_end_token(tokenizer):
    kept, tokenizer.pad_token = tokenizer.pad_token, tokenizer.eos_token
    collator = transformers.DataCollatorForLanguageModeling(tokenizer, mlm=False)
    labels = collator([{"input_ids": [5, 6, 50256]}])["labels"]
    tokenizer.pad_token = kept
    assert labels.tolist() == [[5, 6, -100]]


def test_records_come_from_the_course_or_a_file_or_not_at_all(tmp_path):
    assert load_records("course") == load_instruction_data()
    (tmp_path / "own.json").write_text(json.dumps([RECORD]), encoding="utf-8")
    assert load_records(str(tmp_path / "own.json")) == [RECORD]
    (tmp_path / "bad.json").write_text(
        json.dumps([RECORD, {"instruction": "x", "input": ""}]), encoding="utf-8"
    )
    with pytest.raises(ValueError, match="'output' is missing"):
        load_records(str(tmp_path / "bad.json"))
    with pytest.raises(ValueError, match="no records are named 'curse'"):
        load_records("curse")


def test_alpaca_is_asked_for_by_its_name_and_its_absence_is_explained(monkeypatch):
    import datasets

    monkeypatch.setattr(
        datasets, "load_dataset", lambda name, split: [{"instruction": name, "split": split}]
    )
    assert load_records("alpaca-cleaned") == [
        {"instruction": "yahma/alpaca-cleaned", "split": "train"}
    ]

    def unreachable(name, split):
        raise OSError("offline")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(
        ConnectionError, match="yahma/alpaca-cleaned cannot be reached.*offline.*'course'"
    ):
        load_records("alpaca-cleaned")


# ---- the adapter


def test_it_starts_without_effect_and_only_its_matrices_train(source):
    base, _ = load_base(source)
    base.eval()
    before = base(IDS).logits
    model = add_adapter(base, Recipe()).eval()
    assert torch.equal(model(IDS).logits, before)
    names = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert len(names) == 2 * 2 * 2 and all(
        ".q_proj.lora_" in n or ".v_proj.lora_" in n for n in names
    )


def test_the_real_gptj_is_counted_without_memory():
    with torch.device("meta"):
        model = add_adapter(
            transformers.GPTJForCausalLM(transformers.GPTJConfig()), RECIPES["gpt-j-6b"]
        )
    assert count_trainable(model) == (3_670_016, 6_050_882_784 + 3_670_016)
    recipe = RECIPES["gpt-j-6b"]
    assert (recipe.batch_size, recipe.epochs, recipe.warmup_steps, recipe.cutoff) == (
        128,
        2,
        100,
        256,
    )


def test_ours_equals_pefts_on_gptj(source):
    model = add_adapter(load_base(source)[0], Recipe()).eval()
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.5)
    ours, _ = load_base(source)
    apply_lora(ours.eval(), ["q_proj", "v_proj"], 8, 16)
    for name, layer in lora_layers(ours).items():
        theirs = model.base_model.model.get_submodule(name)
        layer.A.data, layer.B.data = (
            theirs.lora_A["default"].weight.data,
            theirs.lora_B["default"].weight.data,
        )
    expected = model(IDS).logits
    with model.disable_adapter():
        assert not torch.allclose(model(IDS).logits, expected, atol=1e-3), (
            "the adapter should matter"
        )
    assert torch.allclose(ours(IDS).logits, expected, atol=1e-5)
    merge_lora(ours)
    assert torch.allclose(ours(IDS).logits, expected, atol=1e-5)
    assert torch.allclose(model.merge_and_unload()(IDS).logits, expected, atol=1e-5)


# ---- training, checkpoints, resume


@pytest.mark.slow
def test_a_resumed_run_equals_the_run_never_stopped(source, tokenizer, tmp_path):
    whole, _, items = trained(source, tokenizer, tmp_path / "whole")
    halved, first, _ = trained(source, tokenizer, tmp_path / "half", stop=4 / 6)
    assert first.state.global_step == 4
    kept = sorted(path.name for path in (tmp_path / "half").glob("checkpoint-*"))
    assert kept == ["checkpoint-2", "checkpoint-4"]
    fresh = add_adapter(load_base(source)[0], SHORT)
    check_adapter(tmp_path / "half" / "checkpoint-4", fresh)
    second = make_trainer(fresh, tokenizer, items, items[:8], SHORT, tmp_path / "half")
    second.train(resume_from_checkpoint=True)
    assert second.state.global_step == 6
    pairs = zip(whole.named_parameters(), fresh.named_parameters(), strict=True)
    assert all(torch.equal(a, b) for (name, a), (_, b) in pairs if "lora_" in name)
    assert not torch.equal(
        *(
            m.get_submodule("base_model.model.transformer.h.0.attn.q_proj").lora_B["default"].weight
            for m in (halved, fresh)
        )
    ), "the second half should have changed something"


def test_a_stopped_run_leaves_a_checkpoint_between_the_regular_ones(source, tokenizer, tmp_path):
    trained(source, tokenizer, tmp_path, stop=1 / 2)
    assert sorted(path.name for path in tmp_path.glob("checkpoint-*")) == [
        "checkpoint-2",
        "checkpoint-3",
    ]


def test_the_last_three_checkpoints_stay_and_hold_adapters_alone(source, tokenizer, tmp_path):
    model = add_adapter(load_base(source)[0], SHORT)
    items = encoded(tokenizer)
    make_trainer(model, tokenizer, items, items[:8], replace(SHORT, save_steps=1), tmp_path).train()
    kept = {path.name for path in tmp_path.glob("checkpoint-*")}
    assert kept == {"checkpoint-4", "checkpoint-5", "checkpoint-6"}
    for path in tmp_path.glob("checkpoint-*"):
        assert (path / "adapter_model.safetensors").stat().st_size < 50_000
        assert not (path / "model.safetensors").exists()


def test_micro_batches_make_the_step_of_the_whole_batch(source, tokenizer, tmp_path):
    adapters = []
    for micro in (8, 4, 2):
        model = add_adapter(load_base(source)[0], replace(SHORT, dropout=0.0))
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        torch.manual_seed(0)
        for name, weight in model.named_parameters():
            if "lora_A" in name:
                torch.nn.init.normal_(weight, std=0.1)
        items = encoded(tokenizer, 16)
        recipe = replace(SHORT, micro_batch=micro)
        make_trainer(model, tokenizer, items, items[:4], recipe, tmp_path / str(micro)).train()
        adapters.append(
            torch.cat([w.flatten() for n, w in model.named_parameters() if "lora_" in n]).detach()
        )
    assert torch.allclose(adapters[0], adapters[1], atol=1e-4) and torch.allclose(
        adapters[0], adapters[2], atol=1e-4
    )
    with pytest.raises(ValueError, match="batch_size=8 must be a multiple of micro_batch=3"):
        make_trainer(model, tokenizer, items, items, replace(SHORT, micro_batch=3), tmp_path)


def test_resuming_without_a_checkpoint_is_an_error(source, tokenizer, tmp_path):
    model, items = add_adapter(load_base(source)[0], SHORT), encoded(tokenizer)
    with pytest.raises(ValueError, match="[Nn]o valid checkpoint"):
        make_trainer(model, tokenizer, items, items, SHORT, tmp_path).train(
            resume_from_checkpoint=True
        )


def test_the_layers_are_those_of_the_model_or_of_the_recipe(source):
    assert layers_to_adapt(load_base(source)[0]) == ["q_proj", "v_proj"]
    small = transformers.GPT2Config(n_layer=1, n_embd=16, n_head=2, vocab_size=30)
    gpt2 = transformers.GPT2LMHeadModel(small)
    assert layers_to_adapt(gpt2) == ["c_attn"]
    adapted = add_adapter(gpt2, replace(SHORT, layers=["c_proj"]))
    names = [name for name, weight in adapted.named_parameters() if weight.requires_grad]
    assert names and all(".c_proj.lora_" in name for name in names)
    with pytest.raises(ValueError, match=r"(?s)Linear names its layers otherwise.*layers="):
        layers_to_adapt(torch.nn.Linear(2, 2))


def test_a_start_token_comes_once_and_none_before_the_answer(tokenizer):
    class StartsTexts:
        """A tokenizer that puts a start token, 7, before each text, as Llama's does."""

        eos_token_id = tokenizer.eos_token_id

        def __call__(self, text, add_special_tokens=True):
            ids = tokenizer(text)["input_ids"]
            return {"input_ids": [7, *ids] if add_special_tokens else ids}

    item = encode_record(RECORD, StartsTexts(), 256)
    plain = encode_record(RECORD, tokenizer, 256)
    assert item["input_ids"] == [7, *plain["input_ids"]]
    assert item["labels"] == [-100, *plain["labels"]]


@pytest.mark.parametrize("count", [3, 10])
def test_few_records_make_a_short_run_that_is_stopped_and_evaluated(
    source, tokenizer, tmp_path, count
):
    model, items = add_adapter(load_base(source)[0], SHORT), encoded(tokenizer, count)
    recipe = replace(SHORT, epochs=2, warmup_steps=100, save_steps=100)
    trainer = make_trainer(model, tokenizer, items, items[:1], recipe, tmp_path)
    trainer.add_callback(StopAt(1 / 3))
    trainer.train()
    assert trainer.state.global_step == 1 < trainer.state.max_steps
    assert (tmp_path / "checkpoint-1").is_dir()
    again = make_trainer(model, tokenizer, items, items[:1], recipe, tmp_path)
    again.train(resume_from_checkpoint=True)
    assert again.state.global_step == trainer.state.max_steps
    evaluated = [e["step"] for e in again.state.log_history if "eval_loss" in e]
    assert evaluated[0] == 1 and evaluated[-1] == trainer.state.max_steps > 1


def test_every_source_has_a_recipe():
    assert set(MODEL_SOURCES) == set(RECIPES)
    assert all(recipe.batch_size % recipe.micro_batch == 0 for recipe in RECIPES.values())
    assert peft_lora.RECIPES["gpt-j-6b"].preamble and isinstance(peft.__version__, str)
