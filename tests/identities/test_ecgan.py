"""ECGAN's framework contains other methods as special cases, checked on the losses in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cganzoo_amgan.config import AMGANConfig
from cganzoo_amgan.loss import AMGAN
from cganzoo_contragan.config import ContraGANConfig
from cganzoo_contragan.loss import ContraGAN
from cganzoo_ecgan.config import ECGANConfig
from cganzoo_ecgan.loss import ECGAN, ContrastiveECGAN
from cganzoo_projgan.config import ProjGANConfig
from cganzoo_projgan.loss import ProjGAN
from torch.nn import functional as F

from cganzoo import AdversarialRule, BuildContext
from cganzoo.objective import Batch

EXACT: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-9}
CONTEXT = BuildContext(num_classes=4, image_size=8, feature_dim=5)


def batch(seed: int) -> Batch:
    random = torch.Generator().manual_seed(seed)
    features = 2 * torch.randn(6, 5, generator=random, dtype=torch.float64)
    return Batch(torch.empty(6, 0), torch.randint(4, (6,), generator=random), features.requires_grad_())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rule", ["hinge", "logistic", "least_squares", "wasserstein"])
def test_projgan_is_ecgan_0_with_a_tied_unconditional_term(seed: int, rule: AdversarialRule) -> None:
    """f_y = <e_y, phi> + (<v, phi> + b): the same unconditional term in every class's logit."""
    torch.manual_seed(seed)
    projgan = ProjGAN(ProjGANConfig(adversarial=rule), CONTEXT).double()
    ecgan = ECGAN(ECGANConfig(variant="0", adversarial=rule), CONTEXT).double()
    with torch.no_grad():
        ecgan.logits.weight.copy_(projgan.embedding.weight + projgan.psi.weight)
        ecgan.logits.bias.copy_(projgan.psi.bias.expand(4))
    real, fake = batch(seed), batch(seed + 10)
    for one, two in (
        (projgan.discriminator_loss(real, fake), ecgan.discriminator_loss(real, fake)),
        (projgan.generator_loss(fake), ecgan.generator_loss(fake)),
    ):
        totals = [torch.stack(list(terms.values())).sum() for terms in (one, two)]
        torch.testing.assert_close(*totals, **EXACT)
        both = [real.features, fake.features]
        gradients = [torch.autograd.grad(t, both, allow_unused=True, materialize_grads=True) for t in totals]
        torch.testing.assert_close(*gradients, **EXACT)
    torch.testing.assert_close(
        projgan.score(fake.features, fake.labels), ecgan.score(fake.features, fake.labels), **EXACT
    )


@pytest.mark.parametrize("seed", range(3))
def test_amgan_pulls_as_ecgans_unconditional_energy_and_classifier(seed: int) -> None:
    """AM-GAN's G loss is ECGAN's classifier term, on fakes, and the logistic rule on ECGAN's energy h - l_fake."""
    torch.manual_seed(seed)
    amgan = AMGAN(AMGANConfig(), CONTEXT).double()
    ecgan = ECGAN(ECGANConfig(variant="UC", adversarial="logistic", lambda_clf=1), CONTEXT).double()
    with torch.no_grad():  # only differences to the fake logit matter to a softmax
        ecgan.logits.weight.copy_(amgan.logits.weight[:-1] - amgan.logits.weight[-1])
        ecgan.logits.bias.copy_(amgan.logits.bias[:-1] - amgan.logits.bias[-1])
    fake = batch(seed)
    classifier = ecgan.discriminator_loss(fake, fake)["class_real"]
    unconditional = ecgan.generator_loss(fake)["unconditional"]
    torch.testing.assert_close(amgan.generator_loss(fake)["activation"], classifier + unconditional, **EXACT)


@pytest.mark.parametrize("seed", range(3))
def test_conditional_score_is_energy_minus_classifier_loss(seed: int) -> None:
    """log p(x, y) both ways: f_y = h - CE_K(f, y)."""
    torch.manual_seed(seed)
    ecgan, fake = ECGAN(ECGANConfig(variant="0"), CONTEXT).double(), batch(seed)
    f = ecgan.logits(fake.features)
    parts = f.logsumexp(1) - F.cross_entropy(f, fake.labels, reduction="none")
    torch.testing.assert_close(ecgan.score(fake.features, fake.labels), parts, **EXACT)


def test_entropy_term_is_contragans_loss() -> None:
    torch.manual_seed(0)
    contragan = ContraGAN(ContraGANConfig(temperature=0.5), CONTEXT).double()
    ecgan = ContrastiveECGAN(ECGANConfig(variant="E", temperature=0.5), CONTEXT).double()
    ecgan.load_state_dict(contragan.state_dict(), strict=False)
    real, fake = batch(0), batch(1)
    for name, one, two in (
        ("contrastive_real", contragan.discriminator_loss(real, fake), ecgan.discriminator_loss(real, fake)),
        ("contrastive_fake", contragan.generator_loss(fake), ecgan.generator_loss(fake)),
    ):
        assert torch.equal(one[name], two[name])
