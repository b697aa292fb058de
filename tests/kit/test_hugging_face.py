"""The model of the notebook on PEFT is chosen by what can be had; its libraries are silent."""

import logging
import warnings

import pytest
import transformers

from shared.kit import hugging_face, smollm2


@pytest.fixture
def nothing_set(monkeypatch):
    for name in ("LLM_COURSE_PEFT_MODEL", "LLM_COURSE_QUICK"):
        monkeypatch.delenv(name, raising=False)


def unreachable():
    raise ConnectionError("no package index")


def test_smollm2_is_chosen_where_it_can_be_had(nothing_set, monkeypatch, tmp_path):
    monkeypatch.setattr(hugging_face, "fetch_smollm2", lambda: tmp_path)
    assert hugging_face.choose_model() == "smollm2-135m"
    monkeypatch.setattr(hugging_face, "fetch_smollm2", unreachable)
    assert hugging_face.choose_model() == "tiny-gptj"


def test_a_wish_counts_first_and_a_quick_run_fetches_nothing(nothing_set, monkeypatch):
    monkeypatch.setattr(hugging_face, "fetch_smollm2", lambda: pytest.fail("the model was fetched"))
    monkeypatch.setenv("LLM_COURSE_QUICK", "1")
    assert hugging_face.choose_model() == "tiny-gptj"
    monkeypatch.setenv("LLM_COURSE_PEFT_MODEL", "gpt-j-6b")
    assert hugging_face.choose_model() == "gpt-j-6b"


def test_nothing_is_fetched_where_the_hub_is_switched_off(nothing_set, monkeypatch, tmp_path):
    monkeypatch.setattr(smollm2, "smollm2_folder", lambda: tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(smollm2, "download_wheel", lambda folder: pytest.fail("pip was called"))
    assert hugging_face.choose_model() == "tiny-gptj"


def test_the_libraries_are_silent_and_others_are_not():
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        hugging_face.quiet_libraries()
        warnings.warn("'pin_memory' argument is set", UserWarning, stacklevel=1)
        warnings.warn("something else", UserWarning, stacklevel=1)
    assert [str(warning.message) for warning in heard] == ["something else"]
    for name in ("transformers", "bitsandbytes", "peft"):
        assert not logging.getLogger(name).isEnabledFor(logging.WARNING)
    assert not transformers.utils.logging.is_progress_bar_enabled()


def test_a_folder_and_what_the_cache_holds_are_not_fetched(monkeypatch, tmp_path):
    import huggingface_hub

    asked = []
    monkeypatch.setattr(
        huggingface_hub,
        "try_to_load_from_cache",
        lambda place, name, revision: asked.append((place, name, revision)),
    )
    assert hugging_face.missing_download(str(tmp_path), "main", 3.5) == 0 and not asked
    assert hugging_face.missing_download("me/model", "half", 3.5) == 3.5
    assert ("me/model", "pytorch_model.bin", "half") in asked
    monkeypatch.setattr(
        huggingface_hub, "try_to_load_from_cache", lambda place, name, revision: "/a/file"
    )
    assert hugging_face.missing_download("me/model", "half", 3.5) == 0


def test_the_disk_of_a_cache_that_is_not_there_yet_is_looked_at(monkeypatch, tmp_path):
    import shutil

    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "not" / "yet"))
    free = shutil.disk_usage(tmp_path).free / 2**30
    assert abs(hugging_face.cache_free_gib() - free) < 1
