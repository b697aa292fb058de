"""Our adapters in PEFT, and PEFT's in our model: equal logits; what does not fit is refused."""

import copy
import json
import warnings

import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file
from test_export import ids_of, logits, small

from shared.adapters import load_from_peft, peft_targets, save_for_peft
from shared.export import hugging_face_config, hugging_face_llama
from shared.gpt import GPTConfig, GPTModel
from shared.lora import ALL_LINEAR, apply_lora, lora_layers

LLAMA_LINEAR = ("W_query", "W_key", "W_value", "att.out_proj", "gate", "up", "down")


def hub_model(model):
    """The same base as a model of transformers."""
    theirs = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(**hugging_face_config(model, 2))
    ).eval()
    theirs.load_state_dict(hugging_face_llama(model), strict=False)
    theirs.tie_weights()
    return theirs


def adapted(base, targets=("W_query", "W_value"), rank=3, alpha=5):
    model = copy.deepcopy(base)
    torch.manual_seed(4)
    apply_lora(model, list(targets), rank, alpha)
    for layer in lora_layers(model).values():
        torch.nn.init.normal_(layer.B)
    return model.eval()


@pytest.mark.parametrize(
    "targets, names",
    [
        (("W_query", "W_value"), ["q_proj", "v_proj"]),
        (
            LLAMA_LINEAR,
            ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"],
        ),
        (("1.att.W_query",), ["model.layers.1.self_attn.q_proj"]),
        (("out_head",), ["lm_head"]),
    ],
)
def test_peft_gives_the_same_logits(tmp_path, targets, names):
    base = small(60, tied=False)
    model = adapted(base, targets)
    assert peft_targets(model) == names
    save_for_peft(model, tmp_path / "adapter", "the base")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*adapter keys.*")
        theirs = peft.PeftModel.from_pretrained(hub_model(base), tmp_path / "adapter").eval()
    ids = ids_of(base)
    assert (logits(model, ids) - logits(base, ids)).abs().max() > 0.1
    assert (logits(theirs, ids) - logits(model, ids)).abs().max() < 1e-4
    back = copy.deepcopy(base)
    load_from_peft(back, tmp_path / "adapter")
    assert torch.equal(logits(back, ids), logits(model, ids))


def test_an_adapter_of_peft_goes_on_our_model(tmp_path):
    base = small(60)
    config = peft.LoraConfig(r=2, lora_alpha=8, target_modules=["k_proj", "down_proj"])
    theirs = peft.get_peft_model(hub_model(base), config).eval()
    with torch.no_grad():
        for name, weight in theirs.named_parameters():
            if "lora_B" in name:
                weight.normal_()
    theirs.save_pretrained(tmp_path)
    load_from_peft(base, tmp_path)
    ids = ids_of(base)
    assert (logits(theirs, ids) - logits(base, ids)).abs().max() < 1e-4


def test_the_files_are_those_of_peft(tmp_path):
    base = small(60)
    save_for_peft(adapted(base), tmp_path / "ours", "the base")
    config = peft.LoraConfig(r=3, lora_alpha=5, target_modules=["q_proj", "v_proj"])
    peft.get_peft_model(hub_model(base), config).save_pretrained(tmp_path / "theirs")
    files = [load_file(tmp_path / who / "adapter_model.safetensors") for who in ("ours", "theirs")]
    ours, theirs = ({name: weight.shape for name, weight in file.items()} for file in files)
    assert ours == theirs
    said = json.loads((tmp_path / "ours" / "adapter_config.json").read_text())
    assert said["base_model_name_or_path"] == "the base"


def test_what_has_no_adapter_or_is_no_llama_is_refused(tmp_path):
    with pytest.raises(ValueError, match="here are none: call apply_lora once"):
        save_for_peft(small(60), tmp_path / "adapter", "the base")
    gpt = GPTModel(GPTConfig(60, 8, 16, 2, 1))
    apply_lora(gpt, ALL_LINEAR, 2, 4)
    with pytest.raises(ValueError, match="GPTModel has no layers under PEFT's names"):
        save_for_peft(gpt, tmp_path / "adapter", "the base")
    model = adapted(small(60))
    first = next(iter(lora_layers(model).values()))
    first.alpha = 7
    with pytest.raises(ValueError, match="one rank and one alpha"):
        save_for_peft(model, tmp_path / "adapter", "the base")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "change, message",
    [
        ({"use_rslora": True}, "use_rslora=True"),
        ({"use_dora": True}, "use_dora=True"),
        ({"bias": "all"}, "bias='all'"),
        ({"peft_type": "LOHA"}, "peft_type='LOHA'"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
    ],
)
def test_variants_of_lora_are_refused(tmp_path, change, message):
    base = small(60)
    save_for_peft(adapted(base), tmp_path / "adapter", "the base")
    path = tmp_path / "adapter" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=message):
        load_from_peft(base, tmp_path / "adapter")
    assert not lora_layers(base)


def test_an_adapter_for_another_model_is_refused(tmp_path):
    save_for_peft(adapted(small(60)), tmp_path / "adapter", "the base")
    other = small(60)
    other.trf_blocks = other.trf_blocks[:1]
    with pytest.raises(ValueError, match="for another model: 4 of its matrices"):
        load_from_peft(other, tmp_path / "adapter")
    wide = small(60)
    for block in wide.trf_blocks:
        block.att.W_value = torch.nn.Linear(64, 8, bias=False)
    with pytest.raises(ValueError, match="the shapes differ"):
        load_from_peft(wide, tmp_path / "adapter")
    with pytest.raises(ValueError, match="no adapter of PEFT"):
        load_from_peft(wide, tmp_path)
    assert not lora_layers(other) and not lora_layers(wide)
