"""From a recipe's ``[evaluation.extractor]`` to a network that is ready: names, options, and where each comes from."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from rich.console import Console

from cganzoo import ClassifierConfig, Config
from cganzoo.console.reporter import Reporter
from cganzoo.data.cache import ImageSet
from cganzoo.errors import DataError, PluginError, RecipeError, RunError
from cganzoo.evaluate import inception
from cganzoo.evaluate.extractors import InceptionConfig, TimmConfig
from cganzoo.extractor import Extractor
from cganzoo.recipe.json_schema import recipe_schema
from cganzoo.recipe.read import parse_recipe
from cganzoo.recipe.resolve import Chosen, Resolved, resolve
from cganzoo.registry import load_plugins
from cganzoo.session import scorer
from cganzoo.specs import ComponentTable

CPU = torch.device("cpu")
TINY = ClassifierConfig(width=2, steps=3, batch_size=8)


def split(name: str, count: int) -> ImageSet:
    images = np.random.default_rng(count).integers(0, 256, (count, 1, 8, 8), dtype=np.uint8)
    return ImageSet(images, np.arange(count) % 2, ("a", "b"), name, f"{name} {count}")


SPLITS = {"train": split("train", 30), "test": split("test", 12)}


class Heard(Reporter):
    """A reporter that keeps its lines."""

    def __init__(self) -> None:
        self.text = io.StringIO()
        super().__init__(Console(file=self.text, width=200))

    @property
    def lines(self) -> list[str]:
        return self.text.getvalue().splitlines()


def obtain(config: Config, *arguments: Any) -> Any:
    """The host's extractor with these options."""
    hosted = {component.spec.config: component for component in load_plugins([]).components("extractor")}
    found = hosted[type(config)]
    chosen = Chosen(ComponentTable(name=found.name), found.spec, config, found.provider)
    return scorer.obtain(chosen, *arguments)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CGANZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_classifier_is_trained_once_and_its_accuracy_shown_each_time(cache: Path) -> None:
    first, again = Heard(), Heard()
    trained = obtain(TINY, SPLITS, first, CPU)
    cached = obtain(TINY, SPLITS, again, CPU)
    accuracy = trained.protocol()["accuracy"]
    line = f"classifier resnet18: accuracy {accuracy:.4f} on 12 test images"
    assert first.lines == ["training the classifier for the scores: 3 of 3", line]
    assert again.lines == [line]
    assert cached.protocol() == trained.protocol()
    assert [path.suffix for path in (cache / "classifiers").glob("resnet18-*") if path.suffix != ".lock"] == [
        ".safetensors"
    ]
    assert trained.own_classes


def test_a_run_keeps_its_classifier_and_uses_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "extractor.safetensors"
    trained = obtain(TINY, SPLITS, Heard(), CPU, file)
    assert file.is_file()
    monkeypatch.setenv("CGANZOO_CACHE", str(tmp_path / "another"))
    heard = Heard()
    assert obtain(TINY, SPLITS, heard, CPU, file).protocol() == trained.protocol()
    assert len(heard.lines) == 1
    only_train = {"train": SPLITS["train"]}
    assert obtain(TINY, only_train, Heard(), CPU, file).protocol() == trained.protocol()


@pytest.mark.parametrize("change", ["options", "classes", "damage"])
def test_a_runs_classifier_that_does_not_fit_is_made_again(tmp_path: Path, change: str) -> None:
    file = tmp_path / "extractor.safetensors"
    old = obtain(TINY, SPLITS, Heard(), CPU, file)
    config, splits = TINY, SPLITS
    if change == "options":
        config = TINY.model_copy(update={"seed": 1})
    elif change == "classes":
        splits = {
            name: ImageSet(part.images, part.labels, ("a", "b", "c"), name, f"{name} of three")
            for name, part in SPLITS.items()
        }
    else:
        file.write_bytes(file.read_bytes()[:-9])
    new = obtain(config, splits, Heard(), CPU, file)
    assert new.num_classes == splits["train"].num_classes
    assert (new.protocol() == old.protocol()) is (change == "damage")
    heard = Heard()
    obtain(config, splits, heard, CPU, file)
    assert len(heard.lines) == 1, "the run's file is the new one"


def test_a_run_folder_that_cannot_be_written_does_not_matter(tmp_path: Path) -> None:
    obtain(TINY, SPLITS, Heard(), CPU, tmp_path / "no such folder" / "extractor.safetensors")


def test_a_classifier_needs_images_to_be_measured_on() -> None:
    sentence = r'^[^\n]*no test split[^\n]*evaluation\.extractor[^\n]*name = "inception"[^\n]*$'
    with pytest.raises(DataError, match=sentence):
        obtain(TINY, {"train": SPLITS["train"]}, Heard(), CPU)


def test_a_classifier_that_diverges_is_no_divergence_of_the_method() -> None:
    wild = TINY.model_copy(update={"learning_rate": 1e30, "steps": 50})
    with pytest.raises(RunError, match=r"lower evaluation\.extractor\.learning_rate \(it is 1e\+30\)"):
        obtain(wild, SPLITS, Heard(), CPU)


def test_a_stopped_training_resumes(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cganzoo import classification

    class Interrupting(Heard):
        stop = True

        @contextmanager
        def stage(self, what: str, *, in_bytes: bool = False) -> Iterator[Callable[[int, int], None]]:
            def progress(done: int, total: int) -> None:
                self.say(f"{done} of {total}")
                if self.stop and done == 4:
                    raise KeyboardInterrupt

            yield progress

    monkeypatch.setattr(classification, "STATE_EVERY", 0.0)
    with pytest.raises(KeyboardInterrupt):
        obtain(TINY.model_copy(update={"steps": 6}), SPLITS, Interrupting(), CPU)
    (partial,) = (cache / "classifiers").glob("*.partial")
    heard = Interrupting()
    heard.stop = False
    obtain(TINY.model_copy(update={"steps": 6}), SPLITS, heard, CPU)
    assert heard.lines[:-1] == ["4 of 6", "5 of 6", "6 of 6"]
    assert not partial.exists()


def test_a_pretrained_network_needs_no_test_split_and_is_not_copied(tmp_path: Path, cache: Path) -> None:
    weights = tmp_path / "weights.pth"
    torch.save(timm.create_model("test_resnet").state_dict(), weights)
    heard, file = Heard(), tmp_path / "extractor.safetensors"
    config = TimmConfig(model="test_resnet", weights=str(weights))
    extractor = obtain(config, {"train": SPLITS["train"]}, heard, CPU, file)
    assert not extractor.own_classes
    (line,) = heard.lines
    assert line.startswith("timm/test_resnet: 96 features and 1000 classes, images resized to 160 px, weights ")
    assert extractor.protocol()["weights"] in line
    assert not file.exists()
    assert not cache.exists()


def test_the_inception_network_is_kept_in_the_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Ready(Extractor):
        def description(self) -> str:
            return "inception: ready"

    asked: list[Any] = []

    def load(config: Any, folder: Path, progress: Callable[[int, int], None]) -> Ready:
        asked.append((config, folder))
        progress(2_000_000, 2_000_000)
        return Ready()

    monkeypatch.setattr(inception, "load", load)
    heard = Heard()
    config = InceptionConfig(weights="a")
    obtain(config, {"train": SPLITS["train"]}, heard, CPU)
    assert asked == [(config, cache / "weights")]
    assert heard.lines[0].startswith("downloading the weights of the Inception network: 2.0 MB")
    assert heard.lines[1:] == ["inception: ready"]


@pytest.mark.parametrize(
    ("override", "config"),
    [
        ("{name='classifier', steps=9, schedule='step'}", ClassifierConfig(steps=9, schedule="step")),
        ("{name='classifier', model='densenet_bc_40_40'}", ClassifierConfig(model="densenet_bc_40_40")),
        ("{name='inception'}", InceptionConfig()),
        ("{name='inception', weights='a.pth'}", InceptionConfig(weights="a.pth")),
        ("{name='timm/resnet50.a1_in1k'}", TimmConfig(model="resnet50.a1_in1k")),
        ("{name='timm/x', weights='b', input_size=64}", TimmConfig(model="x", weights="b", input_size=64)),
    ],
)
def test_a_recipe_names_an_extractor_and_reads_back_the_same(
    resolved: Callable[..., Resolved], override: str, config: Any
) -> None:
    first = resolved(f"evaluation.extractor={override}")
    assert first.extractor.config == config
    again = resolve(parse_recipe(first.toml(), name="again", source="again.toml"))
    assert again.extractor.config == config
    assert again.values() == first.values()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet50", r'there is no feature extractor "resnet50".*\(available: classifier, inception, timm/<model>\)'),
        ("Inception", r'there is no feature extractor "Inception"; did you mean "inception"\?'),
        ("timm", r'"timm" does not name a model; write "timm/<model>"'),
        ("timm/", r'"timm/" does not name a model; write "timm/<model>"'),
        ("timm/a/b", r'"timm/a/b" does not name a model; write "timm/<model>"'),
    ],
)
def test_an_unknown_name_lists_the_choices(resolved: Callable[..., Resolved], name: str, message: str) -> None:
    with pytest.raises(PluginError, match=f"^--set evaluation.extractor.name: {message}"):
        resolved(f"evaluation.extractor.name={name}")


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("{name='timm/x', model='y'}", r"model: is already part of the name; remove it"),
        ("{name='timm/x', weight='y'}", r'did you mean "weights"'),
        ("{name='inception', epochs=3}", r"epochs: unknown key"),
        ("{name='timm/x', input_size=0}", r"0 does not fit"),
        ("{name='classifier', schedule='steps'}", r'"steps" does not fit'),
        ("{name='classifier', steps=1}", r"1 does not fit"),
    ],
)
def test_a_wrong_option_is_one_message(resolved: Callable[..., Resolved], override: str, sentence: str) -> None:
    with pytest.raises(RecipeError, match=f"evaluation.extractor.*{sentence}") as caught:
        resolved(f"evaluation.extractor={override}")
    assert "\n" not in str(caught.value)


def test_the_schema_describes_each_extractor() -> None:
    tables = {one["title"]: one for one in recipe_schema(load_plugins([]))["$defs"]["extractor"]["oneOf"]}
    assert tables.keys() == {"cganzoo/classifier", "cganzoo/inception", "cganzoo/timm"}
    assert tables["cganzoo/inception"]["properties"]["name"] == {"enum": ["inception", "cganzoo/inception"]}
    assert tables["cganzoo/timm"]["properties"]["name"]["pattern"] == "^(timm|cganzoo/timm)/.+$"
    assert tables["cganzoo/timm"]["properties"].keys() == {"name", "weights", "input_size"}
    assert tables["cganzoo/timm"]["required"] == ["name"]


def test_networks_are_imported_when_they_are_used() -> None:
    code = (
        "import sys, cganzoo.session.scorer\nsys.exit(bool({'timm', 'torch_fidelity', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
