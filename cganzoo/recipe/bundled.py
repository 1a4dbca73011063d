"""The bundled recipes: in the installed package, or in ``recipes/`` of a checkout."""

from __future__ import annotations

from pathlib import Path

from cganzoo._util.text import did_you_mean, one_line
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
    shown = one_line(str(recipe), 200)
    try:
        path = Path(recipe).expanduser()
        if path.is_file():
            return path
        if path.is_dir():
            raise RecipeError(f"{shown}: is a folder; name a recipe file")
        if path.exists():
            raise RecipeError(f"{shown}: is not a regular file; name a recipe file")
    except (OSError, ValueError, RuntimeError) as error:  # too long, a null character, or "~" of an unknown user
        raise RecipeError(f"{shown}: is not the name of a recipe file ({one_line(str(error))})") from error
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
    raise RecipeError(f"{one_line(name, 200)}: no such recipe; {hint}")


def summary(path: Path) -> str:
    """A recipe's first comment line, which describes it."""
    with path.open(encoding="utf-8") as lines:
        first = next((line.strip() for line in lines if not line.startswith("#:")), "")  # "#:schema" is for editors
    return first.lstrip("# ").rstrip(".") if first.startswith("#") else ""
