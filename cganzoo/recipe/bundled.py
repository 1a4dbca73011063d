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
    """The file of a recipe: a path, or the name of a bundled recipe or group, with or without ``.toml``.

    Recipes are in the bundled folder itself, groups of recipes in its subfolders: ``paper/<name>``.
    """
    path = Path(recipe).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        raise RecipeError(f"{recipe}: is a folder; name a recipe file")
    inside = Path(*path.parts[1:]) if path.parts[0] == "recipes" else path
    folders = {Path(), *(Path(name).parent for name in groups())}
    if inside.name and inside.parent in folders:
        return find_bundled(inside.as_posix())
    raise RecipeError(_no_such(str(recipe), path.name))


def groups() -> list[str]:
    """Names of the bundled groups of recipes, sorted: ``paper/<name>``."""
    return sorted(path.relative_to(folder()).with_suffix("").as_posix() for path in folder().glob("*/*.toml"))


def find_bundled(name: str) -> Path:
    """The file of a bundled recipe, named with or without ``.toml``."""
    path = folder() / f"{name.removesuffix('.toml')}.toml"
    if not path.is_file():
        raise RecipeError(_no_such(name, name))
    return path


def _no_such(recipe: str, name: str) -> str:
    known = [*names(), *groups()]
    hint = did_you_mean(name.removesuffix(".toml"), known, "`cganzoo recipes` lists those that come with the zoo")
    return f"{recipe}: no such recipe; {hint}"


def summary(path: Path) -> str:
    """A recipe's first comment line, which describes it."""
    with path.open(encoding="utf-8") as lines:
        first = next(lines, "").strip()
    return first.lstrip("# ").rstrip(".") if first.startswith("#") else ""
