"""The score of every installed loss says which samples are more likely real than fake."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from cganzoo import BuildContext
from cganzoo.config import parse
from cganzoo.objective import Batch
from cganzoo.registry import Component, load_plugins
from cganzoo.testing.conformance import choices

CLASSES, REAL, FAKE = 2, (6, 4, 2), (2, 4, 6)  # how often each of three samples is real or fake, in each class
LOSSES = [(loss, options) for loss in load_plugins().components("loss") for options in choices(loss.spec.config)]
LOSSES = [(loss, options) for loss, options in LOSSES if not options.keys() - {"adversarial", "labeling", "combine"}]
IDS = [f"{loss.name}{''.join(f'-{value}' for value in options.values())}" for loss, options in LOSSES]
LOG_ODDS = {"amgan", "labelgan"}
NO_ZERO = {"r3gan"}


def batch(counts: tuple[int, ...]) -> Batch:
    """Each sample of each class as often as ``counts`` says; its features are those of :func:`samples`."""
    chosen = torch.tensor(counts * CLASSES)
    features, labels = (tensor.repeat_interleave(chosen, 0) for tensor in samples())
    return Batch(torch.zeros(len(labels), 1, 4, 4), labels, features)


def samples() -> tuple[Tensor, Tensor]:
    """Features and labels of the three samples of each class."""
    return torch.eye(3 * CLASSES, dtype=torch.float64), torch.arange(CLASSES).repeat_interleave(3)


@pytest.mark.parametrize(("loss", "options"), LOSSES, ids=IDS)
def test_after_training_the_score_is_positive_for_what_is_more_often_real(
    loss: Component, options: dict[str, object]
) -> None:
    torch.manual_seed(0)
    context = BuildContext(num_classes=CLASSES, image_size=8, image_channels=1, feature_dim=3 * CLASSES)
    objective = loss.spec.build(parse(loss.spec.config, options), context).double()
    real, fake = batch(REAL), batch(FAKE)
    optimizer = torch.optim.Adam(objective.parameters(), 0.1)
    for _ in range(60):
        optimizer.zero_grad()
        torch.stack(list(objective.discriminator_loss(real, fake).values())).sum().backward()
        optimizer.step()
    often, equal, seldom = objective.score(*samples()).detach().view(CLASSES, 3).T
    assert (often > equal).all()
    assert (equal > seldom).all()
    if loss.name in NO_ZERO or options.get("adversarial") == "wasserstein":
        return  # only differences are trained
    assert often.min() > 0.1
    assert seldom.max() < -0.1
    if loss.name in LOG_ODDS or options.get("adversarial") == "logistic":
        expected = math.log(3) * torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64)
        for found, log_odds in zip((often, equal, seldom), expected, strict=True):
            torch.testing.assert_close(found, log_odds.expand(CLASSES), rtol=0, atol=0.15)
