"""Small helpers that every folder may use: files, things made once, TOML, lazy imports, memory."""
