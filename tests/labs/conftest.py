"""What all tests of the labs share."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    """Close what a test has drawn: pyplot keeps each figure that no lab has shown."""
    yield
    plt.close("all")
