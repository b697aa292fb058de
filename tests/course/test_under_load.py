"""The test of the tests: notebooks pass while other work keeps every core busy, on an older
processor, one thread.

`pytest -m load` runs the notebooks that look at a clock or print what a trained model says;
LLM_COURSE_LOAD=all runs all that take less than a minute on a quiet machine.
"""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from shared.kit.repository import HEAVY, ROOT, notebook_paths, short_name

# what PyTorch and its libraries would choose on a processor without AVX-512, and on one without AVX
OLDER = {
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    },
    "default": {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    },
}
# a processor that knows no AVX-512 itself has run everything with AVX2 already
KNOWN = torch.backends.cpu.get_cpu_capability()
PROCESSORS = [name for name in OLDER if name != KNOWN.lower()]
SHORT = [
    "01_data/02_byte_pair_encoding",
    "02_attention/01_averaging_the_past",
    "02_attention/04_multi_head",
    "02_attention/05_inside_the_heads",
    "03_gpt/01_transformer_block",
]
LIGHT = [name for name in map(short_name, notebook_paths()) if name not in HEAVY]
CHOSEN = LIGHT if os.environ.get("LLM_COURSE_LOAD") == "all" else SHORT


@pytest.fixture
def busy_machine() -> Iterator[None]:
    """A process for each core that does nothing but keep it busy."""
    busy = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in range(os.cpu_count() or 1)
    ]
    yield
    for process in busy:
        process.kill()
        process.wait()


@pytest.mark.load
@pytest.mark.parametrize("processor", PROCESSORS)
def test_notebooks_pass_on_a_busy_machine(busy_machine, processor):
    environment = os.environ | OLDER[processor] | {"OMP_NUM_THREADS": "1"}
    files = [f"{name}.ipynb" for name in CHOSEN]
    command = [sys.executable, "-m", "pytest", "--nbval", "-q", "-p", "no:cacheprovider", *files]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


def test_the_notebooks_named_here_exist():
    assert set(SHORT) <= set(LIGHT) and len(LIGHT) + len(HEAVY) == len(notebook_paths())
