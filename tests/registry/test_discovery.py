"""Which plugins are found, by their metadata, and which of them a recipe or the environment selects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bad_plugins import HOOK, LOSS, Bad, imported, load, metadata, names

from cganzoo import __version__, hookspecs
from cganzoo._util.install import install_command
from cganzoo.errors import PluginError
from cganzoo.registry import discovery

Install = Callable[..., None]


def test_the_entry_point_group_is_that_of_the_hooks() -> None:
    assert discovery.PROJECT == hookspecs.PROJECT


# --- installed distributions ----------------------------------------------------------------------------------------


def two_copies(folder: Path, new: Bad) -> list[Path]:
    old = Bad(body=HOOK + "    yield loss('old')")
    return [new.write(folder / "new", "twice"), old.write(folder / "old", "twice")]


def test_of_two_copies_of_a_distribution_the_first_counts(install: Install, tmp_path: Path) -> None:
    new, old = two_copies(tmp_path, Bad(body=HOOK + "    yield loss('new')", version="2.0"))
    install(new, old)
    (plugin,) = load().plugins
    assert plugin.provider.version == "2.0"
    assert plugin.provider.location == str(new)
    assert [component.name for component in plugin.components] == ["new"]


def test_a_first_copy_without_entry_points_counts_too(install: Install, tmp_path: Path) -> None:
    install(*two_copies(tmp_path, Bad(entry_points=b"", version="2.0")))
    assert load().plugins == ()


def test_a_host_version_that_only_an_extra_requires_does_not_count(install: Install, tmp_path: Path) -> None:
    extra = metadata("Provides-Extra: next\nRequires-Dist: cganzoo>=9; extra == 'next'\n")
    install(Bad(metadata=extra).write(tmp_path / "extra", "extra"))
    assert names(load()) == {"cganzoo-extra/extra"}


def test_the_leftovers_of_an_uninstall_are_a_failure(install: Install, tmp_path: Path) -> None:
    ghost = Bad(metadata=None).write(tmp_path / "ghost", "ghost")
    install(ghost, "good")
    registry = load()
    assert names(registry) == {"cganzoo-good/good"}
    assert [str(failure) for failure in registry.failures] == [
        "cganzoo-ghost 1.0: its METADATA is missing, as after an interrupted install or uninstall; reinstall it"
    ]
    assert imported() == {"cganzoo_good"}
    (ghost / "cganzoo_ghost-1.0.dist-info" / "entry_points.txt").unlink()
    assert not load().failures, "without entry points it is not a plugin"


def test_a_distribution_whose_folder_has_another_name_is_found(install: Install, tmp_path: Path) -> None:
    name = b"Metadata-Version: 2.1\nName: CGANZOO_alias\nVersion: 1.0\n"
    folder = Bad(metadata=name).write(tmp_path / "alias", "alias")
    (folder / "cganzoo_alias-1.0.dist-info").rename(folder / "something-2.0.dist-info")
    install(folder)
    assert load().get("loss", "cganzoo-alias/alias").provider.version == "1.0"


def test_editable_installs_are_located_at_their_source(install: Install, tmp_path: Path) -> None:
    site = Bad(body=LOSS).write(tmp_path / "site", "edit")
    source = tmp_path / "source"
    source.mkdir()
    (site / "cganzoo_edit.py").rename(source / "cganzoo_edit.py")
    install(site, source)  # as a .pth file does
    assert load().get("loss", "edit").provider.location == str(source)


# --- the environment variable ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("", set()),
        ("cganzoo-good", {"cganzoo_good"}),
        (" CGANZOO_good , cganzoo-stolen-component,", {"cganzoo_good", "cganzoo_stolen_component"}),
    ],
)
def test_environment_allow_list(
    install: Install, monkeypatch: pytest.MonkeyPatch, listed: str, expected: set[str]
) -> None:
    install("good", "stolen_component", "system_exit")
    monkeypatch.setenv("CGANZOO_LOAD_PLUGINS", listed)
    load()
    assert imported() == expected


def test_the_environment_does_not_change_what_a_recipe_loads(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("good")
    monkeypatch.setenv("CGANZOO_LOAD_PLUGINS", "")
    assert names(load("cganzoo-good")) == {"cganzoo-good/good"}


def test_an_environment_allow_list_with_a_typing_error(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("good")
    monkeypatch.setenv("CGANZOO_LOAD_PLUGINS", "cganzoo-goood")
    with pytest.raises(PluginError, match=r'^CGANZOO_LOAD_PLUGINS: "cganzoo-goood" is not installed'):
        load()


# --- requirements of a recipe ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("requirement", ["cganzoo-good", "cganzoo_Good>=1,<2", "cganzoo.good == 1.0"])
def test_requirements_that_are_met(install: Install, requirement: str) -> None:
    install("good")
    assert names(load(requirement)) == {"cganzoo-good/good"}


@pytest.mark.parametrize(
    ("requirement", "message"),
    [
        (
            "cganzoo-good>=2",
            'wants "cganzoo-good>=2", but cganzoo-good 1.0 is installed; '
            "install a version that fits or change the requirement",
        ),
        ("cganzoo-tame>=0.1", '"cganzoo-tame" is not installed: ' + install_command('"cganzoo-tame>=0.1"')),
        ("cganzoo-godo", '"cganzoo-godo" is not installed; did you mean "cganzoo-good"?'),
        ("somebodys-plugin", '"somebodys-plugin" is not installed; install it or remove it'),
        ("cganzoo", f'"cganzoo" is installed ({__version__}) but is not a plugin of cganzoo; remove it'),
        ("good one", '"good one" does not name a distribution; write it like "cganzoo-x" or "cganzoo-x>=0.1"'),
        (
            "cganzoo-good @ https://example.org/x.whl",
            '"cganzoo-good @ https://example.org/x.whl" does not name a distribution; '
            'write it like "cganzoo-x" or "cganzoo-x>=0.1"',
        ),
    ],
)
def test_requirements_that_are_not_met(install: Install, requirement: str, message: str) -> None:
    install("good", "system_exit")
    with pytest.raises(PluginError) as caught:
        load(requirement)
    assert str(caught.value) == f"[requires] plugins: {message}"
    assert imported() == set()
