"""``[requires] plugins``: what the names need is filled in, and no installed plugin takes a name over in silence."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bad_plugins import HOOK, Bad

from cganzoo._util.install import install_command
from cganzoo.errors import PluginError, RecipeError
from cganzoo.recipe import requires
from cganzoo.recipe.read import load_recipe, parse_recipe
from cganzoo.recipe.resolve import Resolved, resolve, resolve_dataset
from cganzoo.registry import probe

Resolver = Callable[..., Resolved]
REQUIRES = '[requires]\nplugins = ["cganzoo-amgan", "cganzoo-dcgan"]\n'


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """``install("mine", "thing")``: installs the distribution ``cganzoo-mine``, whose loss is called ``thing``."""
    names: list[str] = []

    def add(distribution: str, loss: str) -> None:
        names.append(f"cganzoo_{distribution}")
        folder = Bad(body=f'{HOOK}    yield loss("{loss}")\n').write(tmp_path / distribution, distribution)
        monkeypatch.syspath_prepend(str(folder))

    yield add
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture
def nothing_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Listing the installed plugins, which takes a child process, is an error."""

    def refuse() -> None:
        raise AssertionError("the installed plugins were listed")

    requires._inventory.cache_clear()
    monkeypatch.setattr(requires, "inspect", refuse)


def plugins(resolved: Resolved) -> list[str]:
    return list(resolved.values()["requires"]["plugins"])


def test_another_loss_needs_no_second_edit(resolved: Resolver) -> None:
    found = resolved('loss={name="reacgan"}')
    assert plugins(found) == ["cganzoo-amgan", "cganzoo-dcgan", "cganzoo-reacgan"], "what is written stays"
    assert found.recipe.filled_in == ("cganzoo-reacgan",)
    assert found.loss.provider.distribution == "cganzoo-reacgan"


def test_a_recipe_without_requires_works_and_is_written_whole(tiny: str, resolved: Resolver) -> None:
    text = tiny.replace(REQUIRES, "")
    assert "requires" not in text
    found = resolved(text=text + "[[metrics]]\nname = 'fid'\n")
    assert plugins(found) == ["cganzoo-amgan", "cganzoo-dcgan", "cganzoo-scores"]
    assert resolved(text=text).recipe_digest() == resolved().recipe_digest()
    assert resolved(text=text).training_digest() == resolved().training_digest()


@pytest.mark.usefixtures("nothing_listed")
def test_a_complete_recipe_lists_no_plugins(tiny: str, resolved: Resolver) -> None:
    assert resolved().recipe.filled_in == ()
    resolve(load_recipe("amgan_digits"))
    assert plugins(resolved('loss={name="cganzoo-reacgan/reacgan"}'))[-1] == "cganzoo-reacgan", "the name says which"


@pytest.mark.usefixtures("nothing_listed")
def test_the_resolved_recipe_reads_back_without_listing(
    tiny: str, resolved: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requires, "inspect", probe.inspect)
    first = resolved(text=tiny.replace(REQUIRES, ""))
    requires._inventory.cache_clear()
    monkeypatch.setattr(requires, "inspect", None)
    again = resolved(text=first.toml())
    assert again.recipe.filled_in == ()
    assert again.toml() == first.toml()


def test_a_requirement_that_provides_nothing_stays(resolved: Resolver) -> None:
    found = resolved("requires.plugins=['cganzoo-projgan', 'cganzoo-amgan>=0.1']")
    assert plugins(found) == ["cganzoo-projgan", "cganzoo-amgan>=0.1", "cganzoo-dcgan"]


def test_two_that_provide_a_name_are_a_question_to_the_user(install: Callable[..., None], resolved: Resolver) -> None:
    install("one", "thing")
    install("two", "thing")
    with pytest.raises(PluginError) as caught:
        resolved("loss={name='thing'}")
    assert str(caught.value) == (
        '--set loss.name: cganzoo-one 1.0 and cganzoo-two 1.0 each provide a loss "thing"; add "cganzoo-one" or '
        '"cganzoo-two" to [requires] plugins'
    )
    assert resolved("loss={name='thing'}", "requires.plugins=['cganzoo-two']").loss.provider.version == "1.0"
    assert plugins(resolved("loss={name='cganzoo-one/thing'}"))[-1] == "cganzoo-one"
    assert "cganzoo_one" in sys.modules


def test_an_installed_plugin_takes_no_name_over(install: Callable[..., None], tiny: str, resolved: Resolver) -> None:
    install("thief", "amgan")
    assert resolved().loss.provider.distribution == "cganzoo-amgan", "the required one"
    assert "cganzoo_thief" not in sys.modules
    with pytest.raises(PluginError, match=r'cganzoo-amgan \S+ and cganzoo-thief 1\.0 each provide a loss "amgan"'):
        resolved(text=tiny.replace(REQUIRES, ""))
    assert "cganzoo_thief" not in sys.modules, "it was listed in another process"


def test_an_excluded_plugin_fills_nothing_in(resolved: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CGANZOO_LOAD_PLUGINS", "cganzoo-dcgan")
    with pytest.raises(
        PluginError, match=r'there is no loss "reacgan"; cganzoo-reacgan \S+ is installed and may provide'
    ):
        resolved("loss={name='reacgan'}")


def test_an_unknown_name_lists_everything_that_is_installed(resolved: Resolver) -> None:
    with pytest.raises(PluginError) as caught:
        resolved("loss.name=zzzzzz")
    available = str(caught.value).partition("(available: ")[2].rstrip(")").split(", ")
    assert {"amgan", "reacgan", "ecgan", "contragan", "acgan_star_plus"} <= set(available)


def test_a_first_party_plugin_that_is_absent_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundled recipe that uses the component requires its distribution, which need not be named after it."""
    wanted = requires._Wanted("loss", "acgan_star_plus", ("loss",))
    assert requires._hint(wanted) == "", "it is installed"
    here = [provider for provider in requires.installed() if provider.distribution != "cganzoo-acgan"]
    monkeypatch.setattr(requires, "installed", lambda: here)
    assert requires._hint(wanted) == install_command("cganzoo-acgan")
    assert requires._hint(requires._Wanted("loss", "unknown", ("loss",))) == ""


@pytest.mark.parametrize("name", ["x" * 100_000, "\\u001b[31m", "a/b/c/d/e", "/", "//", "", "am\u0430"])
def test_an_odd_name_gives_a_short_message_of_one_line(tiny: str, resolved: Resolver, name: str) -> None:
    with pytest.raises(PluginError) as caught:
        resolved(text=tiny.replace('"amgan"', f'"{name}"'))
    assert len(str(caught.value)) < 2000
    assert str(caught.value).isprintable()


def test_a_data_set_alone_is_filled_in(tiny: str) -> None:
    recipe = parse_recipe(tiny.replace(REQUIRES, ""), name="t", source="t.toml")
    assert resolve_dataset(recipe).spec.name == "digits"


def test_another_component_with_the_options_of_the_old_one(resolved: Resolver, tiny: str) -> None:
    text = tiny.replace('name = "amgan"', 'name = "amgan"\nlabeling = "predefined"')
    with pytest.raises(RecipeError, match=r"loss\.labeling: unknown key") as caught:
        resolved("loss.name=reacgan", text=text)
    assert str(caught.value).endswith(
        "; the table in the file is for another name: replace all of it with --set 'loss={name=\"reacgan\"}'"
    )
