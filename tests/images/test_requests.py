"""What a user asks a generator for: classes by name or index, counts and seeds; a mistake is one message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cganzoo.errors import RunError
from cganzoo.images import requests
from cganzoo.images.export_file import Origin
from cganzoo.images.generator import TrainedGenerator
from cganzoo.images.requests import class_index, class_labels
from cganzoo.networks import Generator

LETTERS, DIGITS, FROM_ONE = ["cat", "dog", "owl"], [str(n) for n in range(10)], [str(n) for n in range(1, 11)]
BIRDS = ["001.Albatross", "002.Auklet"]


def told(action: Callable[[], object]) -> str:
    with pytest.raises(RunError) as caught:
        action()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
    return str(caught.value)


@pytest.mark.parametrize(
    ("names", "name", "label"),
    [
        (LETTERS, "owl", 2),
        (LETTERS, "1", 1),
        (LETTERS, 1, 1),
        (LETTERS, np.int64(1), 1),
        (LETTERS, torch.tensor(1), 1),
        (DIGITS, "4", 4),
        (DIGITS, 4, 4),
        (FROM_ONE, "10", 9),
        (BIRDS, "1", 1),
        (BIRDS, "001.Albatross", 0),
        (["2020", "cat"], "2020", 0),
    ],
)
def test_a_class_is_found_by_its_name_or_its_index(names: list[str], name: Any, label: int) -> None:
    assert class_index(names, name) == label


@pytest.mark.parametrize("name", ["0", "00", "7", "007"])
def test_a_number_is_no_index_where_classes_are_numbers(name: str) -> None:
    names = ["1", "10", *[str(n) for n in range(2, 7)], "8", "9"]
    index = int(name)
    message = told(lambda: class_index(names, name))
    assert f'there is no class "{name}"' in message
    assert f'as an index it would be class "{names[index]}"' in message


def test_an_int_that_is_a_name_and_the_index_of_another_class_is_refused() -> None:
    assert told(lambda: class_index(FROM_ONE, 1)) == (
        'classes: 1 can be the class "1", which has the index 0, or the index of class "2"; write the name as a text'
    )
    assert class_index(FROM_ONE, 0) == 0, "an int is an index"


UNKNOWN = ["", "eleven", "3", "-1", "1.0", " 1", "\u0661", "\u00b2", "9" * 5000, "x" * 100_000]
NO_CLASS = [torch.tensor(True), True, 1.0, None, b"cat", ["cat"], 3, -1, 10**5000, np.bool_(True), object()]


@pytest.mark.parametrize("name", UNKNOWN, ids=range(len(UNKNOWN)))
def test_an_unknown_name_is_told_with_the_known_ones(name: str) -> None:
    message = told(lambda: class_index(LETTERS, name))
    assert message.startswith('there is no class "')
    assert message.endswith("there are 3: cat, dog, owl")


@pytest.mark.parametrize("name", NO_CLASS, ids=range(len(NO_CLASS)))
def test_what_is_neither_a_name_nor_an_index_is_refused(name: object) -> None:
    assert told(lambda: class_index(LETTERS, name)).startswith("classes: ")


def test_a_mistyped_name_gets_a_hint() -> None:
    assert 'there is no class "dgo"; did you mean "dog"?' in told(lambda: class_index(LETTERS, "dgo"))


@pytest.mark.parametrize(
    ("classes", "labels"),
    [
        *(("10", [9]), ("owl", [2]), (0, [0]), (["10", "1"], [9, 0])),
        *((np.array([2]), [2]), (np.array(2), [2]), (torch.tensor(2), [2]), (torch.tensor([0, 2]), [0, 2])),
    ],
)
def test_one_class_may_be_given_alone(classes: Any, labels: list[int]) -> None:
    assert (
        class_labels(LETTERS if classes == "owl" or isinstance(classes, np.ndarray | Tensor) else FROM_ONE, classes)
        == labels
    )


@pytest.mark.parametrize("classes", [[], (), {}, b"10", 1.5, iter(()), torch.tensor(1.5), np.array("10")])
def test_classes_that_are_none_are_refused(classes: Any) -> None:
    assert told(lambda: class_labels(FROM_ONE, classes)).startswith("classes: ")


# --- drawing --------------------------------------------------------------------------------------------------------


class Constant(Generator):
    """Images of its label."""

    latent_dim = 2

    def __init__(self, conditional: bool = True) -> None:
        super().__init__()
        self.conditional = conditional
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        return (labels * self.scale)[:, None, None, None].expand(-1, 1, 2, 2)


def trained(conditional: bool = True, names: list[str] = FROM_ONE) -> TrainedGenerator:
    return TrainedGenerator(Constant(conditional), Origin("", "x", tuple(names), 1, 0, {}))


def test_a_lone_name_is_one_class() -> None:
    assert trained().sample(4, classes="10")[:, 0, 0, 0].tolist() == [9.0] * 4


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"count": 0}, "count: 0 must be 1 or more"),
    ({"count": -3}, "count: -3 must be 1 or more"),
    ({"count": True}, "count: True is not a whole number"),
    ({"count": 2.0}, "count: 2.0 is not a whole number"),
    ({"count": "4"}, "count: '4' is not a whole number"),
    ({"count": None}, "count: None is not a whole number"),
    ({"count": 10**15}, "count: 1,000,000,000,000,000 images do not fit in memory"),
    ({"count": 10**5000}, "count: a number of hundreds of digits is too large"),
    ({"batch_size": 0}, "batch_size: 0 must be 1 or more"),
    ({"batch_size": 0.5}, "batch_size: 0.5 is not a whole number"),
    ({"seed": -1}, "seed: -1 must be 0 or more"),
    ({"seed": 1 << 64}, "seed: 18446744073709551616 is too large"),
    ({"seed": "a"}, "seed: 'a' is not a whole number"),
    ({"classes": []}, "classes: is empty"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=range(len(MISTAKES)))
def test_a_number_out_of_range_is_one_message(arguments: dict[str, Any], message: str) -> None:
    assert told(lambda: trained().sample(**{"count": 4, **arguments})).startswith(message)


def test_images_that_fit_no_memory_are_refused_before_any_noise_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "memory_limit", lambda: 24 * 1000)
    assert trained().sample(1000).shape == (1000, 1, 2, 2)
    drawn: list[int] = []
    monkeypatch.setattr(
        Constant, "sample_latent", lambda self, count, *rest: drawn.append(count) or torch.ones(count, 2)
    )
    assert told(lambda: trained().sample(1001)) == "count: 1,001 images do not fit in memory; at most 1,000 do"
    assert drawn == [1]


def test_memory_that_runs_out_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 80000000 bytes.")

    monkeypatch.setattr(Constant, "forward", fail)
    assert "draw fewer images at a time" in told(lambda: trained().sample(4))


def test_an_unconditional_generator_takes_no_class() -> None:
    assert "takes no class" in told(lambda: trained(conditional=False).sample(1, classes="1"))
    assert trained(conditional=False).sample(3).shape == (3, 1, 2, 2)


@pytest.mark.parametrize(
    ("z", "labels", "message"),
    [
        (torch.ones(2, 3), torch.zeros(2, dtype=torch.int64), "z: has the shape"),
        (torch.ones(2), torch.zeros(2, dtype=torch.int64), "z: has the shape"),
        (torch.ones(2, 2), None, "give labels"),
        (torch.ones(2, 2), torch.tensor([0, 10]), "labels: 10 is not a label from 0 to 9"),
        (torch.ones(2, 2), torch.tensor([-1, 1]), "labels: -1 is not a label from 0 to 9"),
        (torch.ones(2, 2), torch.tensor([0.0, 1.0]), "labels: are torch.float32"),
        (torch.ones(2, 2), torch.zeros(3, dtype=torch.int64), "labels: have the shape"),
    ],
)
def test_noise_and_labels_are_checked(z: Tensor, labels: Tensor | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        trained()(z, labels)
    assert trained()(torch.ones(0, 2), torch.zeros(0, dtype=torch.int64)).shape == (0, 1, 2, 2)
