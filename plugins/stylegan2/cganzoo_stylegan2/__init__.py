"""StyleGAN2 networks, its conditional loss and path length regularization for cganzoo (arXiv:1912.04958)."""
