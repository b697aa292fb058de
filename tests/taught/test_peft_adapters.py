"""Adapters in folders: stamped with their base, and refused by every other model."""

import pytest
import torch
import transformers

from shared.hub_models import load_base, make_tiny_gptj
from shared.kit import hugging_face
from shared.kit.corpora import load_instruction_data
from shared.peft_adapters import (
    StampBase,
    StopAt,
    check_adapter,
    load_adapted,
    peft_fingerprint,
    push_to_hub,
    save_adapted,
)
from shared.peft_lora import Recipe, add_adapter, encode_record, make_trainer

hugging_face.quiet_libraries()
IDS = torch.tensor([[10, 20, 30, 40, 50]])
SHORT = Recipe(8, 4, 1, 2, 1e-2, preamble=False, save_steps=2)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return make_tiny_gptj(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def tokenizer(source):
    return load_base(source)[1]


def trained(source, tokenizer, folder, share=1.0):
    """A stamped adapter after `share` of three steps, and its trainer."""
    model = add_adapter(load_base(source)[0], SHORT)
    items = [encode_record(r, tokenizer, 256, preamble=False) for r in load_instruction_data()[:24]]
    trainer = make_trainer(model, tokenizer, items, items[:4], SHORT, folder)
    trainer.add_callback(StampBase(model))
    trainer.add_callback(StopAt(share))
    trainer.train()
    return model, trainer


def test_the_fingerprint_is_the_bases_and_changes_with_any_weight(source):
    base, _ = load_base(source)
    before = peft_fingerprint(base)
    model = add_adapter(base, SHORT)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight)
    assert peft_fingerprint(model) == before
    assert peft_fingerprint(load_base(source)[0].half().float()) != before
    with torch.no_grad():
        model.get_submodule("base_model.model.transformer.ln_f").bias[3] += 1e-4
    assert peft_fingerprint(model) != before


def test_a_model_of_the_same_shapes_with_other_weights_is_refused(source, tokenizer, tmp_path):
    model, trainer = trained(source, tokenizer, tmp_path / "run", share=2 / 3)
    assert trainer.state.global_step == 2
    save_adapted(model, tmp_path / "adapter")
    other, _ = load_base(source)
    with torch.no_grad():
        other.lm_head.weight[0, 0] += 0.5
    for folder in (tmp_path / "adapter", tmp_path / "run" / "checkpoint-2"):
        check_adapter(folder, load_base(source)[0])
        check_adapter(folder, model)
        with pytest.raises(ValueError, match="same shapes with other weights: load the model"):
            load_adapted(other, folder)
    (tmp_path / "adapter" / "base.txt").unlink()  # as an adapter from elsewhere
    load_adapted(other, tmp_path / "adapter")


def test_gpt2s_layers_have_their_sides_the_other_way_round(tmp_path):
    small = transformers.GPT2Config(n_layer=1, n_embd=16, n_head=2, vocab_size=30)
    model = transformers.GPT2LMHeadModel(small)
    fresh = transformers.GPT2LMHeadModel(small)
    fresh.load_state_dict(model.state_dict())
    save_adapted(add_adapter(model, SHORT), tmp_path)
    check_adapter(tmp_path, fresh)


def test_an_adapter_travels_alone_and_not_to_another_model(source, tokenizer, tmp_path):
    model, _ = trained(source, tokenizer, tmp_path / "run")
    save_adapted(model.eval(), tmp_path / "adapter")
    fresh = load_adapted(load_base(source)[0], tmp_path / "adapter")
    assert torch.equal(fresh(IDS).logits, model(IDS).logits)
    wide = transformers.GPTJForCausalLM(
        transformers.GPTJConfig(n_layer=2, n_embd=32, n_head=4, rotary_dim=8)
    )
    with pytest.raises(
        ValueError, match=r"adapter for another model.*q_proj.*\(8, 64\).*\(32, 32\)"
    ):
        load_adapted(wide, tmp_path / "adapter")
    shallow = transformers.GPTJForCausalLM(
        transformers.GPTJConfig(n_layer=1, n_embd=64, n_head=4, rotary_dim=8)
    )
    with pytest.raises(ValueError, match=r"another model.*h\.1\.attn.*\(None, None\)"):
        load_adapted(shallow, tmp_path / "adapter")
    with pytest.raises(ValueError, match="another model"):
        check_adapter(tmp_path / "run" / "checkpoint-2", add_adapter(wide, SHORT))
    with pytest.raises(ValueError, match="holds no adapter"):
        load_adapted(load_base(source)[0], tmp_path)


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
