"""Recognises how a folder or an archive of images is arranged: which files are which split's, and of which class."""
