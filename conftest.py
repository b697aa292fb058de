"""What must hold for notebooks too: a cell never run fails, nothing leaves the machine."""

import os
import sys

import pytest

# a proxy that refuses at once: neither a test nor a notebook's kernel reaches past this machine
for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
    os.environ[name] = "http://127.0.0.1:9"
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1,localhost"
os.environ["HF_HUB_OFFLINE"] = "1"
# saved outputs belong to the course's own story
os.environ.pop("LLM_COURSE_TEXT", None)
# threads that wait for each other fall asleep soon: beside other work, spinning ones slow a
# notebook down tenfold
os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def pytest_runtest_setup(item):
    cell = getattr(item, "cell", None)
    if cell is None:
        return
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
