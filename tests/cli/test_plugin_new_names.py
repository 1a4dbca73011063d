"""``cganzoo plugin new``: names, licences and authors, and what it refuses."""

from __future__ import annotations

import ast
import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cganzoo._util.toml import tomllib
from cganzoo.cli.plugin_names import inspect, named
from cganzoo.cli.plugin_new import create, host_bounds
from cganzoo.errors import PluginError
from cganzoo.registry import KINDS


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module", autouse=True)
def _installed_plugins_are_inspected_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cganzoo.cli.plugin_names.inspect", functools.cache(inspect))
        yield


# --- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "component", "distribution", "classname"),
    [
        ("softgan", "softgan", "cganzoo-softgan", "Softgan"),
        ("SoftGAN", "softgan", "cganzoo-softgan", "SoftGAN"),
        ("cganzoo-softgan", "softgan", "cganzoo-softgan", "Softgan"),
        ("cganzoo_my_loss", "my_loss", "cganzoo-my-loss", "MyLoss"),
        ("my_loss", "my_loss", "cganzoo-my-loss", "MyLoss"),
        ("My-Loss", "my_loss", "cganzoo-my-loss", "MyLoss"),
        (" my loss ", "my_loss", "cganzoo-my-loss", "MyLoss"),
        ("r3gan", "r3gan", "cganzoo-r3gan", "R3gan"),
        ("_x__y-", "x_y", "cganzoo-x-y", "XY"),
        ("tensor", "tensor", "cganzoo-tensor", "TensorLoss"),
        ("objective", "objective", "cganzoo-objective", "ObjectiveLoss"),
        ("none", "none", "cganzoo-none", "NoneLoss"),
        ("cganzooish", "cganzooish", "cganzoo-cganzooish", "Cganzooish"),
    ],
)
def test_names_that_will_do(name: str, component: str, distribution: str, classname: str):
    names = named(name, "loss")
    assert (names.component, names.distribution, names.classname) == (component, distribution, classname)
    assert names.package == distribution.replace("-", "_")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("cganzoo", "names no component"),
        ("cganzoo-", "names no component"),
        ("", "names no component"),
        ("-_-", "names no component"),
        ("class", "keyword of Python"),
        ("Lambda", "keyword of Python"),
        ("match", "keyword of Python"),
        ("3gan", "a letter first"),
        ("ÉGAN", "letters a to z"),
        ("Straße", "letters a to z"),
        ("a/b", "letters a to z"),
        ("..\\b", "letters a to z"),
        ("../b", "letters a to z"),
        ("a\nb", "letters a to z"),
        ("soft+gan", "letters a to z"),
        ("x" * 31, "longer than 30"),
    ],
)
def test_names_that_will_not(name: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PluginError, match=sentence) as raised:
        create(name, "loss")
    assert "\n" not in str(raised.value).replace(name, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_does_not_hide_what_its_module_imports(kind: str, tmp_path: Path):
    """A component may be called as anything is that the modules which name its class import."""
    created = create("q", kind, tmp_path / "q")
    for path in created.folder.glob("*/*.py"):
        found = list(ast.walk(ast.parse(path.read_text())))
        words = {alias.name for node in found if isinstance(node, ast.ImportFrom) for alias in node.names}
        words |= {node.name for node in found if isinstance(node, ast.ClassDef)}
        if created.names.classname in words:
            for word in words - {"Q", "QConfig", "TestQ", "annotations", "build"}:
                assert named(word, kind).classname != word, f"{path.name}: {word}"


def test_another_component_of_the_name_is_told(tmp_path: Path):
    created = create("inception_score", "metric", tmp_path / "a")
    (note,) = created.notes
    assert note.startswith("cganzoo-scores 0.1.0 has a metric")
    assert '"cganzoo-inception-score/inception_score"' in note
    found = files(created.folder)
    for path in ("tests/test_inception_score.py", "recipes/inception_score_digits.toml", "README.md"):
        assert 'name = "cganzoo-inception-score/inception_score"' in found[path]
    assert "cganzoo plugins cganzoo-inception-score/inception_score" in found["README.md"]
    (note,) = create("dcgan", "loss", tmp_path / "b").notes
    assert note.startswith("cganzoo-dcgan 0.1.0 is installed already")
    (tmp_path / "c").mkdir()
    assert create("inception_score", "loss", tmp_path / "c" / "d").notes == ()


def distribution(site: Path, name: str, url: str = "") -> None:
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    if url:
        (info / "direct_url.json").write_text(json.dumps({"url": url, "dir_info": {"editable": True}}))


def test_a_distribution_of_the_name_is_told_wherever_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Installed from another folder, not a plugin at all, or a folder that is not installed yet."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(site)
    distribution(site, "cganzoo-q", (tmp_path / "else where").as_uri())
    (note,) = create("q", "loss", tmp_path / "q").notes
    assert note.startswith(f"cganzoo-q 1.0 is installed already from {tmp_path / 'else where'}: installing")
    assert note.endswith("to have several kinds in one plugin, repeat --kind")
    distribution(site, "cganzoo-r", (tmp_path / "r").as_uri())
    assert create("r", "loss", tmp_path / "r").notes == (), "made again in the folder that is installed"
    (tmp_path / "b").mkdir()
    assert create("s", "generator", tmp_path / "b" / "one").notes == ()
    (note,) = create("s", "discriminator", tmp_path / "b" / "two").notes
    assert note.startswith(f"{tmp_path / 'b' / 'one'} has the same name, cganzoo-s: installing one replaces the other")
    (site / "cganzoo_t.py").touch()
    (note,) = create("t", "loss", tmp_path / "t").notes
    assert "only one of both can be imported" in note


@pytest.mark.parametrize(
    ("api", "bounds"), [("0.1", ">=0.1,<0.2"), ("0.12", ">=0.12,<0.13"), ("1.0", ">=1.0,<2"), ("2.3", ">=2.3,<3")]
)
def test_bounds_of_the_host(api: str, bounds: str):
    assert host_bounds(api) == bounds


# --- licence and author ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("license_name", "expression", "line"),
    [
        ("MIT", "MIT", "MIT License"),
        ("mit", "MIT", "MIT License"),
        ("BSD-3-Clause", "BSD-3-Clause", "BSD 3-Clause License"),
        ("Apache-2.0", "Apache-2.0", "Apache License"),
    ],
)
def test_licences(license_name: str, expression: str, line: str, tmp_path: Path):
    found = files(create("q", "loss", tmp_path / "q", author='Zoë "Z" O\\Neil', license_name=license_name).folder)
    project = tomllib.loads(found["pyproject.toml"])["project"]
    assert project["license"] == expression
    assert project["license-files"] == ["LICENSE"]
    assert project["authors"] == [{"name": 'Zoë "Z" O\\Neil'}]
    assert found["LICENSE"].strip().splitlines()[0].strip() == line
    assert len(found["LICENSE"]) > 1000
    if expression != "Apache-2.0":
        assert re.search(r'Copyright \(c\) 20\d\d,? Zoë "Z" O\\Neil\n', found["LICENSE"])
    assert f"Licence: {expression}." in found["README.md"]


def test_no_licence(tmp_path: Path):
    found = files(create("q", "loss", tmp_path / "q", author="", license_name="none").folder)
    project = tomllib.loads(found["pyproject.toml"])["project"]
    assert "LICENSE" not in found
    assert not {"license", "license-files", "authors"} & set(project)
    assert "Without a licence" in found["README.md"]


def test_the_author_is_git_s_unless_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "gitconfig").write_text("[user]\n\tname = Grace  Hopper\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "none"))
    assert "Grace Hopper" in files(create("q", "loss", tmp_path / "a").folder)["LICENSE"]
    monkeypatch.setenv("PATH", str(tmp_path))  # no git at all
    assert "the authors of cganzoo-q" in files(create("q", "loss", tmp_path / "b").folder)["LICENSE"]


UNPRINTABLE = ("Ada\x1b[31m", "Ada\x07", "Ada\x7f", "Ada\x00", "Ada\u202e", "Ada\udcff")


@pytest.mark.parametrize("author", UNPRINTABLE, ids=ascii)
def test_an_author_that_cannot_be_printed_is_refused(author: str, tmp_path: Path):
    """Control characters would end TOML or act on a terminal, and half a surrogate pair has no bytes."""
    with pytest.raises(PluginError, match=r"--author: .* cannot be printed; write the name without") as raised:
        create("q", "loss", tmp_path / "q", author=author)
    assert str(raised.value).isprintable()
    assert list(tmp_path.iterdir()) == []


def test_white_space_in_an_author_is_a_space(tmp_path: Path):
    found = files(create("q", "loss", tmp_path / "q", author=" Ada\n\tKing\u2028Lovelace\xa0").folder)
    assert tomllib.loads(found["pyproject.toml"])["project"]["authors"] == [{"name": "Ada King Lovelace"}]


def test_git_s_name_is_ignored_where_it_cannot_be_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "gitconfig").write_text("[user]\n\tname = Grace \x1b[31m Hopper\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "none"))
    found = files(create("q", "loss", tmp_path / "a").folder)
    assert "the authors of cganzoo-q" in found["LICENSE"]
    assert "authors" not in tomllib.loads(found["pyproject.toml"])["project"]


# --- refusals -------------------------------------------------------------------------------------------------------


def test_unknown_kind_and_licence(tmp_path: Path):
    with pytest.raises(PluginError, match=r'no kind "los"; the kinds are .*loss, regularizer, .* or logger$'):
        create("q", "los", tmp_path / "q")
    with pytest.raises(PluginError, match=r'no kind "loss,metric"; .*; for several, repeat --kind$'):
        create("q", ["loss,metric"], tmp_path / "q")
    with pytest.raises(PluginError, match=r'"GPL" is not offered; choose MIT, BSD-3-Clause, Apache-2.0 or none'):
        create("q", "loss", tmp_path / "q", license_name="GPL")
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_left_as_it_is(tmp_path: Path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine, too")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("full", "file", "link"):
        with pytest.raises(PluginError, match=f"{name}: exists already"):
            create("q", "loss", tmp_path / name)
    assert files(tmp_path) == {"full/mine.txt": "mine", "file": "mine, too"}


def test_an_empty_folder_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    created = create("q", "loss", Path())
    assert (tmp_path / "pyproject.toml").is_file()
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"cganzoo_q", "tests", "recipes", ".github"}
    assert created.folder == Path()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    for parent in ("nowhere", "file"):
        with pytest.raises(PluginError, match=rf"{parent}/q: cannot be written \(.+\); choose another"):
            create("q", "loss", tmp_path / parent / "q")
    assert files(tmp_path) == {"file": "mine"}


@pytest.mark.parametrize("there", [True, False])
def test_a_failure_leaves_nothing_half_written(there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "q"
    if there:
        folder.mkdir()
    write, written = Path.write_text, []

    def fails_later(self: Path, *arguments: object, **named: object) -> int:
        written.append(self)
        if len(written) == 5:
            raise OSError(28, "No space left on device")
        return write(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "write_text", fails_later)
    with pytest.raises(PluginError, match=r"cannot be written \(No space left on device\)"):
        create("q", "loss", folder)
    assert len(written) == 5
    assert [path.name for path in tmp_path.iterdir()] == (["q"] if there else [])
    assert not there or list(folder.iterdir()) == []
