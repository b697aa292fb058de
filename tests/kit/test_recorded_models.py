import hashlib
import json

import pytest
import torch

from shared.finetuning import create_small_gpt
from shared.kit.recorded_models import (
    MODELS_FOLDER,
    record_weights,
    recorded_weights,
    vocabulary_digest,
)
from shared.tokenizer import BPETokenizer

TEXT = "the cat sat on the mat and the hat"
TOKENIZER = BPETokenizer.train(TEXT, 262)


@pytest.fixture
def model():
    torch.manual_seed(123)
    return create_small_gpt(TOKENIZER.n_vocab, 8).eval()


@pytest.fixture
def folder(tmp_path, model):
    record_weights("cat", model, TOKENIZER, made_by="a test, seed 123", folder=tmp_path / "models")
    return tmp_path / "models"


def test_what_is_read_is_what_was_written_but_for_half_precision(model, folder):
    fresh = create_small_gpt(TOKENIZER.n_vocab, 8).eval()
    weights = recorded_weights("cat", TOKENIZER, folder)
    assert all(weight.dtype == torch.float32 for weight in weights.values())
    fresh.load_state_dict(weights)
    for name, weight in model.state_dict().items():
        assert torch.equal(weights[name], weight.half().float()), name
    ids = torch.arange(8).unsqueeze(0)  # (1, T)
    with torch.no_grad():
        assert torch.allclose(fresh(ids), model(ids), atol=1e-2)
    assert fresh.out_head.weight is fresh.tok_emb.weight


def test_a_second_recording_is_the_same_file(model, folder, tmp_path):
    again = create_small_gpt(TOKENIZER.n_vocab, 8)
    again.load_state_dict(recorded_weights("cat", TOKENIZER, folder))
    path = record_weights("cat", again, TOKENIZER, made_by="again", folder=tmp_path / "again")
    assert path.read_bytes() == (folder / "cat.safetensors").read_bytes()


def test_a_tied_matrix_is_written_once(model, folder):
    parameters = sum(weight.numel() for weight in model.parameters())
    assert json.loads((folder / "cat.json").read_text())["parameters"] == parameters
    assert (folder / "cat.safetensors").stat().st_size < 2 * parameters + 10_000


def test_the_card_says_what_it_is(folder):
    card = json.loads((folder / "cat.json").read_text())
    assert card["made_by"] == "a test, seed 123"
    assert card["settings"]["emb_dim"] == 128
    assert card["versions"]["torch"] == torch.__version__


def test_a_name_that_was_not_recorded(folder):
    with pytest.raises(FileNotFoundError, match=r"'dog'.*'cat'.*RETRAIN = True"):
        recorded_weights("dog", TOKENIZER, folder)
    (folder / "cat.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="RETRAIN = True"):
        recorded_weights("cat", TOKENIZER, folder)


def test_a_foreign_vocabulary(folder):
    same_size = BPETokenizer.train(TEXT[::-1], 262)
    assert same_size.n_vocab == TOKENIZER.n_vocab
    with pytest.raises(ValueError, match="another vocabulary.*RETRAIN = True"):
        recorded_weights("cat", same_size, folder)


@pytest.mark.parametrize("place", [5, -1])
def test_a_damaged_file(folder, place):
    path = folder / "cat.safetensors"
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged.*RETRAIN = True"):
        recorded_weights("cat", TOKENIZER, folder)


def test_a_number_too_large_for_half_precision(model, tmp_path):
    model.final_norm.scale.data[0] = 1e5
    with pytest.raises(ValueError, match="final_norm.scale.*half precision"):
        record_weights("cat", model, TOKENIZER, made_by="a test", folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_digest_tells_orders_apart():
    class Words:
        def __init__(self, *words):
            self.words = words
            self.n_vocab = len(words)

        def decode_single_token_bytes(self, token):
            return self.words[token]

    digests = {vocabulary_digest(Words(*words)) for words in [(b"a", b"bc"), (b"ab", b"c")]}
    digests |= {vocabulary_digest(Words(b"bc", b"a")), vocabulary_digest(Words(b"a"))}
    assert len(digests) == 4


def test_reading_writes_nothing(folder):
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    recorded_weights("cat", TOKENIZER, folder)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


@pytest.mark.parametrize("card", sorted(MODELS_FOLDER.glob("*.json")), ids=lambda card: card.stem)
def test_the_recorded_files_are_whole_and_small(card):
    weights = card.with_suffix(".safetensors")
    found = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert found == json.loads(card.read_text())["sha256"]
    assert weights.stat().st_size < 2_500_000
