"""Which model file the notebooks open, and what a stand-in must have."""

import gguf
import pytest

from shared.kit import real_model
from shared.kit.real_model import claim_of_smollm2, is_smollm2, language_model_file, stand_in


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(real_model.pooch, "os_cache", lambda name: tmp_path / name)
    monkeypatch.delenv("LLM_COURSE_GGUF", raising=False)
    monkeypatch.delenv("LLM_COURSE_QUICK", raising=False)
    return tmp_path


def test_smollm2_where_it_can_be_had_and_the_stand_in_where_not(cache, monkeypatch):
    monkeypatch.setattr(real_model, "fetch_smollm2", lambda: cache)
    assert language_model_file() == cache / real_model.GGUF_FILE

    def no_network():
        raise ConnectionError("no network")

    monkeypatch.setattr(real_model, "fetch_smollm2", no_network)
    assert language_model_file().name == "stand-in.gguf"


def test_quick_runs_and_a_wish_take_the_stand_in(cache, monkeypatch):
    monkeypatch.setattr(real_model, "fetch_smollm2", lambda: cache)
    monkeypatch.setenv("LLM_COURSE_QUICK", "1")
    assert language_model_file().name == "stand-in.gguf"
    monkeypatch.delenv("LLM_COURSE_QUICK")
    monkeypatch.setenv("LLM_COURSE_GGUF", "stand-in")
    assert language_model_file().name == "stand-in.gguf"


def test_a_file_of_the_readers_own(cache, monkeypatch):
    own = cache / "own.gguf"
    own.write_bytes(b"GGUF")
    monkeypatch.setenv("LLM_COURSE_GGUF", str(own))
    assert language_model_file() == own
    monkeypatch.setenv("LLM_COURSE_GGUF", str(cache / "gone.gguf"))
    with pytest.raises(ValueError, match="gone.gguf is no file.*'stand-in'"):
        language_model_file()


def test_the_stand_in_has_the_form_of_smollm2s_file(cache):
    file = gguf.GGUFReader(stand_in())
    packings = {tensor.tensor_type.name for tensor in file.tensors}
    assert packings == {"Q4_1", "Q8_0", "F32"}
    assert file.fields["general.architecture"].contents() == "llama"
    assert len(file.tensors) == 2 + 9 * real_model.LAYERS
    tokens = file.fields["tokenizer.ggml.tokens"].contents()
    assert len(tokens) == len(set(tokens)) and tokens[2] == "<|im_end|>"
    assert stand_in().read_bytes() == stand_in().read_bytes()
    assert [path.name for path in (cache / "llm-course").iterdir()] == ["stand-in.gguf"]


def test_a_cache_that_cannot_be_written_is_no_obstacle(cache):
    (cache / "llm-course").write_text("a file where the folder should be")
    assert stand_in().is_file()


def test_claims_hold_for_smollm2_alone(cache, monkeypatch):
    path = stand_in()
    assert not is_smollm2(path)
    claim_of_smollm2(path, "it knows Paris", False)  # nothing is claimed of another model
    renamed = path.rename(path.with_name(real_model.GGUF_FILE))
    assert not is_smollm2(renamed), "the name alone is no proof"
    monkeypatch.setattr(real_model, "GGUF_SHA256", real_model.sha256_of(renamed))
    assert is_smollm2(renamed)
    with pytest.raises(AssertionError, match="it knows Paris"):
        claim_of_smollm2(renamed, "it knows Paris", False)
