"""BigGAN and BigGAN-deep networks for cganzoo (arXiv:1809.11096)."""
