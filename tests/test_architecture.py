"""The three sentences of the design that a test can hold: what the host knows, and what it imports when."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cganzoo import bundled, recipe
from cganzoo.plugins import load_plugins

HOST = Path(__file__).parents[1] / "cganzoo"


def test_the_host_names_no_method():
    # Scores have names that are also words; methods and networks do not.
    components = [found for kind in ("loss", "generator", "discriminator") for found in load_plugins().components(kind)]
    methods = {found.name for found in components} | {found.provider.distribution for found in components}
    methods -= {"gan"}  # part of other words
    assert {"amgan", "acgan", "labelgan", "reacgan", "ecgan", "projgan", "contragan"} <= methods
    pattern = re.compile("|".join(sorted(methods)), re.IGNORECASE)
    found = [
        f"{path.relative_to(HOST)}:{number}: {line}"
        for path in sorted(HOST.rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("arguments", [["--help"], ["plugins"], ["plugins", "--json"], ["recipes"], ["schema"]])
def test_listing_commands_import_no_torch(arguments: list[str]):
    code = (
        "import sys\nfrom cganzoo.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n    heavy = sorted({'torch', 'numpy', 'PIL', 'timm', 'sklearn'} & set(sys.modules))\n"
        "    print('HEAVY', heavy, file=sys.stderr)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "HEAVY []" in ended.stderr
    assert ended.stdout


def test_checking_a_recipe_imports_no_torch():
    code = (
        "import sys\nfrom cganzoo import recipe\nfrom cganzoo.resolution import resolve\n"
        "resolve(recipe.load('amgan_digits'))\n"
        "assert not {'torch', 'numpy', 'PIL', 'timm', 'sklearn'} & set(sys.modules)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_the_contributing_guide_s_loss_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import torch

    from cganzoo import BuildContext
    from cganzoo.objective import Batch

    guide = (HOST.parent / "CONTRIBUTING.md").read_text()
    registration, loss = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    toml = re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)
    package = tmp_path / "cganzoo_softgan"
    package.mkdir()
    (package / "__init__.py").write_text(registration)
    (package / "loss.py").write_text(loss)
    monkeypatch.syspath_prepend(tmp_path)
    import cganzoo_softgan  # type: ignore[import-not-found]

    (spec,) = cganzoo_softgan.cganzoo_losses()
    objective = spec.build(spec.config(), BuildContext(num_classes=3, image_size=8, feature_dim=4))
    batch = Batch(torch.zeros(2, 1, 8, 8), torch.tensor([0, 2]), torch.randn(2, 4))
    assert set(objective.discriminator_loss(batch, batch)) == {"real", "fake", "class"}
    assert all(term.isfinite() for term in objective.generator_loss(batch).values())

    # Step 5: the bundled recipe with the two changes that the guide names.
    text = (bundled.folder() / "amgan_digits.toml").read_text().replace("cganzoo-amgan", "cganzoo-softgan")
    text = re.sub(r"\[loss\]\n.*?\n\n", toml[-1] + "\n", text, flags=re.DOTALL)
    sections = recipe.loads(text, name="softgan_digits", source="guide").sections
    assert sections.loss.name == spec.name
    assert sections.loss.options == {}
    spec.config(**sections.loss.options)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "recipes/README.md", "benchmarks/README.md"])
def test_a_page_is_finished_and_its_links_lead_somewhere(page: str):
    path = HOST.parent / page
    text = path.read_text()
    assert "@@" not in text
    assert "not measured yet" not in text
    for target in re.findall(r"\]\(([^)#]+)", text):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target


def test_every_recipe_s_result_is_measured_or_said_not_to_be():
    for name in bundled.names():
        assert "not measured yet" not in (bundled.folder() / f"{name}.toml").read_text(), name
