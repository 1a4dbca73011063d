"""The generator of a run: built from its recipe, its manifest and its newest checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from cganzoo.data.cache import ImageSet
from cganzoo.errors import RunError
from cganzoo.images import trained_generator
from cganzoo.images.trained_generator import from_run
from cganzoo.recipe.resolve import Resolved
from cganzoo.runs import checkpoint, provenance
from cganzoo.runs.folder import RunFolder
from cganzoo.runs.manifest import Versions
from cganzoo.train.engine import Engine


@pytest.fixture
def folder(tmp_path: Path, resolved: Callable[..., Resolved]) -> RunFolder:
    """A run with one checkpoint."""
    recipe, made = resolved(), RunFolder(tmp_path / "run")
    images = ImageSet(np.zeros((16, 1, 8, 8), np.uint8), np.arange(16) % 4, tuple("abcd"), "train", "none")
    engine = Engine(recipe, images, torch.device("cpu"))
    made.path.mkdir()
    made.begin(recipe, fresh=False)
    checkpoint.save(made.checkpoints, engine.state(), 1)
    with made.update_manifest() as manifest:
        manifest.recipe_digest, manifest.training_digest = recipe.recipe_digest(), recipe.training_digest()
        manifest.seed, manifest.classes, manifest.channels = 0, list("abcd"), 1
        manifest.generator_distribution = recipe.generator.provider.distribution
        manifest.versions = provenance.versions(recipe.providers)
    return made


def test_the_manifest_gives_what_is_stored_with_the_weights(folder: RunFolder) -> None:
    origin, manifest = from_run(folder).origin, folder.manifest()
    assert (origin.class_names, origin.channels, origin.step) == (tuple("abcd"), 1, 0)
    assert origin.provenance == {
        "recipe": manifest.recipe_digest,
        "seed": 0,
        "versions": manifest.versions.model_dump(),
    }


@pytest.mark.parametrize("key", ["training_digest", "classes", "channels", "generator_distribution", "versions"])
def test_a_manifest_without_a_needed_key_is_an_error_that_names_it(folder: RunFolder, key: str) -> None:
    empty = {"classes": [], "channels": 0, "versions": Versions()}
    with folder.update_manifest() as manifest:
        setattr(manifest, key, empty.get(key, ""))
    with pytest.raises(RunError) as caught:
        from_run(folder)
    assert str(caught.value).startswith(f'{folder.manifest_file}: lacks "{key}", so it is damaged')


def test_a_lost_manifest_is_no_reason_to_delete_the_checkpoints(folder: RunFolder) -> None:
    folder.manifest_file.unlink()
    with pytest.raises(RunError) as caught:
        from_run(folder)
    assert str(caught.value) == (
        f"{folder.manifest_file}: no such file; put back a copy, or run the recipe again: the training continues from "
        "its checkpoints, and writes the file anew"
    )


def test_a_checkpoint_of_another_run_is_refused(folder: RunFolder) -> None:
    with folder.update_manifest() as manifest:
        manifest.training_digest = "0" * 16
    with pytest.raises(RunError, match="the checkpoint is from another run"):
        from_run(folder)


def test_a_run_of_0_1_has_a_generator(folder: RunFolder) -> None:
    """Its checkpoints call the training digest "recipe"."""
    file = checkpoint.path_of(folder.checkpoints, 0)
    state = checkpoint.load(file)
    state["recipe"] = state.pop("training_digest")
    torch.save(state, file)
    assert from_run(folder).origin.step == 0


def test_plugins_are_not_loaded_again_for_a_generator_that_is_resolved(
    folder: RunFolder, resolved: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = from_run(folder).sample(4)
    monkeypatch.setattr(trained_generator, "resolve_generator", lambda *arguments: pytest.fail("loaded again"))
    assert torch.equal(from_run(folder, None, resolved().generator).sample(4), images)
