"""Small helpers for every folder: files, text of messages, TOML, lazy imports, memory."""
