"""What a failed check says: file and line in the author's package; failures with one cause are printed once.

Also: options for small builds in the specification, trunks without parameters, and references that read images.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cganzoo.cli.main import main
from cganzoo.testing import DiscriminatorConformance, LossConformance, Outcome, conformance, plugin_check
from cganzoo.testing.conformance import checks

DOCS = Path(__file__).parents[2] / "docs"

REGISTER = """
from cganzoo import Config, DiscriminatorSpec, LossSpec, hookimpl
from pydantic import Field


class Options(Config):
    width: int = Field(100_000_000, ge=1, description="Far too wide for a check.")


class Undescribed(Config):
    rate: float = 1.0


@hookimpl
def cganzoo_losses():
    for name in ("Wants", "Images", "OtherImages", "Misspelt", "Early", "Negative", "Nowhere"):
        yield LossSpec(
            name=name.lower(),
            summary="A loss",
            config=Undescribed if name == "Misspelt" else Config,
            build="cganzoo_author.losses.all:Gone" if name == "Nowhere" else f"cganzoo_author.losses.all:{name}",
            reference="cganzoo_author.reference" if "Images" in name else None,
        )


@hookimpl
def cganzoo_discriminators():
    yield DiscriminatorSpec(
        name="wide", summary="A trunk", config=Options, build="cganzoo_author.trunk:Wide", small={"width": 4}
    )
    yield DiscriminatorSpec(name="wider", summary="A trunk", config=Options, build="cganzoo_author.trunk:Wider")
"""

LOSSES = """
import torch
from cganzoo.objective import Objective
from torch import nn
from torch.nn import functional as F


class Wants(Objective):
    def __init__(self, config, context):
        super().__init__()
        self.head = nn.Linear(context.features, 1)

    def discriminator_loss(self, real, fake):
        score = self.head(real.features)
        (slope,) = torch.autograd.grad(score.sum(), real.images, create_graph=True)  # LINE OF WANTS
        return {"real": -score.mean(), "fake": self.head(fake.features).mean(), "penalty": slope.square().mean()}

    def generator_loss(self, fake, real=None):
        return {"adversarial": -self.head(fake.features).mean()}


class Images(Objective):
    def __init__(self, config, context):
        super().__init__()
        self.head = nn.Linear(context.features, 1)

    def discriminator_loss(self, real, fake):
        weight = real.images.flatten(1).mean(1).sigmoid()
        return {
            "real": (weight * F.softplus(-self.head(real.features).squeeze(1))).mean(),
            "fake": F.softplus(self.head(fake.features)).mean(),
        }

    def generator_loss(self, fake, real=None):
        return {"adversarial": F.softplus(-self.head(fake.features)).mean(), "dark": self.dark(fake.images)}

    def dark(self, images):
        return images.square().mean()


class OtherImages(Images):
    def dark(self, images):  # the same value, another gradient
        return images.square().mean().detach() + 0 * images.mean()


class Misspelt(Images):
    def generator_loss(self, fake, real=None):
        return {"adversarial": F.softplus(-self.haed(fake.features)).mean()}  # LINE OF MISSPELT


class Early(Images):
    def __init__(self, config, context):
        super().__init__(config, context)
        self.table = context.class_names[1000]  # LINE OF EARLY


class Negative(Images):
    def score(self, features, labels):
        return self.head(features)  # (N, 1), not (N,)
"""

REFERENCE = """
import torch


def score(x, heads):
    return (heads["head.weight"] @ x + heads["head.bias"])[0]


def discriminator_loss(heads, real, fake, config):
    weights = [1 / (1 + torch.exp(-image.mean())) for image in real.images]
    real_terms = [w * torch.log(1 + torch.exp(-score(x, heads))) for w, x in zip(weights, real.features, strict=True)]
    fake_terms = [torch.log(1 + torch.exp(score(x, heads))) for x in fake.features]
    return {"real": torch.stack(real_terms).mean(), "fake": torch.stack(fake_terms).mean()}


def generator_loss(heads, fake, config, real=None):
    terms = [torch.log(1 + torch.exp(-score(x, heads))) for x in fake.features]
    dark = sum((image**2).sum() for image in fake.images) / fake.images.numel()
    return {"adversarial": torch.stack(terms).mean(), "dark": dark}
"""

TRUNK = """
from cganzoo.networks import Discriminator
from torch import nn


class Wide(Discriminator):
    def __init__(self, config, context):
        super().__init__()
        assert config.width == 4
        self.feature_dim = config.width
        self.layer = nn.Linear(context.image_channels * context.image_size**2, config.width)

    def forward(self, images):
        return self.layer(images.flatten(1))


class Wider(Wide):
    def __init__(self, config, context):
        Discriminator.__init__(self)
        self.layer = nn.Linear(config.width, config.width)
"""


@pytest.fixture(scope="module", autouse=True)
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A distribution of one package with several modules, and one of a single module: the trunk of docs/hooks.md."""
    folder = tmp_path_factory.mktemp("site")
    page = (DOCS / "hooks.md").read_text()
    (pixels,) = (code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if 'name="pixels"' in code)
    files = {
        "cganzoo_author/__init__.py": REGISTER,
        "cganzoo_author/losses/__init__.py": "",
        "cganzoo_author/losses/all.py": LOSSES,
        "cganzoo_author/reference.py": REFERENCE,
        "cganzoo_author/trunk.py": TRUNK,
        "cganzoo_pixels.py": pixels,
    }
    for name in ("author", "pixels"):
        info = f"cganzoo_{name}-1.0.dist-info"
        files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: cganzoo-{name}\nVersion: 1.0\n"
        files[f"{info}/entry_points.txt"] = f"[cganzoo]\n{name} = cganzoo_{name}\n"
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path, str(folder)])
        yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] in ("cganzoo_author", "cganzoo_pixels")]:
        del sys.modules[name]


def line_of(name: str) -> str:
    """The line of ``losses/all.py`` that is marked with this name, as a place."""
    (number,) = (at for at, line in enumerate(LOSSES.splitlines(), 1) if line.endswith(f"# LINE OF {name}"))
    return f"cganzoo_author/losses/all.py:{number}"


LEFT_OUT = {
    "no_check_is_missing",
    "learns",
    "two_processes",
    "compiles_whole",
    "compiles_to_one_graph",
    "registering_imports_no_torch",
}
"""Checks that are slow, and the one that counts the others."""


def outcomes(name: str, monkeypatch: pytest.MonkeyPatch, *wanted: str, **attributes: Any) -> dict[str, Outcome]:
    """Results of the wanted checks, or of all that are quick; those of the trunk ``pixels`` for another base class."""
    base = attributes.pop("base", LossConformance)
    chosen = set(wanted) or set(checks(base)) - LEFT_OUT
    monkeypatch.setattr(conformance, "checks", lambda cls: [check for check in checks(cls) if check in chosen])
    found = conformance.run(type("Check", (base,), {"name": name, **attributes}))
    return {outcome.check: outcome for outcome in found}


# --- where ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "check", "place", "error"),
    [
        ("wants", "batch_of_one", line_of("WANTS"), "RuntimeError: One of the differentiated Tensors does not"),
        ("misspelt", "batch_of_one", line_of("MISSPELT"), "AttributeError: 'Misspelt' object has no attribute 'haed'"),
        ("early", "batch_of_one", line_of("EARLY"), "IndexError: tuple index out of range"),
        ("early", "two_processes", line_of("EARLY"), "IndexError: tuple index out of range"),
        ("misspelt", "two_processes", line_of("MISSPELT"), "AttributeError: 'Misspelt' object has no attribute 'haed'"),
        # Wrong results raise no error in the package: the place is a definition.
        ("otherimages", "equals_its_reference", "generator_loss", ""),
        ("negative", "score", "score", ""),
        ("misspelt", "options_are_described", "Undescribed", ""),
    ],
)
def test_a_failure_names_the_line_in_the_package(
    name: str, check: str, place: str, error: str, monkeypatch: pytest.MonkeyPatch, package: Path
) -> None:
    found = outcomes(name, monkeypatch, check)[check]
    assert found.status == "failed"
    assert found.error.startswith(error)
    assert bool(error) == bool(found.error)
    if error:
        assert found.place == place
    else:
        file, line = re.fullmatch(rf"(.*):(\d+) \({place}\)", found.place).groups()  # type: ignore[union-attr]
        source = (package / file).read_text().splitlines()[int(line) - 1]
        assert re.match(rf"\s*(def|class) {place}\b", source), source


def test_a_class_that_does_not_exist_is_looked_for_where_it_is_registered(
    monkeypatch: pytest.MonkeyPatch, package: Path
) -> None:
    found = outcomes("nowhere", monkeypatch, "batch_of_one")["batch_of_one"]
    assert found.error == 'ImportError: cganzoo_author.losses.all has no "Gone"'
    file, _, line = found.place.partition(":")
    assert "cganzoo_author.losses.all:Gone" in (package / file).read_text().splitlines()[int(line) - 1]


def test_a_component_too_large_for_the_checks_is_told_how_to_be_small(monkeypatch: pytest.MonkeyPatch) -> None:
    found = outcomes("wider", monkeypatch, "any_batch_size", base=DiscriminatorConformance)["any_batch_size"]
    assert found.message.endswith(
        "; the checks need a small component: set small, as small={...}, in its specification"
    )
    assert found.place.startswith("cganzoo_author/trunk.py:")


def test_the_line_that_imports_torch_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cganzoo_heavy.py").write_text(f"import json\n\nimport torch\n{REGISTER.replace('author', 'heavy')}")
    info = tmp_path / "cganzoo_heavy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: cganzoo-heavy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[cganzoo]\nheavy = cganzoo_heavy\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = outcomes("cganzoo-heavy/wants", monkeypatch, "registering_imports_no_torch")
    assert found["registering_imports_no_torch"].place == "cganzoo_heavy.py:3"


# --- equal failures -------------------------------------------------------------------------------------------------


def test_equal_failures_are_printed_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = set(checks(LossConformance)) - LEFT_OUT
    monkeypatch.setattr(conformance, "checks", lambda cls: [check for check in checks(cls) if check in chosen])
    monkeypatch.setattr(plugin_check, "checks", conformance.checks)
    with pytest.raises(SystemExit) as end:
        main(["plugin", "check", "cganzoo-author/wants"])
    assert end.value.code == 1
    lines = capsys.readouterr().out.splitlines()
    *_, counts = lines
    failed = int(re.search(r"(\d+) failed", counts)[1])  # type: ignore[index]
    assert failed > 20
    first, repeated = (at for at, line in enumerate(lines) if line.startswith("  ✗ "))
    assert lines[first].startswith("  ✗ terms_are_named_scalars: ")
    assert lines[first + 2] == lines[repeated + 1] == f"    at {line_of('WANTS')}"
    assert lines[repeated].startswith(f"  ✗ {failed} checks failed with the same error: RuntimeError: One of the diff")
    assert lines[repeated + 2].startswith("    terms_are_named_scalars, ")
    assert lines[repeated + 2].endswith(f" and {failed - 8} more")


def outcome(check: str, **changes: Any) -> Outcome:
    values = {"status": "failed", "message": "m", "place": "x/loss.py:3", "error": "ValueError: 3 x 4", **changes}
    return Outcome(check=check, what="", seconds=0.0, **values)


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"message": "with a=1: m"}, True),
        ({"error": "ValueError: 7 x 12"}, True),  # batches of several sizes
        ({"error": "TypeError: 3 x 4"}, False),
        ({"place": "x/loss.py:4"}, False),
        ({"status": "passed"}, False),
        ({"error": ""}, False),
    ],
)
def test_failures_are_equal_if_error_and_place_are(changes: dict[str, str], same: bool) -> None:
    assert plugin_check._same(outcome("a"), outcome("b", **changes)) is same


# --- small builds ---------------------------------------------------------------------------------------------------


def test_a_spec_makes_its_component_small_in_the_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A width of 100 million would not fit into memory."""
    wanted = ("any_batch_size", "float64", "two_processes")
    found = outcomes("wide", monkeypatch, *wanted, base=DiscriminatorConformance)
    assert {one.status for one in found.values()} == {"passed"}, found
    kit: Any = type("Kit", (DiscriminatorConformance,), {"name": "wide", "options": {"width": 3}})()
    assert kit.config().width == 3
    assert kit.config(width=2).width == 2


def test_options_for_small_builds_that_do_not_fit_are_an_error() -> None:
    import dataclasses

    from cganzoo.errors import PluginError

    (component,) = plugin_check.find("cganzoo-author/wide")
    with pytest.raises(ValueError, match=r'^wide: small has "widht", which is no option; did you mean "width"\?$'):
        dataclasses.replace(component.spec, small={"widht": 4})
    wrong = dataclasses.replace(component, spec=dataclasses.replace(component.spec, small={"width": 0}))
    with pytest.raises(PluginError, match=r"^cganzoo-author 1\.0: .*small.* width: 0 does not fit"):
        plugin_check._parse(wrong, {}, {})


# --- trunks without parameters, and images in a reference -----------------------------------------------------------


def test_the_trunk_of_the_documentation_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = (*(set(checks(DiscriminatorConformance)) - LEFT_OUT), "two_processes")
    found = outcomes("pixels", monkeypatch, *chosen, base=DiscriminatorConformance, image_sizes=(8,))
    assert {check: one.message for check, one in found.items() if one.status == "failed"} == {}
    skipped = {check: one.message for check, one in found.items() if one.status == "skipped"}
    assert set(skipped) == {"gradients_reach_every_parameter", "second_order_gradients", "two_processes"}
    assert set(skipped.values()) == {"none of its parameters is trained"}


def test_a_loss_that_reads_images_can_have_a_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    found = outcomes("images", monkeypatch)
    assert {check: one.message for check, one in found.items() if one.status == "failed"} == {}
    assert found["equals_its_reference"].status == "passed"


def test_a_wrong_gradient_in_the_images_differs_from_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    found = outcomes("otherimages", monkeypatch, "equals_its_reference")["equals_its_reference"]
    assert found.message.startswith("generator_loss differs from the reference")
