"""Discriminator trunk on features of timm models for cganzoo, after Projected GANs (arXiv:2111.01007)."""
