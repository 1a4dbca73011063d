"""The checks of a data set."""
