"""Outputs and gradients of a network, for all image sizes and batch sizes."""

from __future__ import annotations

from unittest import SkipTest

import torch
from torch import Tensor

from cganzoo.errors import CganzooError
from cganzoo.testing.conformance import explained

from .base import BATCH, NetworkChecks, agree, check_gradients_finite, double, projected, slopes

ODD_SIZES = (7, 36)
"""Image sizes that many networks do not support; each must work, or be refused when the network is built."""


class NetworkOutputs(NetworkChecks):
    """Outputs and gradients."""

    def test_every_image_size(self) -> None:
        """Every image size and number of channels gives finite outputs of the right shape, in both modes."""
        sizes, every_channels = self.works_on
        for size in sizes:
            for channels in every_channels:
                context = self.context(size=size, channels=channels)
                network = self.build(context)
                inputs = self.inputs(network, context=context)
                for mode in (True, False):
                    with torch.no_grad():
                        output = network.train(mode)(*inputs)
                    assert output.dtype == torch.float32, f"the output is {output.dtype}; it must be float32"
                    self.check_output(output, BATCH, context, network)

    def test_other_image_sizes_are_refused(self) -> None:
        """An unsupported image size is refused with a message of one line when the network is built."""
        for size in ODD_SIZES:
            context = self.context(size=size)
            advice = (
                f"image_size = {size}: raise a CganzooError in build that lists the supported sizes, so that a recipe "
                "is refused before training"
            )
            try:
                network = self.build(context)
            except CganzooError as refusal:
                message = str(refusal)
                assert len(message.splitlines()) == 1, f"the error for image size {size} must be one line: {message}"
                assert str(size) in message, f"the error for image size {size} must name the size: {message}"
                continue
            except Exception as error:
                raise AssertionError(f"{advice}; build raised {type(error).__name__}: {error}") from error
            with explained(f"{advice}; build accepts it, but forward"), torch.no_grad():
                self.check_output(network(*self.inputs(network, context=context)), BATCH, context, network)

    def test_any_batch_size(self) -> None:
        """Batches of 2, 3 and 5 work in training mode."""
        network = self.build()
        for count in (2, 3, 5):
            with explained(f"a batch of {count}"), torch.no_grad():
                output = network(*self.inputs(network, count))
            self.check_output(output, count, self.context(), network)

    def test_batch_in_training(self) -> None:
        """Outputs and gradients of a batch in training mode are finite in float32."""
        network = self.initialized()
        output = network(*self.inputs(network, 8))
        self.check_output(output, 8, self.context(), network)
        torch.autograd.backward(projected(output))
        check_gradients_finite(network)

    def test_inputs_are_left_alone(self) -> None:
        """Neither forward nor backward changes the inputs in place."""
        network = self.build()
        inputs = self.inputs(network)
        before = [tensor.clone() for tensor in inputs]
        torch.autograd.backward(projected(network(*inputs)))
        equal = all(map(torch.equal, inputs, before))
        assert equal, "forward or backward changes an input in place; compute a new tensor"

    def test_batch_does_not_matter_in_use(self) -> None:
        """In evaluation mode an output does not depend on the rest of its batch; a batch of one works."""
        network = self.used()
        if getattr(network, "batch_statistics", False):
            raise SkipTest("batch_statistics = True")
        self.needs_determinism()
        inputs = double(self.inputs(network, 6))
        torch.manual_seed(11)
        with torch.no_grad():
            whole = network(*inputs)
            for part in (slice(0, 1), slice(3, 6)):
                torch.manual_seed(11)
                difference = float((network(*(tensor[part] for tensor in inputs)) - whole[part]).abs().max())
                assert difference <= 1e-9, (
                    f"in evaluation mode an output changes by {difference:.2g} without the rest of the batch; use "
                    "running statistics in that mode, or declare batch_statistics = True in a discriminator"
                )

    def test_gradients_reach_every_parameter(self) -> None:
        """Gradients reach every parameter that is trained, and are finite."""
        network = self.used().train()
        torch.manual_seed(0)
        torch.autograd.backward(projected(network(*double(self.inputs(network)))))
        trained = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
        if not trained:
            raise SkipTest("none of its parameters is trained")
        check_gradients_finite(network)
        for name, parameter in trained.items():
            assert parameter.grad is not None, f"{name} gets no gradient; use it, or set requires_grad_(False)"
            # A normalisation after a layer makes its bias or gain redundant: the gradient of a vector may be zero.
            if parameter.numel() > max(parameter.shape, default=1):
                assert parameter.grad.abs().max() > 0, (
                    f"the gradient of {name} is zero everywhere; use it, or remove it"
                )

    def test_gradients_are_the_slopes(self) -> None:
        """Gradients are equal to finite differences, in weights and inputs: none is cut off on its way."""
        self.needs_determinism()
        network = self.used()
        inputs = double(self.inputs(network, 2))
        moved = [tensor.requires_grad_() for tensor in inputs if tensor.is_floating_point()]
        trained = [parameter for parameter in network.parameters() if parameter.requires_grad]

        def value() -> Tensor:
            return projected(network(*inputs))

        for what, leaves in (("weights", trained), ("inputs", moved)):
            by_gradients, by_difference = slopes(value, leaves)
            assert agree(by_gradients, by_difference), (
                f"a small move of the {what} changes the output by {by_difference:.6g} per unit, but the gradients "
                f"give {by_gradients:.6g}: remove detach() and torch.no_grad() from forward, or correct its backward"
            )
