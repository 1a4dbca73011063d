"""Base class of regularizers: penalties that a recipe adds to any loss."""

from __future__ import annotations

from .objective import Batch, Networks, Terms
from .scheduled import Scheduled


class Regularizer(Scheduled):
    """Penalties that are added to the loss of the discriminator, of the generator, or of both.

    The terms are returned without a weight. The engine multiplies them by the ``weight`` of the recipe and, if the
    recipe computes the regularizer at each k-th step only (``every = k``), by k. It logs ``weight`` times the term. The
    name of a term begins with the name of the component: ``"r1"``, or ``"bcr_real"`` and ``"bcr_fake"`` of ``bcr``.

    A regularizer has no parameters. Its buffers are saved in checkpoints. Everything that is said of a loss is true of
    it, too: no gradient reaches the other player, and random numbers come from torch's global generator.

    Attributes:
        uses_real_in_generator_loss: :meth:`generator_penalty` needs a real batch, and receives it as ``real``.
        relational: a penalty of a batch is not the mean over its parts, so a batch must not be split.
        uses_image_gradients: a penalty differentiates with respect to the images of a batch, which then require
            gradients; or with respect to points of its own, such as other images or the codes of images.
        uses_score: a penalty uses the loss's score, so a loss without one is refused.
        stochastic: a penalty draws random numbers.

    The class declares its attributes, or sets them in ``__init__`` if the options decide them.
    """

    uses_real_in_generator_loss: bool = False
    relational: bool = False
    uses_image_gradients: bool = False
    uses_score: bool = False
    stochastic: bool = False

    def discriminator_penalty(self, real: Batch, fake: Batch, networks: Networks) -> Terms:
        """The terms that the trunk and the heads minimise in addition. Override it, or :meth:`generator_penalty`."""
        return {}

    def generator_penalty(self, fake: Batch, networks: Networks, real: Batch | None = None) -> Terms:
        """The terms that the generator minimises in addition. Override it, or :meth:`discriminator_penalty`."""
        return {}
