"""The data sets that the host knows, as specifications."""
