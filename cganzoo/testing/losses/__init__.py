"""The checks of a loss, by what they are about; :class:`cganzoo.testing.LossConformance` is all of them."""
