"""``cganzoo plugin new``: what it writes, for each kind, installs, passes its tests and trains; what it refuses."""

from __future__ import annotations

import ast
import functools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from cganzoo._util.toml import tomllib
from cganzoo.cli.main import main
from cganzoo.cli.plugin_new import THINGS, Created, announce, create, host_bounds, inspect, named
from cganzoo.errors import PluginError
from cganzoo.recipe.read import load_recipe
from cganzoo.registry import KINDS

ROOT = Path(__file__).parents[2]
NAMES = {
    "loss": "SoftGAN",
    "metric": "mean_distance",
    "generator": "upsampler",
    "discriminator": "halving_trunk",
    "dataset": "drawn_shapes",
}
FIXED = {".gitignore", ".github/workflows/test.yml", "LICENSE", "README.md", "pyproject.toml"}
LEFTOVER = re.compile(r"PACKAGE|COMPONENT|(?<!\$)\{\{|\{%|%\}|TODO|FIXME|[Jj]inja")


def python(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "80", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module", autouse=True)
def _looked_at_once() -> Iterator[None]:
    """What is installed is looked at once, not for each plugin that is made here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cganzoo.cli.plugin_new.inspect", functools.cache(inspect))
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Created]:
    """A plugin of each kind."""
    folder = tmp_path_factory.mktemp("made")
    return {kind: create(name, kind, folder / kind, author="Ada Lovelace") for kind, name in NAMES.items()}


@pytest.fixture(scope="module")
def site(made: dict[str, Created], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugins, installed into a folder of their own."""
    folder = tmp_path_factory.mktemp("site")
    sources = [str(created.folder) for created in made.values()]
    pip = ["-m", "uv", "pip", "install", "-q", "--offline", "--no-deps", "--no-build-isolation"]
    ended = python(*pip, "--python", sys.executable, "--target", str(folder), *sources, cwd=folder)
    assert ended.returncode == 0, ended.stderr
    return folder


# --- what is written ------------------------------------------------------------------------------------------------


def test_there_is_a_template_for_every_kind():
    assert set(NAMES) == set(KINDS) == set(THINGS)


@pytest.mark.smoke
@pytest.mark.parametrize("kind", KINDS)
def test_the_plugin_is_whole(kind: str, made: dict[str, Created]):
    created = made[kind]
    component, package = created.names.component, created.names.package
    modules = {"__init__.py", "config.py", "py.typed", f"{kind}.py"} | ({"reference.py"} if kind == "loss" else set())
    found = files(created.folder)
    assert set(found) == {
        *FIXED,
        *(f"{package}/{module}" for module in modules),
        f"tests/test_{component}.py",
        created.recipe,
    }
    for path, text in found.items():
        assert not LEFTOVER.search(text), path
        assert text == "" or (text.endswith("\n") and not text.endswith("\n\n")), path
    assert found[f"{package}/py.typed"] == ""
    project = tomllib.loads(found["pyproject.toml"])["project"]
    assert project["name"] == f"cganzoo-{component.replace('_', '-')}"
    assert project["version"] == "0.1.0"
    assert project["requires-python"] == ">=3.10"
    assert project["license"] == "MIT"
    assert project["authors"] == [{"name": "Ada Lovelace"}]
    assert project["entry-points"] == {"cganzoo": {component: package}}
    assert project["dependencies"] == ["cganzoo>=0.1,<0.2", "numpy>=1.26" if kind == "dataset" else "torch>=2.11"]
    assert project["optional-dependencies"]["test"][0] == "cganzoo[zoo]>=0.1,<0.2"
    assert all(f"`{option}`" in found["README.md"] for option in options(found[f"{package}/config.py"]))


def options(config: str) -> list[str]:
    return re.findall(r"^    (\w+): .*Field", config, re.MULTILINE)


@pytest.mark.parametrize("kind", KINDS)
def test_the_recipe_is_the_zoo_s_but_for_the_component(kind: str, made: dict[str, Created]):
    created = made[kind]
    ours = load_recipe(created.folder / created.recipe).sections
    assert ours.requires.plugins[0] == created.names.distribution
    assert {"cganzoo-dcgan", "cganzoo-scores"} < set(ours.requires.plugins)
    (base,) = re.findall(r"as the zoo's (\w+)\.", (created.folder / created.recipe).read_text())
    theirs = load_recipe(base).sections
    changed = {name for name in type(ours).model_fields if getattr(ours, name) != getattr(theirs, name)}
    table = {"dataset": "data", "metric": "metrics"}.get(kind, kind)
    assert changed == {"requires", table}
    if kind == "metric":
        assert ours.metrics[:-1] == theirs.metrics
    chosen = ours.metrics[-1] if kind == "metric" else getattr(ours, table)
    assert chosen.name == created.names.component


def test_the_code_is_linted_and_formatted_whatever_the_name(made: dict[str, Created], tmp_path: Path):
    folders = [created.folder for created in made.values()]
    for kind in KINDS:
        for name in ("q", "a_name_of_thirty_characters_xy"):
            folders.append(create(name, kind, tmp_path / f"{kind}-{len(name)}", author="").folder)
    for folder in folders:  # from within, so that its package is known to be its own
        ruff = ["-m", "ruff", "check", "--no-cache", "--config", str(ROOT / "pyproject.toml")]
        ended = python(*ruff, "--ignore", "TID253", ".", cwd=folder)
        assert ended.returncode == 0, ended.stdout
        ended = python("-m", "ruff", "format", "--no-cache", "--diff", ".", cwd=folder)
        assert ended.returncode == 0, ended.stdout
        front = [str(path) for path in folder.glob("cganzoo_*/*.py") if path.stem in ("__init__", "config")]
        assert len(front) == 2
        ended = python(*ruff, "--select", "TID253", *front, cwd=folder)
        assert ended.returncode == 0, ended.stdout


def test_the_code_is_typed(made: dict[str, Created], tmp_path: Path):
    packages = [str(created.folder / created.names.package) for created in made.values()]
    # The checkout's own cache: quick where mypy has been run on it, half a minute where not.
    settings = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache")]
    ended = python("-m", "mypy", *settings, *packages, cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(r"no issues found in 16 source files", ended.stdout)


def test_the_workflow_and_the_ignored_files(made: dict[str, Created]):
    text = (made["loss"].folder / ".github/workflows/test.yml").read_text()
    assert 'python: ["3.10", "3.x"]' in text
    assert "\npermissions:\n  contents: read\n\njobs:" in text, "the token of a run may read, no more"
    assert "${{ matrix.python }}" in text
    runs = re.findall(r"- run: (.*)", text)
    assert [run.split()[0] for run in runs] == ["pip", "pytest", "cganzoo", "python"]
    assert "recipes/softgan_digits.toml" in runs[2]
    assert shlex.split(runs[2])[-1] == "metrics=[]"
    assert "'metrics=[]'" in runs[2], "some shells look for files of an unquoted pattern"
    assert "dist/" in (made["loss"].folder / ".gitignore").read_text().split()


# --- what is written works ------------------------------------------------------------------------------------------


def test_the_plugins_pass_their_own_tests(made: dict[str, Created], site: Path, tmp_path: Path):
    from cganzoo import testing

    folders = [str(created.folder / "tests") for created in made.values()]
    settings = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "--rootdir", str(tmp_path)]
    ended = python("-m", "pytest", *settings, *folders, cwd=tmp_path, PYTHONPATH=str(site))
    assert ended.returncode == 0, ended.stdout
    assert "failed" not in ended.stdout
    for kind, created in made.items():
        number = getattr(testing, f"{kind.capitalize()}Conformance").number_of_checks
        assert re.search(rf"^{kind} {created.names.component}: {number} checks: ", ended.stdout, re.MULTILINE)
    # Each plugin has one more test at least than the kit's.
    passed = int(re.findall(r"(\d+) passed", ended.stdout)[-1])
    in_kit = sum(int(count) for count in re.findall(r"checks: (\d+) passed", ended.stdout))
    assert passed >= in_kit + len(KINDS)


def test_the_recipes_train(made: dict[str, Created], site: Path, tmp_path: Path):
    """Three steps of each; the metric's scores, too."""
    code = (
        "import sys, cganzoo.cli.main\n"
        "for recipe in sys.argv[1:]:\n"
        "    metrics = [] if 'mean_distance' not in recipe else ['metrics=[{name = \"mean_distance\"}]',\n"
        "        'evaluation.samples=50', 'evaluation.extractor.epochs=1']\n"
        "    sets = ['train.steps=3', 'train.batch_size=8', *(metrics or ['metrics=[]'])]\n"
        "    try:\n"
        "        cganzoo.cli.main.main(['run', recipe, *(word for value in sets for word in ('--set', value))])\n"
        "    except SystemExit as end:\n"
        "        assert not end.code, recipe\n"
    )
    recipes = [str(created.folder / created.recipe) for created in made.values()]
    ended = python("-c", code, *recipes, cwd=tmp_path, PYTHONPATH=str(site))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert len(list(tmp_path.glob("runs/*/seed-0/samples/*.png"))) == len(KINDS)
    assert "mean_distance" in (tmp_path / "runs/mean_distance_digits/seed-0/metrics.jsonl").read_text()


def test_a_new_loss_stands_beside_one_of_the_zoo(made: dict[str, Created], site: Path, tmp_path: Path):
    """In the table and in the report, with no edit anywhere else."""
    recipe = str(made["loss"].folder / made["loss"].recipe)
    sets = ["train.steps=2", "train.batch_size=8", "evaluation.samples=50", "train.evaluate_every=0"]
    sets += ["evaluation.extractor={name = 'classifier', model = 'resnet18', width = 2, steps = 2}"]
    sets += ["metrics=[{name = 'fid'}]"]
    arguments = ["compare", recipe, "amgan_digits", "--seeds", "0,1", "--out", "out", "--device", "cpu"]
    code = "import sys, cganzoo.cli.main; cganzoo.cli.main.main(sys.argv[1:])"
    changes = [word for value in sets for word in ("--set", value)]
    ended = python("-c", code, *arguments, *changes, cwd=tmp_path, PYTHONPATH=str(site))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    name = Path(recipe).stem
    assert re.search(rf"^\| {name} \| .*\d ", (tmp_path / "out" / "table.md").read_text(), re.MULTILINE)
    assert re.search(r"^\| amgan_digits \| .*\d ", (tmp_path / "out" / "table.md").read_text(), re.MULTILINE)
    assert name in (tmp_path / "out" / "report.html").read_text()


def test_what_is_installed_is_described(made: dict[str, Created], site: Path):
    for created in made.values():
        # The backport of importlib.metadata, once anything has imported it, finds everything a second time.
        found, *_ = metadata.distributions(name=created.names.distribution, path=[str(site)])
        assert found.metadata["License-Expression"] == "MIT"
        assert found.metadata["Requires-Python"] == ">=3.10"
        assert created.names.component in found.metadata["Summary"]
        assert "cganzoo<0.2,>=0.1" in (found.requires or [])
        assert (site / created.names.package / "py.typed").is_file()
        assert any(str(path).endswith("licenses/LICENSE") for path in found.files or ())


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
        ("class", "Python's own"),
        ("Lambda", "Python's own"),
        ("match", "Python's own"),
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
    assert create("inception_score", "loss", tmp_path / "c").notes == ()


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
    with pytest.raises(PluginError, match=r'no kind "los"; the kinds are .*loss, metric or dataset'):
        create("q", "los", tmp_path / "q")
    with pytest.raises(PluginError, match=r'"GPL" is not offered; choose MIT, BSD-3-Clause, Apache-2.0 or none'):
        create("q", "loss", tmp_path / "q", license_name="GPL")
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_left_as_it_is(tmp_path: Path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine, too")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("full", "file", "link"):
        with pytest.raises(PluginError, match=f"{name}: is there already"):
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


# --- the command ----------------------------------------------------------------------------------------------------


@pytest.mark.smoke
def test_the_command_says_what_to_do_next(tmp_path: Path):
    """80 columns are enough, and no torch is imported."""
    code = (
        "import sys\nfrom cganzoo.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n    print('HEAVY', sorted({'torch', 'numpy', 'PIL', 'timm', 'sklearn'} & set(sys.modules)))\n"
    )
    ended = python("-c", code, "plugin", "new", "softgan", "--kind", "loss", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    *lines, heavy = ended.stdout.splitlines()
    assert heavy == "HEAVY []"
    assert max(map(len, lines)) <= 80
    assert [path.name for path in tmp_path.iterdir()] == ["cganzoo-softgan"]
    for file in ("cganzoo_softgan/loss.py", "cganzoo_softgan/reference.py", "recipes/softgan_digits.toml"):
        assert any(line.strip().startswith(file) for line in lines)
        assert (tmp_path / "cganzoo-softgan" / file).is_file()
    commands = [line.strip() for line in lines[lines.index("Next:") + 1 :] if line.startswith("  ")]
    assert commands[0] == "cd cganzoo-softgan"
    assert [command.split()[0] for command in commands] == ["cd", "pip", "cganzoo", "pytest", "cganzoo"]


@pytest.mark.parametrize(
    ("author", "license_name", "line"),
    [
        ("Ada Lovelace", "apache-2.0", "LICENSE: Apache-2.0, by Ada Lovelace; --author and --license change it."),
        ("", "MIT", "LICENSE: MIT, by the authors of cganzoo-q; --author and --license change it."),
        ("[red]Ada", "none", "LICENSE: none; --author and --license change it."),
    ],
)
def test_the_command_says_which_licence_it_wrote(
    author: str, license_name: str, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    announce(create("q", "loss", tmp_path / "q", author=author, license_name=license_name))
    assert line in capsys.readouterr().out.splitlines()


def test_the_command_refuses_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["plugin", "new", "softgan", "--kind", "lose"])
    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_tells_of_a_clash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    created = create("kid", "metric")
    announce(created)
    assert capsys.readouterr().err.startswith("note: cganzoo-scores")
