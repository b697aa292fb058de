"""The installed packages are the pinned ones, and a package that is not is named."""

from importlib.metadata import version

from shared.kit.versions import pinned_requirements, wrong_versions


def test_installed_packages_have_the_pinned_versions():
    assert wrong_versions() == {}, "run `pip install -r requirements.txt`"


def test_requirements_pin_one_exact_version_a_package():
    pins = pinned_requirements()
    assert len({pin.name for pin in pins}) == len(pins) > 0
    for pin in pins:
        assert [part.operator for part in pin.specifier] == ["=="], pin


def test_a_wrong_version_is_named(tmp_path):
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(
        "# a comment\n"
        "-e .\n"
        "./.jupyter\n"
        "numpy==0.1  # too old\n"
        'torch==0.1; python_version < "3.0"\n'
        "no-such-package-is-installed==1.0\n"
        f"pooch=={version('pooch')}\n"
    )
    assert wrong_versions(requirements) == {"numpy": ("0.1", version("numpy"))}


def test_a_build_of_the_pinned_version_is_that_version(tmp_path, monkeypatch):
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("torch==2.13.0\n")
    monkeypatch.setattr("shared.kit.versions.version", lambda name: "2.13.0+cpu")
    assert wrong_versions(requirements) == {}
    monkeypatch.setattr("shared.kit.versions.version", lambda name: "2.13.1+cpu")
    assert wrong_versions(requirements) == {"torch": ("2.13.0", "2.13.1+cpu")}
