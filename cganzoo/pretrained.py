"""Networks of timm with trained weights: of the Hugging Face hub, or of a file. Every mistake is one clear message."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path
from typing import Any

import timm
from torch import Tensor

from ._util.checked import DamagedFileError, load_safetensors, load_torch
from ._util.text import did_you_mean, shortened
from .errors import RecipeError, RunError


def check_model(model: str, *, key: str, prefix: str = "") -> None:
    """Check that timm has a model of this name; ``resnet50.a1_in1k`` names one of several trained weights of it.

    Args:
        model: the name in timm.
        key: the key of the recipe that has it, for messages: ``evaluation.extractor.name``.
        prefix: what stands before the model in the value of that key.

    Raises:
        RecipeError: timm has no such model.
    """
    tagged = "." in model
    known = timm.list_pretrained() if tagged else timm.list_models()
    if not (model in known if tagged else timm.is_model(model)):
        hint = did_you_mean(prefix + model, [prefix + name for name in known])
        hint = hint or f"write {f'{prefix} and ' if prefix else ''}one that timm.list_models() names"
        raise RecipeError(f'{key} = "{prefix}{model}": timm has no such model; {hint}')


def pretrained_model(
    model: str, weights: str | None, *, key: str, weights_key: str, prefix: str = "", input_size: int | None = None
) -> Any:
    """The model with trained weights, on the CPU and in training mode.

    Args:
        model: the name in timm.
        weights: a file, ``.safetensors`` or of ``torch.save``; nothing in it is executed. ``None``: from the Hugging
            Face hub, whose client keeps its own cache and needs no connection for what is in it.
        key: the key of the recipe that has the model's name, for messages.
        weights_key: the key of the recipe that has the file.
        prefix: what stands before the model in the value of ``key``.
        input_size: pixels, for a model that is built for one size; ``None``: that of its training.

    Raises:
        RecipeError: timm has no such model.
        RunError: there are no weights, or they are of another network.
    """
    check_model(model, key=key, prefix=prefix)
    arguments = size_arguments(model, input_size)
    if weights is None:
        network = _from_hub(model, key, weights_key, prefix, arguments)
    else:
        network = _from_file(model, weights, weights_key, arguments)
    network.pretrained_cfg.pop("state_dict", None)  # timm keeps the file's tensors there
    return network


def size_arguments(model: str, input_size: int | None) -> dict[str, Any]:
    """Arguments of ``timm.create_model`` for images of ``input_size`` pixels; ``None``: the size of its training."""
    fixed = timm.get_pretrained_cfg_value(model, "fixed_input_size")
    return {"img_size": input_size} if fixed and input_size else {}


def _from_hub(model: str, key: str, weights_key: str, prefix: str, arguments: dict[str, Any]) -> Any:
    client = logging.getLogger("huggingface_hub")
    level = client.level
    client.setLevel(logging.ERROR)  # it logs a warning at each attempt
    try:
        return timm.create_model(model, pretrained=True, **arguments)
    except Exception as error:  # timm, the hub's client and the connection raise different errors
        raise RunError(
            f'{key} = "{prefix}{model}": its weights could not be downloaded from the Hugging Face hub '
            f'({_reason(error)}); get them by other means and write {weights_key} = "FILE"'
        ) from error
    finally:
        client.setLevel(level)


def _from_file(model: str, file: str, weights_key: str, arguments: dict[str, Any]) -> Any:
    path = Path(file).expanduser()
    try:
        if path.suffix == ".safetensors":
            weights: Any = load_safetensors(path)[1]
        else:
            weights = load_torch(path, older=True)
            for inner in ("state_dict", "model"):  # how training programs wrap them
                weights = weights.get(inner, weights)
        if broken := [name for name, one in weights.items() if isinstance(one, Tensor) and not one.isfinite().all()]:
            raise ValueError(f"{broken[0]} has values that are not finite")
        overlay = {"state_dict": weights}
        return timm.create_model(model, pretrained=True, pretrained_cfg_overlay=overlay, **arguments)
    except FileNotFoundError as error:
        raise RunError(f'{weights_key} = "{file}": no such file') from error
    except Exception as error:  # different errors for other files and other networks' weights
        raise RunError(
            f'{weights_key} = "{file}": does not hold the weights of timm\'s "{model}" ({_reason(error)})'
        ) from error


def _reason(error: Exception) -> str:
    """A library's message in short, without advice to load a file that may execute code."""
    if isinstance(error, (pickle.UnpicklingError, DamagedFileError)):
        return "it is damaged, or holds more than weights"
    first, *rest = (str(error).strip() or type(error).__name__).splitlines()
    if first.startswith("Error(s) in loading state_dict"):  # the next lines say what it lacks, and what it has instead
        return "; ".join(shortened(line.strip(), 120).rstrip(". ") for line in rest[:2])
    return first.rstrip(".:")
