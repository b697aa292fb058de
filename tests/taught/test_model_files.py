"""A model and its tokenizer from any file that the course can read."""

import pytest
import torch

from shared.checkpoints import save_checkpoint
from shared.gguf_weights import gguf_tokenizer
from shared.gpt import GPTConfig, GPTModel
from shared.kit.real_model import stand_in
from shared.llama import LlamaConfig, LlamaModel
from shared.model_files import holds_gguf, open_language_model, tokenizer_of
from shared.tokenizer import BPETokenizer
from shared.training_state import TrainingState


def saved(path, model):
    torch.manual_seed(123)
    save_checkpoint(path, model, torch.optim.AdamW(model.parameters()), TrainingState())
    return path


def test_a_gguf_file():
    path = stand_in()
    assert holds_gguf(path)
    model, tokenizer = open_language_model(path)
    assert isinstance(model, LlamaModel) and not model.training
    assert tokenizer.n_vocab == model.cfg.vocab_size and "<|im_end|>" in tokenizer.special_tokens


@pytest.mark.parametrize("kind", ["gpt", "llama"])
def test_a_checkpoint_with_its_tokenizer(tmp_path, kind):
    own = BPETokenizer.train("the cat sat on the mat and that was that", 270)
    own.save(tmp_path / "own.json")
    if kind == "gpt":
        model = GPTModel(GPTConfig(270, 32, emb_dim=16, n_heads=2, n_layers=2))
    else:
        model = LlamaModel(LlamaConfig(270, 32, 16, 2, 1, n_layers=2, hidden_dim=24))
    path = saved(tmp_path / "step_1.pt", model)
    found, tokenizer = open_language_model(path, tmp_path / "own.json")
    idx = torch.tensor([tokenizer.encode_ordinary("the cat")])
    with torch.no_grad():
        assert torch.equal(found(idx), model.eval()(idx))
    assert not found.training and not holds_gguf(path)


def test_the_tokenizer_follows_from_the_number_of_tokens(monkeypatch):
    monkeypatch.setenv("LLM_COURSE_GGUF", "stand-in")
    assert tokenizer_of(50257).n_vocab == 50257
    count = gguf_tokenizer(stand_in()).n_vocab
    assert tokenizer_of(count).special_tokens["<|im_start|>"] == 1
    assert tokenizer_of(count, stand_in()).n_vocab == count
    with pytest.raises(ValueError, match=f"model has 77 tokens and the tokenizer {count}"):
        tokenizer_of(77)


def test_files_that_are_neither_are_refused(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("nothing")
    with pytest.raises(ValueError, match="notes.txt is not a whole checkpoint"):
        open_language_model(text)
    with pytest.raises(FileNotFoundError):
        open_language_model(tmp_path / "missing.gguf")
    (tmp_path / "cut.gguf").write_bytes(b"GGUF" + bytes(20))
    with pytest.raises(ValueError):
        open_language_model(tmp_path / "cut.gguf")
    path = saved(tmp_path / "step_1.pt", torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match="step_1.pt does not say how its model was built"):
        open_language_model(path)
