"""Models load and answer on one path, and what stands in the way is said before loading."""

from dataclasses import replace

import pytest
import torch
import transformers

from shared import hub_models
from shared.hub_models import (
    MODEL_SOURCES,
    ModelSource,
    answer_prompts,
    check_memory,
    choose_pad_token,
    find_source,
    load_base,
    make_tiny_gptj,
    own_prompt,
    stream_answer,
)
from shared.instructions import RESPONSE_MARK, format_input, split_records
from shared.kit import hugging_face, smollm2
from shared.kit.corpora import load_instruction_data
from shared.kit.gpt2_vocabulary import get_tokenizer, gpt2_files
from shared.lora import count_trainable
from shared.peft_adapters import load_adapted
from shared.peft_lora import RECIPES, Recipe, add_adapter, encode_record, make_trainer

hugging_face.quiet_libraries()
IDS = torch.tensor([[10, 20, 30, 40, 50]])
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


def test_the_tokenizer_is_gpt2s_with_gptjs_spare_tokens(tokenizer):
    gpt2 = get_tokenizer()
    for record in load_instruction_data()[:60]:
        text = format_input(record) + RESPONSE_MARK + record["output"]
        assert tokenizer(text)["input_ids"] == gpt2.encode(text)
    assert (
        len(tokenizer) == 50400
        and tokenizer.pad_token_id == 50257 != tokenizer.eos_token_id == 50256
    )


def test_eight_bits_run_through_the_same_functions(source, tokenizer, tmp_path):
    plain, (model, _) = load_base(source)[0].eval(), load_base(replace(source, bits=8))
    layer = model.transformer.h[0].attn.q_proj
    assert layer.weight.dtype == torch.int8 and model.lm_head.weight.dtype == torch.float32
    with torch.no_grad():
        expected = plain(IDS).logits
        assert torch.allclose(
            model.eval()(IDS).logits, expected, atol=0.02 * expected.std().item() * 10
        )
    model = add_adapter(model, SHORT)
    assert {w.dtype for w in model.parameters() if w.requires_grad} == {torch.float32}
    items = [encode_record(r, tokenizer, 256, preamble=False) for r in load_instruction_data()[:48]]
    trainer = make_trainer(model, tokenizer, items, items[:8], SHORT, tmp_path / "run")
    before = trainer.evaluate()["eval_loss"]
    trainer.train()
    assert trainer.evaluate()["eval_loss"] < before - 0.02
    assert layer.weight.dtype == torch.int8, "the frozen weights stay in 8 bits"
    model.save_pretrained(tmp_path / "adapter")
    fresh = load_adapted(load_base(replace(source, bits=8))[0], tmp_path / "adapter")
    with torch.no_grad():
        assert torch.allclose(fresh(IDS).logits, model.eval()(IDS).logits, atol=1e-4)


def test_batched_answers_equal_single_ones_and_streams(source, tokenizer):
    model = add_adapter(load_base(source)[0], Recipe()).train()
    prompts = [
        format_input(r, preamble=False) + RESPONSE_MARK
        for r in split_records(load_instruction_data())[2][:5]
    ]
    together = answer_prompts(model, tokenizer, prompts, max_new_tokens=6, batch_size=3)
    assert together == [
        answer_prompts(model, tokenizer, [prompt], max_new_tokens=6)[0] for prompt in prompts
    ]
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


def test_no_gpu_and_too_little_memory_are_said_before_loading(monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("nothing should be loaded")

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", never)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        RuntimeError, match="gpt-j-6b needs a GPU with 14 GiB.*smollm2-135m or tiny-gptj"
    ):
        load_base(MODEL_SOURCES["gpt-j-6b"])
    monkeypatch.setattr(hub_models, "available_memory_gib", lambda: 1.234)
    with pytest.raises(MemoryError, match="needs 3 GiB of free memory, 1.2 GiB are free"):
        load_base(MODEL_SOURCES["smollm2-135m"])
    monkeypatch.setattr(hub_models, "cache_free_gib", lambda: 5.0)
    monkeypatch.setattr(hub_models, "available_memory_gib", lambda: 99.0)
    monkeypatch.setattr(hub_models, "missing_download", lambda place, revision, gib: gib)
    with pytest.raises(MemoryError, match="needs 7 GiB of free disk space, 5.0 GiB are free"):
        check_memory(ModelSource("me/model", memory_gib=1, file_gib=7))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (6 * 2**30, 8 * 2**30))
    with pytest.raises(MemoryError, match="gpt-j-6b needs 14 GiB of free GPU memory, 6.0 GiB"):
        check_memory(MODEL_SOURCES["gpt-j-6b"])
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (60 * 2**30, 80 * 2**30))
    monkeypatch.setattr(hub_models, "available_memory_gib", lambda: 8.0)
    with pytest.raises(MemoryError, match="gpt-j-6b needs 11.3 GiB of free memory, 8.0 GiB"):
        check_memory(MODEL_SOURCES["gpt-j-6b"])


@pytest.mark.parametrize("bfloat16", [True, False])
@pytest.mark.parametrize("bits", [8, 4])
def test_a_packed_model_on_a_gpu_is_asked_for_in_half_precision(monkeypatch, bfloat16, bits):
    asked = {}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: bfloat16)

    def note(place, **options):
        asked.update(options)
        raise OSError("stop here")

    monkeypatch.setattr(hub_models, "check_memory", lambda source: None)
    monkeypatch.setattr(
        transformers.AutoTokenizer, "from_pretrained", lambda place, **options: None
    )
    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", note)
    with pytest.raises(ConnectionError):
        load_base(replace(MODEL_SOURCES["gpt-j-6b"], bits=bits))
    half = torch.bfloat16 if bfloat16 else torch.float16
    packing = asked["quantization_config"]
    assert asked["dtype"] == half and asked["revision"] == "float16"
    assert (packing.load_in_8bit, packing.load_in_4bit) == (bits == 8, bits == 4)
    assert bits == 8 or (packing.bnb_4bit_use_double_quant, packing.bnb_4bit_quant_type) == (
        True,
        "nf4",
    )
    assert asked["device_map"] == {"": 0}
    with pytest.raises(ConnectionError):
        load_base(ModelSource("me/small", memory_gib=0))
    assert asked["device_map"] == {"": 0} and asked["dtype"] == torch.float32


def test_a_hub_out_of_reach_is_explained():
    with pytest.raises(ConnectionError, match="(?s)nobody/nothing is neither a folder.*tiny-gptj"):
        load_base(ModelSource("nobody/nothing", memory_gib=0))


@pytest.fixture
def gpt2_folder(tmp_path):
    """A GPT-2 with random weights as a folder: no token to spare, one layer for q, k and v."""
    vocab_bpe, encoder_json = gpt2_files()
    tokenizer = transformers.GPT2TokenizerFast(vocab=str(encoder_json), merges=str(vocab_bpe))
    tokenizer.save_pretrained(tmp_path / "gpt2")
    config = transformers.GPT2Config(n_layer=1, n_embd=16, n_head=2, n_positions=64)
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path / "gpt2")
    return tmp_path / "gpt2"


def test_a_folder_with_another_model_trains_and_answers(gpt2_folder, tmp_path):
    source = find_source(str(gpt2_folder), ModelSource("tiny", memory_gib=1))
    assert source.place == str(gpt2_folder) and 1 <= source.memory_gib < 2
    model, tokenizer = load_base(source)
    assert tokenizer.pad_token == tokenizer.eos_token == "<|endoftext|>"
    model = add_adapter(model, SHORT)
    items = [encode_record(r, tokenizer, 64, preamble=False) for r in load_instruction_data()[:8]]
    assert all(item["labels"][-1] == tokenizer.eos_token_id for item in items), "the end is learned"
    make_trainer(model, tokenizer, items, items[:2], SHORT, tmp_path / "run").train()
    assert len(answer_prompts(model, tokenizer, ["Hello", "How are you"], 3)) == 2
    assert own_prompt({"instruction": "x", "input": ""}, tokenizer) is None


def test_names_and_folders_without_a_model_are_refused(tmp_path):
    tiny = ModelSource("tiny", memory_gib=1)
    assert find_source("tiny-gptj", tiny) is tiny
    assert find_source("gpt-j-6b", tiny) == MODEL_SOURCES["gpt-j-6b"]
    for name in ("smollm", str(tmp_path)):
        with pytest.raises(ValueError, match="no model is named.*gpt-j-6b.*or a folder"):
            find_source(name, tiny)
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}', encoding="utf-8")
    with pytest.raises(ValueError, match="(?s)the folder .* holds no whole model.*config.json"):
        load_base(ModelSource(str(tmp_path), memory_gib=0))


def test_a_padding_token_is_not_the_end_token_where_there_is_another(tokenizer):
    class Fake:
        eos_token, eos_token_id, pad_token, unk_token = "</s>", 2, None, "<unk>"
        tail = []

        def get_vocab(self):
            return {"<unk>": 0, "<s>": 1, "</s>": 2}

        def __call__(self, text):
            return {"input_ids": [1, 5, *self.tail]}

    fake = Fake()
    assert choose_pad_token(fake, "x") == "<unk>"
    fake.unk_token = None
    assert choose_pad_token(fake, "x") == "</s>"
    fake.tail = [2]
    with pytest.raises(ValueError, match="tokenizer of x has the end token '</s>'.*add_eos_token"):
        choose_pad_token(fake, "x")
    fake.tail, fake.eos_token = [], None
    with pytest.raises(ValueError, match="end token None"):
        choose_pad_token(fake, "x")


def test_what_stands_behind_the_end_token_is_no_answer(source, tokenizer):
    model, _ = load_base(source)

    def ends_at_once(**options):
        ids = options["input_ids"]
        tail = torch.tensor([[40, tokenizer.eos_token_id, tokenizer.pad_token_id, 41]])
        return torch.cat([ids, tail.expand(len(ids), -1)], dim=1)

    model.generate = ends_at_once
    assert answer_prompts(model, tokenizer, ["a", "b c"], 4) == [tokenizer.decode([40])] * 2


def test_a_prompt_in_the_models_own_template(tokenizer):
    kept = tokenizer.chat_template
    tokenizer.chat_template = (
        "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}>"
    )
    prompts = [own_prompt({"instruction": "Add.", "input": i}, tokenizer) for i in ("", "1 2")]
    tokenizer.chat_template = kept
    assert prompts == ["<user>Add.>", "<user>Add.\n1 2>"]


@pytest.mark.slow
@pytest.mark.skipif(
    not (smollm2.smollm2_folder() / smollm2.GGUF_FILE).is_file(),
    reason="SmolLM2 is not in the cache; 06_lora_with_peft fetches it where it may",
)
def test_smollm2_loads_as_a_plain_model_that_trains(tmp_path):
    model, tokenizer = load_base(MODEL_SOURCES["smollm2-135m"])
    assert model.num_parameters() == 134_515_008 and model.dtype == torch.float32
    assert tokenizer.pad_token == "<|endoftext|>" and tokenizer.eos_token == "<|im_end|>"
    assert (
        "Paris"
        in answer_prompts(model, tokenizer, ["The capital of France is"], max_new_tokens=5)[0]
    )
    model = add_adapter(model, RECIPES["smollm2-135m"])
    assert count_trainable(model)[0] == 460_800
    make_trainer(
        model, tokenizer, [], [], RECIPES["smollm2-135m"], tmp_path
    )  # refuses a model still packed
