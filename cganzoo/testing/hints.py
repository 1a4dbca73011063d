"""What to write in a loss or a regularizer if an error comes from a missing or a wrong declaration."""

from __future__ import annotations

IMAGE_GRADIENTS = "set uses_image_gradients = True, so that the images require gradients"
NETWORKS = "set uses_networks = True"
PARAMETER = "with uses_networks = True, both losses need the parameter `networks: Networks | None = None`"

HINTS = {
    "differentiated Tensors does not require grad": IMAGE_GRADIENTS,
    "required positional argument: 'networks'": NETWORKS,
    "required keyword-only argument: 'networks'": NETWORKS,
    "unexpected keyword argument 'networks'": PARAMETER,
}
"""By a part of the error's text."""


def hint(error: BaseException | None) -> str:
    """What to write instead; begins with ``"; "``. Empty if the error is another one."""
    return next((f"; {advice}" for part, advice in HINTS.items() if part in str(error)), "")
