"""Whether the installed packages are the pinned ones: saved outputs are those of the pins."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement

REQUIREMENTS = Path(__file__).parent.parent.parent / "requirements.txt"


def pinned_requirements(path: Path = REQUIREMENTS) -> list[Requirement]:
    """The packages of a requirements file that are meant for this Python, without local folders."""
    lines = [
        line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()
    ]
    named = [Requirement(line) for line in lines if line and not line.startswith(("-", "."))]
    return [pin for pin in named if pin.marker is None or pin.marker.evaluate()]


def wrong_versions(path: Path = REQUIREMENTS) -> dict[str, tuple[str, str]]:
    """The (pinned, installed) versions that differ, by package; one that is not installed has none.

    A build of the pinned version counts as that version: 2.13.0+cpu is 2.13.0.
    """
    wrong = {}
    for pin in pinned_requirements(path):
        try:
            installed = version(pin.name)
        except PackageNotFoundError:
            continue
        if not pin.specifier.contains(installed, prereleases=True):
            wrong[pin.name] = (str(pin.specifier).removeprefix("=="), installed)
    return wrong
