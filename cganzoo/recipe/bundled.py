"""The bundled recipes: in the installed package, or in ``recipes/`` of a checkout."""

from __future__ import annotations

from pathlib import Path

from cganzoo._util.text import did_you_mean
from cganzoo.errors import RecipeError


def folder() -> Path:
    """The folder that holds the bundled recipes."""
    package = Path(__file__).parents[1]
    packaged = package / "recipes"
    return packaged if packaged.is_dir() else package.parent / "recipes"


def names() -> list[str]:
    """Names of the bundled recipes, sorted."""
    return sorted(path.stem for path in folder().glob("*.toml"))


def find(recipe: str | Path) -> Path:
    """The file of a recipe or a group: a path, or the name of a bundled one, with or without ``.toml``."""
    path = Path(recipe).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        raise RecipeError(f"{recipe}: is a folder; name a recipe file")
    return find_bundled(Path(*path.parts[1:]).as_posix() if path.parts[0] == "recipes" else str(recipe))


def groups() -> list[str]:
    """Names of the bundled groups of recipes, sorted: ``paper/<name>``."""
    return sorted(path.relative_to(folder()).with_suffix("").as_posix() for path in folder().glob("*/*.toml"))


def find_bundled(name: str) -> Path:
    """The file of a bundled recipe or group, named with or without ``.toml``."""
    stem, known = name.removesuffix(".toml"), [*names(), *groups()]
    if stem in known:
        return folder() / f"{stem}.toml"
    listed = "`cganzoo recipes` lists those that come with the zoo"
    hint = did_you_mean(stem, known) or did_you_mean(Path(stem).name, known, listed)
    raise RecipeError(f"{name}: no such recipe; {hint}")


def summary(path: Path) -> str:
    """A recipe's first comment line, which describes it."""
    with path.open(encoding="utf-8") as lines:
        first = next(lines, "").strip()
    return first.lstrip("# ").rstrip(".") if first.startswith("#") else ""
