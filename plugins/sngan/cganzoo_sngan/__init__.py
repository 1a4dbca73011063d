"""SN-ResNet networks of SNGAN and the projection discriminator for cganzoo (arXiv:1802.05957)."""
