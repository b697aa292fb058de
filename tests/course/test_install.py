"""What `pip install` makes of the course, in environments that the tests build and throw away.

They are built by pip as `pip install -r requirements.txt` builds them, but offline: dependencies,
and setuptools (there because torch needs it), are borrowed from the environment that runs the
tests.
"""

import ast
import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from shared.kit.repository import ROOT, notebook_paths

OFFLINE = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
FIRST_NOTEBOOK = notebook_paths()[0].relative_to(ROOT)
CARRIED = """
from shared.kit.corpora import load_corpus, load_instruction_data
from shared.kit.gpt2_vocabulary import get_tokenizer
import shared
print(shared.__file__)
print(len(load_corpus()), len(load_instruction_data()), get_tokenizer().n_vocab)
"""
LAB_ADDRESS = """
from jupyterlab.labapp import LabApp
server = LabApp.initialize_server(argv=["--no-browser", "--allow-root", "--ServerApp.port=0"])
print(server.default_url)
"""
LAB_SETTINGS = """
import json
from jupyterlab.commands import get_app_dir
from jupyterlab_server.settings_utils import _get_overrides
print(json.dumps(_get_overrides(get_app_dir() + "/settings")[0]))
"""


def run_python(python: Path | str, code: str, folder: Path, **variables: str) -> list[str]:
    """The lines that Python prints for code run in a folder, without the tests' PYTHONPATH."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(python), "-c", code],
        cwd=folder,
        env=environment | {"PYTHONIOENCODING": "utf-8"} | variables,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def pip(*arguments: Path | str) -> None:
    """Run pip; skip aloud where this environment has no pip or no setuptools."""
    for tool in ("pip", "setuptools"):
        if importlib.util.find_spec(tool) is None:
            pytest.skip(f"{tool} is not installed here, so no package can be built")
    command = [sys.executable, "-m", "pip", *map(str, arguments), *OFFLINE]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    """A learner's copy of the course; its path has a blank, a quote and a diaeresis."""
    folder = tmp_path_factory.mktemp("home") / "Zoë's course"
    for name in ("shared", ".jupyter"):
        no_builds = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
        shutil.copytree(ROOT / name, folder / name, ignore=no_builds)
    for name in ("pyproject.toml", "requirements.txt", "LICENSE", FIRST_NOTEBOOK):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def python(course, tmp_path_factory) -> Path:
    """The Python of a fresh virtual environment with the course in it, installed to be edited."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False, symlinks=os.name != "nt")
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    [packages] = run_python(python, "import sysconfig; print(sysconfig.get_path('purelib'))", home)
    # Python reads no .pth file of a folder borrowed so: the course installed there is not found
    Path(packages, "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip("--python", python, "install", "--ignore-installed", "-e", course, course / ".jupyter")
    return python


@pytest.fixture(scope="module")
def target(course, tmp_path_factory) -> Path:
    """A folder into which the course's wheel was installed."""
    wheels = tmp_path_factory.mktemp("wheels")
    target = tmp_path_factory.mktemp("target")
    pip("wheel", "--wheel-dir", wheels, course)
    [wheel] = wheels.glob("*.whl")
    pip("install", "--target", target, wheel)
    return target


# ---- the editable install


def test_a_folder_named_shared_does_not_hide_the_course(python, course, tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "notes.txt").write_text("a learner's own")
    [found] = run_python(python, "import shared; print(shared.__file__)", tmp_path)
    assert Path(found) == course / "shared" / "__init__.py"


def test_the_editable_course_is_the_folder_itself(python, course, tmp_path):
    (course / "shared" / "new_module.py").write_text("ANSWER = 42\n")
    assert run_python(python, "from shared.new_module import ANSWER; print(ANSWER)", tmp_path) == [
        "42"
    ]
    (course / "shared" / "new_module.py").unlink()


# ---- the wheel


def test_the_wheel_carries_story_records_and_vocabulary(target, tmp_path):
    where, counts = run_python(sys.executable, CARRIED, tmp_path, PYTHONPATH=str(target))
    assert Path(where) == target / "shared" / "__init__.py"
    story = (ROOT / "shared" / "data" / "story.txt").read_text(encoding="utf-8")
    assert counts == f"{len(story)} 1100 50257"


def test_the_wheel_holds_every_file_of_shared(target):
    def files(root: Path) -> set[Path]:
        found = {path.relative_to(root) for path in root.rglob("*") if path.is_file()}
        return {path for path in found if "__pycache__" not in path.parts}

    assert files(target / "shared") == files(ROOT / "shared")


def wheel_requirements(target: Path) -> set[Requirement]:
    [wheel] = importlib.metadata.distributions(path=[str(target)])
    return {Requirement(text) for text in wheel.requires}


def test_the_wheel_asks_for_the_pins_of_requirements_txt(target):
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = {Requirement(line) for line in lines if line[:1].isalpha()}
    assert wheel_requirements(target) <= pins


def test_the_wheel_asks_for_all_that_shared_imports(target):
    asked = {canonicalize_name(requirement.name) for requirement in wheel_requirements(target)}
    distributions = importlib.metadata.packages_distributions()
    for path in (ROOT / "shared").rglob("*.py"):
        for module in imported_modules(path) - sys.stdlib_module_names - {"shared"}:
            names = {canonicalize_name(name) for name in distributions[module]}
            assert names & asked, (
                f"{path.name} imports {module}, which pyproject.toml does not name"
            )


def imported_modules(path: Path) -> set[str]:
    """The top-level names of the modules that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.partition(".")[0] for name in names}


# ---- JupyterLab


@pytest.fixture
def jupyter(tmp_path) -> dict[str, str]:
    """Variables that keep a learner's own Jupyter settings out of the test."""
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    return {name: str(tmp_path / name) for name in names}


def test_jupyter_lab_opens_the_first_notebook_in_the_course(python, course, jupyter):
    expected = f"/lab/tree/{FIRST_NOTEBOOK.as_posix()}"
    assert run_python(python, LAB_ADDRESS, course, **jupyter)[-1] == expected


def test_jupyter_lab_opens_as_ever_elsewhere(python, tmp_path, jupyter):
    assert run_python(python, LAB_ADDRESS, tmp_path, **jupyter)[-1] == "/lab"


def test_jupyter_lab_reads_the_course_settings_and_the_users_win(python, tmp_path, jupyter):
    plugin = "@jupyterlab/docmanager-extension:plugin"
    environment = python.parent.parent
    [before] = run_python(python, LAB_SETTINGS, tmp_path, **jupyter)
    assert '"markdown": "Markdown Preview"' in before
    users = environment / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    assert not users.exists(), "this file belongs to the user"
    users.write_text(f'{{"{plugin}": {{"defaultViewers": {{"markdown": "Editor"}}}}}}')
    [after] = run_python(python, LAB_SETTINGS, tmp_path, **jupyter)
    users.unlink()
    assert '"markdown": "Editor"' in after


def test_a_codespace_installs_what_the_two_commands_install():
    space = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    first, second = space["postCreateCommand"].split(" && ")
    assert second == "pip install -r requirements.txt"
    pinned = (ROOT / "requirements.txt").read_text().split()
    assert first.split()[2] in pinned and first.split()[2].startswith("torch==")
