"""The theorems of arXiv:1703.02000 on AM-GAN, LabelGAN and AC-GAN*, checked on the losses in float64."""

from __future__ import annotations

from typing import Any

import cganzoo_amgan
import cganzoo_labelgan
import pytest
import torch
from cganzoo_acgan.config import ACGANConfig
from cganzoo_acgan.loss import ACGANStar
from cganzoo_amgan.config import AMGANConfig
from cganzoo_amgan.loss import AMGAN
from cganzoo_labelgan.config import LabelGANConfig
from cganzoo_labelgan.loss import LabelGAN
from torch import Tensor
from torch.nn import functional as F

from cganzoo import BuildContext
from cganzoo.objective import Batch

SEEDS = range(5)
EXACT: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-9}
SIZE, WIDTH = 6, 5


def batch(classes: int, seed: int) -> Batch:
    random = torch.Generator().manual_seed(seed)
    features = 2 * torch.randn(SIZE, WIDTH, generator=random, dtype=torch.float64)
    return Batch(torch.empty(SIZE, 0), torch.randint(classes, (SIZE,), generator=random), features.requires_grad_())


def pair(classes: int, seed: int) -> tuple[cganzoo_amgan.loss.AMGAN, cganzoo_labelgan.loss.LabelGAN]:
    """AM-GAN and LabelGAN with the same heads."""
    context = BuildContext(num_classes=classes, image_size=8, feature_dim=WIDTH)
    torch.manual_seed(seed)
    amgan = AMGAN(AMGANConfig(), context).double()
    labelgan = LabelGAN(LabelGANConfig(), context).double()
    labelgan.load_state_dict(amgan.state_dict())
    return amgan, labelgan


def distributions(count: int, seed: int) -> Tensor:
    """(SIZE, count) probability vectors."""
    return torch.randn(SIZE, count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).softmax(1)


def cross_entropy(target: Tensor, prediction: Tensor) -> Tensor:
    """H(p, q) of the last dimension."""
    return -(target * prediction.log()).sum(-1)


@pytest.mark.parametrize("seed", SEEDS)
def test_lemma_1(seed: int) -> None:
    """-dH(p, softmax(l)) / dl = p - softmax(l)."""
    target, logits = distributions(5, seed), distributions(5, seed + 100).log().mul(3).requires_grad_()
    (gradient,) = torch.autograd.grad(cross_entropy(target, logits.softmax(1)).sum(), logits)
    torch.testing.assert_close(-gradient, target - logits.softmax(1), **EXACT)


@pytest.mark.parametrize("seed", SEEDS)
def test_lemma_2(seed: int) -> None:
    """H(p, q) = p_r H(R(p), R(q)) + H(F(p), F(q)): which class, if real, and whether real."""

    def split(p: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        real = p[:, :-1].sum(1, keepdim=True)
        return real[:, 0], p[:, :-1] / real, torch.cat([real, p[:, -1:]], 1)

    p, q = distributions(5, seed), distributions(5, seed + 100)
    (p_real, p_class, p_realness), (_, q_class, q_realness) = split(p), split(q)
    parts = p_real * cross_entropy(p_class, q_class) + cross_entropy(p_realness, q_realness)
    torch.testing.assert_close(cross_entropy(p, q), parts, **EXACT)


@pytest.mark.parametrize("seed", SEEDS)
def test_lemma_3(seed: int) -> None:
    """E_x H(p(x), q) = H(E_x p(x), q)."""
    p, q = distributions(5, seed), distributions(5, seed + 100)[0]
    torch.testing.assert_close(cross_entropy(p, q).mean(), cross_entropy(p.mean(0), q), **EXACT)


@pytest.mark.parametrize("classes", [1, 2, 10, 200])
@pytest.mark.parametrize("seed", SEEDS)
class TestAMGANAndLabelGAN:
    def test_share_the_discriminator_loss_bit_for_bit(self, classes: int, seed: int) -> None:
        amgan, labelgan = pair(classes, seed)
        real, fake = batch(classes, seed), batch(classes, seed + 100)
        one, two = amgan.discriminator_loss(real, fake), labelgan.discriminator_loss(real, fake)
        assert one.keys() == two.keys()
        assert all(torch.equal(one[name], two[name]) for name in one)

    def test_amgan_is_labelgan_plus_an_auxiliary_classifier(self, classes: int, seed: int) -> None:
        """Eq. 17 and 18, value and gradient: CE over all K + 1 = CE over the real K + LabelGAN's loss."""
        amgan, labelgan = pair(classes, seed)
        fake = batch(classes, seed)
        activation = amgan.generator_loss(fake)["activation"]
        classifier = F.cross_entropy(amgan.logits(fake.features)[:, :-1], fake.labels)
        parts = classifier + labelgan.generator_loss(fake)["adversarial"]
        torch.testing.assert_close(activation, parts, **EXACT)
        gradients = [torch.autograd.grad(loss, fake.features) for loss in (activation, parts)]
        torch.testing.assert_close(*gradients, **EXACT)

    def test_amgan_is_an_energy_and_a_classifier_on_one_head(self, classes: int, seed: int) -> None:
        """CE over K + 1 = CE over K + softplus(l_fake - logsumexp of the real logits)."""
        amgan, _ = pair(classes, seed)
        fake = batch(classes, seed)
        logits = amgan.logits(fake.features)
        energy = F.softplus(logits[:, -1] - logits[:, :-1].logsumexp(1)).mean()
        parts = F.cross_entropy(logits[:, :-1], fake.labels) + energy
        torch.testing.assert_close(amgan.generator_loss(fake)["activation"], parts, **EXACT)

    def test_amgan_averaged_over_its_own_beliefs_is_labelgan(self, classes: int, seed: int) -> None:
        """AM-GAN's gradient, averaged over y ~ R(D(x)), is LabelGAN's: the implicit target class."""
        amgan, labelgan = pair(classes, seed)
        fake = batch(classes, seed)
        (expected,) = torch.autograd.grad(labelgan.generator_loss(fake)["adversarial"], fake.features)
        beliefs = amgan.logits(fake.features)[:, :-1].softmax(1).detach()
        average = torch.zeros_like(expected)
        for y in range(classes):
            of_class = Batch(fake.images, torch.full((SIZE,), y), fake.features)
            (gradient,) = torch.autograd.grad(amgan.generator_loss(of_class)["activation"], fake.features)
            average += beliefs[:, y, None] * gradient
        torch.testing.assert_close(average, expected, **EXACT)

    def test_equal_the_authors_wiring(self, classes: int, seed: int) -> None:
        """Their code fixes the fake logit to 0 and adds a binary loss on logsumexp to a K-class one."""
        amgan, labelgan = pair(classes, seed)
        real, fake = batch(classes, seed), batch(classes, seed + 100)
        for objective in (amgan, labelgan):
            with torch.no_grad():
                objective.logits.weight[-1] = 0
                objective.logits.bias[-1] = 0
        l_real, l_fake = amgan.logits(real.features)[:, :-1], amgan.logits(fake.features)[:, :-1]
        d_real = F.softplus(-l_real.logsumexp(1)).mean() + F.cross_entropy(l_real, real.labels)
        d_fake = F.softplus(l_fake.logsumexp(1)).mean()
        terms = amgan.discriminator_loss(real, fake)
        torch.testing.assert_close(terms["real"], d_real, **EXACT)
        torch.testing.assert_close(terms["fake"], d_fake, **EXACT)
        g_label = F.softplus(-l_fake.logsumexp(1)).mean()
        torch.testing.assert_close(labelgan.generator_loss(fake)["adversarial"], g_label, **EXACT)
        g_am = g_label + F.cross_entropy(l_fake, fake.labels)
        torch.testing.assert_close(amgan.generator_loss(fake)["activation"], g_am, **EXACT)


@pytest.mark.parametrize("seed", SEEDS)
def test_acgan_star_is_amgan_on_tied_logits(seed: int) -> None:
    """AC-GAN*'s two levels are one softmax whose real logits are log(D_r C) and whose fake logit is log D_f.

    So its G loss is AM-GAN's on those logits, though no AM-GAN head is linear in the features and gives them.
    """
    context = BuildContext(num_classes=4, image_size=8, feature_dim=WIDTH)
    torch.manual_seed(seed)
    acgan = ACGANStar(ACGANConfig(), context).double()
    amgan, _ = pair(4, seed)
    fake = batch(4, seed)
    realness = acgan.score(fake.features, fake.labels)[:, None]
    log_class = acgan.classifier(fake.features).log_softmax(1)
    flat = torch.cat([F.logsigmoid(realness) + log_class, F.logsigmoid(-realness)], 1)
    amgan.add_module("logits", torch.nn.Identity())
    total = torch.stack(list(acgan.generator_loss(fake).values())).sum()
    activation = amgan.generator_loss(Batch(fake.images, fake.labels, flat))["activation"]
    torch.testing.assert_close(activation, total, **EXACT)
