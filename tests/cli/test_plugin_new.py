"""``cganzoo plugin new``: what it writes, for each kind, installs, passes its tests and trains; what it refuses."""

from __future__ import annotations

import functools
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from cganzoo._util.install import install_command
from cganzoo._util.toml import tomllib
from cganzoo.cli.main import main
from cganzoo.cli.plugin_names import inspect
from cganzoo.cli.plugin_new import Created, announce, create
from cganzoo.recipe.read import load_recipe
from cganzoo.registry import KINDS

ROOT = Path(__file__).parents[2]
NAMES = {
    "loss": "SoftGAN",
    "regularizer": "drift",
    "augmentation": "instance_noise",
    "metric": "mean_distance",
    "generator": "upsampler",
    "discriminator": "halving_trunk",
    "dataset": "drawn_shapes",
    "extractor": "random_filters",
    "logger": "csv_terms",
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
        patch.setattr("cganzoo.cli.plugin_names.inspect", functools.cache(inspect))
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Created]:
    """A plugin of each kind."""
    folder = tmp_path_factory.mktemp("made")
    return {kind: create(name, kind, folder / kind, author="Ada Lovelace") for kind, name in NAMES.items()}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Created:
    """A plugin of two kinds."""
    folder = tmp_path_factory.mktemp("pair") / "pair"
    return create("PairGAN", ["discriminator", "generator", "generator"], folder, author="Ada Lovelace")


@pytest.fixture(scope="module")
def site(made: dict[str, Created], pair: Created, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugins, installed into a folder of their own."""
    folder = tmp_path_factory.mktemp("site")
    sources = [str(created.folder) for created in (*made.values(), pair)]
    pip = ["-m", "uv", "pip", "install", "-q", "--offline", "--no-deps", "--no-build-isolation"]
    ended = python(*pip, "--python", sys.executable, "--target", str(folder), *sources, cwd=folder)
    assert ended.returncode == 0, ended.stderr
    return folder


# --- what is written ------------------------------------------------------------------------------------------------


def test_there_is_a_template_for_every_kind():
    assert set(NAMES) == set(KINDS)


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
    imported = {"dataset": ["numpy>=1.26"], "logger": []}.get(kind, ["torch>=2.11"])
    assert project["dependencies"] == ["cganzoo>=0.1,<0.2", *imported]
    assert project["optional-dependencies"]["test"][0] == "cganzoo[zoo]>=0.1,<0.2"
    assert all(f"`{option}`" in found["README.md"] for option in options(found[f"{package}/config.py"]))


def test_a_plugin_of_several_kinds_is_one_distribution(pair: Created):
    found = files(pair.folder)
    modules = {"__init__.py", "config.py", "py.typed", "generator.py", "discriminator.py"}
    tests = {f"tests/test_pairgan_{kind}.py" for kind in ("generator", "discriminator")}
    assert set(found) == {*FIXED, *(f"cganzoo_pairgan/{module}" for module in modules), *tests, pair.recipe}
    assert not any(LEFTOVER.search(text) for text in found.values())
    assert tomllib.loads(found["pyproject.toml"])["project"]["entry-points"] == {
        "cganzoo": {"pairgan": "cganzoo_pairgan"}
    }
    assert re.findall(r"^def (\w+)", found["cganzoo_pairgan/__init__.py"], re.MULTILINE) == [
        "cganzoo_generators",
        "cganzoo_discriminators",
    ]
    assert all(f"`{option}`" in found["README.md"] for option in options(found["cganzoo_pairgan/config.py"]))
    recipe = load_recipe(pair.folder / pair.recipe)
    assert [recipe.sections.tables(KINDS[kind])[0].name for kind in ("generator", "discriminator")] == ["pairgan"] * 2
    # Nothing of the zoo's networks is left in the recipe.
    assert recipe.sections.requires.plugins == ("cganzoo-pairgan", "cganzoo-acgan", "cganzoo-scores")
    assert max(len(line) for name in ("README.md", pair.recipe) for line in found[name].splitlines()) <= 120


def test_the_recipe_of_a_plugin_of_every_kind_names_each(tmp_path: Path):
    created = create("wholegan", list(KINDS), tmp_path / "all", author="")
    sections = load_recipe(created.folder / created.recipe).sections
    for kind in KINDS.values():
        assert sections.tables(kind)[-1].name == "wholegan", kind.name
    assert created.recipe == "recipes/wholegan.toml"


def options(config: str) -> list[str]:
    return re.findall(r"^    (\w+): .*Field", config, re.MULTILINE)


@pytest.mark.parametrize("kind", KINDS)
def test_the_recipe_differs_from_the_zoo_s_in_the_component(kind: str, made: dict[str, Created]):
    created = made[kind]
    text = (created.folder / created.recipe).read_text()
    recipe = load_recipe(created.folder / created.recipe)
    ours = recipe.sections
    assert ours.requires.plugins[0] == created.names.distribution
    assert {"cganzoo-dcgan", "cganzoo-scores"} < set(ours.requires.plugins)
    (base,) = re.findall(r"the same as the zoo's (\w+)\.", text)
    theirs = load_recipe(base).sections
    changed = {name for name in type(ours).model_fields if getattr(ours, name) != getattr(theirs, name)}
    section, _, _ = KINDS[kind].recipe_table.partition(".")
    # The new extractor has no logits, so the metrics that read them are left out.
    assert changed == {"requires", section} | ({"metrics"} if kind == "extractor" else set())
    *others, chosen = ours.tables(KINDS[kind])
    assert tuple(others) == (theirs.tables(KINDS[kind]) if KINDS[kind].many else ())
    assert chosen.name == created.names.component


def test_the_code_is_linted_and_formatted_whatever_the_name(made: dict[str, Created], pair: Created, tmp_path: Path):
    folders = [created.folder for created in (*made.values(), pair)]
    for name in ("q", "a_name_of_thirty_characters_xy"):
        folders.append(create(name, list(KINDS), tmp_path / f"all-{len(name)}", author="").folder)
        for kind in KINDS:
            folders.append(create(name, kind, tmp_path / f"{kind}-{len(name)}", author="").folder)
    everything = list(map(str, folders))
    # As if ruff ran inside each folder, where the package is first-party and tests need no docstrings.
    inside = (f"src = {json.dumps(everything)}", 'lint.extend-per-file-ignores = {"test_*.py" = ["D1"]}')
    settings = [str(ROOT / "pyproject.toml"), *inside]
    ruff = ["-m", "ruff", "check", "--no-cache", *(word for one in settings for word in ("--config", one))]
    ended = python(*ruff, "--ignore", "TID253", *everything, cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    ended = python("-m", "ruff", "format", "--no-cache", "--diff", *everything, cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    paths = [path for folder in folders for path in folder.glob("cganzoo_*/*.py")]
    front = [str(path) for path in paths if path.stem in ("__init__", "config")]
    assert len(front) == 2 * len(folders)
    ended = python(*ruff, "--select", "TID253", *front, cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_code_is_typed(made: dict[str, Created], pair: Created, tmp_path: Path):
    packages = [str(created.folder / created.names.package) for created in (*made.values(), pair)]
    # The checkout's own cache: quick where mypy has been run on it, half a minute where not.
    settings = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache")]
    ended = python("-m", "mypy", *settings, *packages, cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(r"no issues found in 32 source files", ended.stdout)


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


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["loss", "all"])
def test_the_plugins_pass_their_own_tests(
    made: dict[str, Created], pair: Created, site: Path, tmp_path: Path, every: bool
):
    from cganzoo import testing

    chosen = [*made.items(), ("generator", pair), ("discriminator", pair)]
    if not every:
        chosen = [("loss", made["loss"])]
    folders = list(dict.fromkeys(str(created.folder / "tests") for _, created in chosen))
    settings = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "--rootdir", str(tmp_path)]
    ended = python("-m", "pytest", *settings, *folders, cwd=tmp_path, PYTHONPATH=str(site))
    assert ended.returncode == 0, ended.stdout
    assert "failed" not in ended.stdout
    for kind, created in chosen:
        number = getattr(testing, f"{kind.capitalize()}Conformance").number_of_checks
        assert re.search(rf"^{kind} {created.names.component}: {number} checks: ", ended.stdout, re.MULTILINE)
    # Each plugin has one more test at least than the kit's.
    passed = int(re.findall(r"(\d+) passed", ended.stdout)[-1])
    in_kit = sum(int(count) for count in re.findall(r"checks: (\d+) passed", ended.stdout))
    assert passed >= in_kit + len(chosen)


def run_cganzoo(*arguments: str) -> None:
    """The command, in this process."""
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    assert not end.value.code, arguments


def with_set(*values: str) -> list[str]:
    return [word for value in values for word in ("--set", value)]


@pytest.fixture
def installed(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The plugins can be imported in this process."""
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.chdir(tmp_path)
    yield
    packages = {path.name for path in site.iterdir()}
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]


@pytest.mark.usefixtures("installed")
def test_the_recipes_train(made: dict[str, Created], pair: Created, tmp_path: Path):
    """Three steps of each; the metric's scores, too."""
    for kind, created in [*made.items(), ("generator", pair)]:
        sets = ["train.steps=3", "train.batch_size=8", "metrics=[]"]
        if kind == "metric":
            name = created.names.component
            sets[2:] = [f"metrics=[{{name='{name}'}}]", "evaluation.samples=50", "evaluation.extractor.epochs=1"]
        if kind == "extractor":
            sets[2:] = ["evaluation.samples=50", "metrics=[{name='fid'}]"]
        run_cganzoo("run", str(created.folder / created.recipe), *with_set(*sets))
    assert len(list(tmp_path.glob("runs/*/seed-0/samples/*.png"))) == len(KINDS) + 1
    assert "mean_distance" in (tmp_path / "runs/mean_distance_digits/seed-0/metrics.jsonl").read_text()
    assert '"fid"' in (tmp_path / "runs/random_filters_digits/seed-0/metrics.jsonl").read_text()
    assert (tmp_path / "runs/csv_terms_digits/seed-0/terms.csv").read_text().startswith("step,")


@pytest.mark.usefixtures("installed")
def test_a_new_loss_stands_beside_one_of_the_zoo(made: dict[str, Created], tmp_path: Path):
    """In the table and in the report, with no edit anywhere else."""
    recipe = str(made["loss"].folder / made["loss"].recipe)
    sets = ["train.steps=2", "train.batch_size=8", "evaluation.samples=50", "train.evaluate_every=0"]
    sets += ["evaluation.extractor={name = 'classifier', model = 'resnet18', width = 2, steps = 2}"]
    sets += ["metrics=[{name = 'fid'}]"]
    arguments = ["compare", recipe, "amgan_digits", "--seeds", "0,1", "--out", "out", "--device", "cpu"]
    run_cganzoo(*arguments, *with_set(*sets))
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
    assert commands[1].split("  ")[0] == install_command('-e ".[test]"'), "a command that this environment has"
    assert [command.split()[0] for command in commands[2:]] == ["cganzoo", "pytest", "cganzoo"]


@pytest.mark.parametrize(
    ("author", "license_name", "line"),
    [
        ("Ada Lovelace", "apache-2.0", "LICENSE: Apache-2.0, by Ada Lovelace; --author and --license change it."),
        ("", "MIT", "LICENSE: MIT, by its authors; --author and --license change it."),
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
