"""Small helpers for every folder: files, things made once, text of messages, TOML, lazy imports."""
