"""What must hold for notebooks too: a cell never run fails, nothing leaves the machine."""

import collections
import functools
import os
import sys
from pathlib import Path

import psutil
import pytest

# a proxy that refuses at once: neither a test nor a notebook's kernel reaches past this machine
for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
    os.environ[name] = "http://127.0.0.1:9"
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1,localhost"
os.environ["HF_HUB_OFFLINE"] = "1"
# saved outputs belong to the course's own story and records
os.environ.pop("LLM_COURSE_TEXT", None)
os.environ.pop("LLM_COURSE_RECORDS", None)
# threads that wait for each other fall asleep soon: beside other work, spinning ones slow a
# notebook down tenfold
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

# notebooks run beside each other, each on its share of the cores
CORES = os.cpu_count() or 1
BESIDE_EACH_OTHER = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
if BESIDE_EACH_OTHER > 1:
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, CORES // BESIDE_EACH_OTHER)))
GIB_A_NOTEBOOK = 5  # the largest takes 4.4
MOST_BESIDE_EACH_OTHER = 4  # more would wait for the longest notebook


def pytest_xdist_auto_num_workers(config):
    """How many files run at once: as cores and free memory allow; one file needs no helper."""
    if len(config.args) == 1 and not Path(config.args[0].split("::")[0]).is_dir():
        return 0
    room = psutil.virtual_memory().available // 2**30 // GIB_A_NOTEBOOK
    workers = min(CORES, room, MOST_BESIDE_EACH_OTHER)
    return workers if workers > 1 else 0


@functools.cache
def opens_smollm2(notebook):
    """Whether a notebook opens SmolLM2, so that what its cells print can be compared."""
    if notebook.stem == "06_lora_with_peft":  # takes its model by another variable
        from shared.kit.hugging_face import choose_model

        return choose_model() == "smollm2-135m"
    from shared.kit.real_model import is_smollm2, language_model_file

    return is_smollm2(language_model_file())


def pytest_runtest_setup(item):
    cell = getattr(item, "cell", None)
    if cell is None:
        return
    if "real-model" in cell.metadata.get("tags", []):
        if opens_smollm2(item.path):
            item.user_properties.append(("real model", "compared with SmolLM2"))
        else:
            item.options["check"] = False  # it must run all the same
            item.user_properties.append(("real model", "run with another model, not compared"))
    if cell.execution_count is None and cell.source.strip():
        pytest.fail(
            "this code cell has no stored run, so nbval would compare nothing: "
            "run `python -m shared.kit.course run` on its notebook",
            pytrace=False,
        )


@pytest.fixture(autouse=True)
def closed_figures():
    """No test leaves a figure to the next."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def pytest_terminal_summary(terminalreporter):
    """Say what became of the cells whose output belongs to a real language model."""
    reports = [report for kind in terminalreporter.stats.values() for report in kind]
    fates = collections.Counter(
        value
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
        if name == "real model"
    )
    for fate, cells in sorted(fates.items()):
        terminalreporter.write_line(f"real-model cells {fate}: {cells}")
