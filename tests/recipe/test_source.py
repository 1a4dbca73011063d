"""What no recipe holds is refused with one short message: files of other kinds, deep tables, long numbers, odd text."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

import pytest

from cganzoo.errors import CganzooError, RecipeError
from cganzoo.recipe import messages, source
from cganzoo.recipe.read import dataset_recipe, load_recipe, parse_recipe
from cganzoo.recipe.source import parse_toml, read_text

DEEP = "tables and arrays are nested more than 32 deep; no recipe needs that"
MANY = 20_000


def message(text: str, *overrides: str) -> str:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, name="t", source="t.toml", overrides=overrides)
    shown = str(caught.value)
    assert len(shown) < 2000
    assert shown.replace("\n", "").isprintable()
    return shown


# --- files ----------------------------------------------------------------------------------------------------------


def refusal(path: Path | str) -> str:
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    shown = str(caught.value)
    assert len(shown) < 600
    assert shown.isprintable()
    return shown


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), Path("/dev/null")):
        assert refusal(path) == f"{path}: is not a regular file; name a recipe file"
        with pytest.raises(RecipeError, match="is not a regular file"):
            read_text(path)  # it became one after the name was looked up
    assert refusal(tmp_path) == f"{tmp_path}: is a folder; name a recipe file"


def test_a_file_of_another_kind_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "film.toml"
    with file.open("wb") as film:
        film.truncate(100_000_000)
    monkeypatch.setattr(source, "parse_toml", None)
    assert refusal(file) == f"{file}: has more than 1,000,000 bytes, so it is not a recipe; name a recipe file"


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", "[data]".encode("utf-16"), b"a = '\xe9'", b"\xef\xbb\xbf\xff"])
def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bytes.toml"
    file.write_bytes(content)
    assert refusal(file).startswith(f"{file}: cannot be read as a recipe: 'utf-8' codec")


@pytest.mark.parametrize("name", ["a" * 5000, "~unknown-user/x.toml", "a\0b", "\x1b[31m.toml", "\n", ""])
def test_a_name_that_no_file_can_have_is_refused(name: str) -> None:
    refusal(name)


@pytest.mark.parametrize("name", ["..toml", "...toml"])
def test_a_recipe_that_would_put_its_runs_elsewhere_is_refused(name: str, tmp_path: Path, tiny: str) -> None:
    (tmp_path / name).write_text(tiny)
    assert refusal(tmp_path / name).endswith("; rename the file")


def test_a_null_character_in_the_file_is_an_error_of_toml(tiny: str) -> None:
    assert message(tiny + "\0") == "t.toml: is not valid TOML: Invalid statement (at line 25, column 1)"
    assert message(tiny + "x = '\0'").startswith(
        "t.toml: is not valid TOML: Found invalid character '\\x00' (at line 25"
    )


# --- depth ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "[" * 3000 + "]" * 3000,
        "x = " + "{a=" * 3000 + "1" + "}" * 3000,
        "x = " + "[" * 60 + "]" * 60,
        "[" + ".".join("a" * 3000) + "]",
        "[[" + ".".join("a" * 3000) + "]]",
        ".".join("a" * 3000) + " = 1",
        ".".join("a" * 300_000) + " = 1",  # the time to parse it grows with the square
        " . ".join(['"a b"'] * 3000) + " = 1",
        "x = {" + ".".join("a" * 3000) + " = 1}",
        "\n".join(f"[{'.'.join('a' * depth)}]" for depth in range(1, 40)),
        ".".join(['"a=#"'] * MANY) + " = 1",
        "[" + ".".join(["']\"#'"] * MANY) + "]",
        "x = {" + ".".join([r'"\".#\\"'] * MANY) + " = 1}",
    ],
    ids=range(13),
)
def test_tables_inside_each_other_are_bounded(tiny: str, text: str) -> None:
    assert message(tiny + text).endswith(DEEP)


@pytest.mark.parametrize(
    "text",
    [
        "# " + "A comment. " * 40,
        "x = 1  # " + "a." * 40,
        'x = "/a/' + "x." * 40 + r"\"" + ".x" * 40 + '"',
        "x = '/a/" + "x." * 40 + "'",
        'x = """' + "a.\n" * 40 + r' "a".""b""\""" ' + "a." * 40 + '"""""',
        "x = '''" + "a.\n'b'.''" * 40 + "a.'''''",
        "x = [" + "1.5, " * 40 + '"' + "a." * 40 + '"]',
    ],
    ids=range(7),
)
def test_dots_in_comments_and_texts_are_no_keys(text: str) -> None:
    parse_toml(text, "t.toml")


@pytest.mark.parametrize(
    "text",
    ['"' * 300_001, " " * 300_000, 'x = """' + r'\"""x' * 60_000, "x = '''" + "''a" * 100_000, '"a.' * 100_000],
    ids=range(5),
)
def test_keys_are_checked_in_linear_time(text: str) -> None:
    begin = time.process_time()
    with suppress(RecipeError):
        source.check_keys(text + "\n." * 33, "t.toml")
    assert time.process_time() - begin < 5  # a second on a slow machine; with the square of the length, many minutes


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (".".join("a" * 3000) + "=1", "the key has 3,000 parts; no key of a recipe has more than 32"),
        ("x=" + "[" * 3000 + "]" * 3000, "the value is nested more than 32 deep; no recipe needs that"),
        ("x=" + "[" * 60 + "]" * 60, DEEP),
        ("x={" + ".".join("a" * 60_000) + "=1}", DEEP),
        ("x=1\n" + ".".join("a" * 60_000) + "=1", DEEP),
        ("optimizer.generator.betas." + "9" * 5000 + "=1", "is not one of the positions 0 to 1"),
    ],
    ids=range(6),
)
def test_set_is_bounded_too(tiny: str, override: str, expected: str) -> None:
    assert expected in message(tiny, override)


# --- values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = " + "1" * 5000, "holds a number of more than 4,300 digits (line 25); a whole number has at most 64 bits"),
        ("x = 1" + "_0" * 5000, "holds a number of more than 4,300 digits (line 25); a whole number has at most 64 bi"),
        ("x = 0x" + "f" * 5000, "train.x: the whole number has more than 64 bits, which no key takes"),
        ("x = 9223372036854775808", "train.x: the whole number has more than 64 bits, which no key takes"),
        ("x = [[1, -9223372036854775809]]", "train.x.0.1: the whole number has more than 64 bits, which no key takes"),
        ("x = 1979-05-27", 'train.x: "1979-05-27" is a date or a time, which no key takes; write it in quotes'),
        ("x = 1979-05-27T07:32:00Z", 'train.x: "1979-05-27 07:32:00+00:00" is a date or a time, which no key takes'),
        ("x = 07:32:00", 'train.x: "07:32:00" is a date or a time, which no key takes; write it in quotes'),
        (r'x = "a\u0000b"', "train.x: the text holds a null character; remove it"),
        ('"\\u001b[31m" = 1', r'train."\x1b[31m": unknown key'),
        ('"\\n" = 1', r'train."\n": unknown key'),
        ('"" = 1', 'train."": unknown key'),
        ('"st\u0435ps" = 1', r'train."st\u0435ps": unknown key; did you mean "steps"?'),  # a Cyrillic letter
        ("steps = 1\n", "is not valid TOML: Cannot overwrite a value (at line 25, column 10)"),
    ],
)
def test_a_value_that_no_key_takes_is_named(tiny: str, text: str, expected: str) -> None:
    assert message(tiny + text).startswith(f"t.toml: {expected}")


NUMBERS = ["train.steps", "train.batch_size", "train.seed", "train.ema_decay", "data.image_size", "evaluation.samples"]


@pytest.mark.parametrize("key", [*NUMBERS, "optimizer.generator.lr", "optimizer.generator.betas.0"])
@pytest.mark.parametrize(
    "value", ["nan", "inf", "-inf", "1e999", "true", '"1"', "[]", "{}", "1979-05-27", "-1", "9" * 30]
)
def test_no_number_takes_these(tiny: str, key: str, value: str) -> None:
    assert message(tiny, f"{key}={value}").startswith(f"--set {key}")


def test_a_seed_beyond_64_bits_is_refused(tiny: str) -> None:
    for seed in (2**32, 2**64, 10**400, -1):
        assert message(tiny, f"train.seed={seed}").startswith("--set train.seed: ")


@pytest.mark.parametrize("seeds", ["9" * 5000, "0," * 5000, "-1", "1e3", "\u0661\x1b", "4294967296"])
def test_seeds_of_a_comparison_are_bounded(command, seeds: str) -> None:
    result = command("compare", "amgan_digits", "--seeds", seeds)
    assert result.code == 2
    assert len(result.err) < 300
    assert result.err.startswith("error: --seeds ")


def test_text_that_is_not_utf8_is_refused(tiny: str) -> None:
    """An argument of the command line may hold any bytes."""
    assert message(tiny, "data.root=/a\udcff") == (
        "--set data.root: the text is not UTF-8; write it in UTF-8, or rename the file that it names"
    )
    assert message(tiny, "train.a\udcff=1").startswith("--set train.a\\udcff=1: in the key, the text is not UTF-8")


# --- text -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ["2024", "1_000", "true", "1e-3", "-0.0", "nan", "0x10", "1979-05-27", "7" * 5000])
def test_a_key_that_takes_text_takes_it_as_it_is_written(resolved, written: str) -> None:
    folder = resolved("data={name='folder', image_size=8}", f"data.root={written}").dataset.config
    assert folder.root == written
    assert dataset_recipe("folder", ["data.image_size=8", f"data.name={written}"]).sections.data.name == written


def test_a_number_stays_a_number_and_quotes_stay_text(resolved) -> None:
    found = resolved("train.steps=1_000", "data={name='folder', image_size=8}", 'data.root="2024"')
    assert found.recipe.sections.train.steps == 1000
    assert found.dataset.config.root == "2024"
    assert found.values()["data"]["root"] == "2024"
    assert resolved("data={name='folder', image_size=8}", "data.root=1", "data.root=b").dataset.config.root == "b"


def test_a_number_in_the_file_is_not_taken_as_text(resolved, tiny: str) -> None:
    text = tiny.replace('name = "digits"', 'name = "folder"\nroot = 2024')
    with pytest.raises(
        RecipeError, match=r"^tiny\.toml: data\.root: 2024 does not fit: input should be a valid string"
    ):
        resolved(text=text)


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        ('""', 'is empty; write the path of the images, or "." for the current folder'),
        ('"  "', "is empty; write the path"),
        ("~unknown-user/x", 'there is no user "~unknown-user"; write the whole path'),
    ],
)
@pytest.mark.parametrize("data", ["folder", "cifar10"])
def test_a_place_of_images_is_never_guessed(resolved, root: str, expected: str, data: str) -> None:
    with pytest.raises(RecipeError) as caught:
        resolved(f"data={{name='{data}', image_size=8}}", f"data.root={root}")
    assert str(caught.value).startswith(f"--set data.root: {expected}")


# --- many mistakes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        "".join(f"k{index} = 1\n" for index in range(MANY)),
        "".join(f"[k{index}]\n" for index in range(MANY)),
        "".join(f"[[metrics]]\nnam = {index}\n" for index in range(MANY)),
        "x" * 500_000 + " = 1",
        'x = "' + "y" * 500_000 + '"',
    ],
    ids=["keys", "tables", "metrics", "a long key", "a long value"],
)
def test_of_many_mistakes_the_first_are_named(tiny: str, more: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    original = messages.did_you_mean
    monkeypatch.setattr(messages, "did_you_mean", lambda name, *known: compared.append(name) or original(name, *known))
    shown = message(tiny + more)
    assert len(compared) <= messages.MOST_MISTAKES
    assert len(shown.splitlines()) <= messages.MOST_MISTAKES + 1
    if "\n" in more:
        assert shown.splitlines()[-1].endswith(" more mistakes")


def test_thousands_of_changes_are_read_in_linear_time(tiny: str) -> None:
    shown = message(tiny, *(f"train.k{index}=text" for index in range(MANY)))
    assert shown.splitlines()[0].startswith("--set train.k0: unknown key")


def test_thousands_of_metrics_are_compared_in_linear_time(tiny: str) -> None:
    tables = "".join(f"[[metrics]]\nname = 'm{index}'\n" for index in range(MANY))
    parse_recipe(tiny + tables, name="t", source="t.toml")
    assert message(tiny + tables + "[[metrics]]\nname = 'm7'\n") == (
        't.toml: metric "m7" is listed more than once: metrics.7 and metrics.20000'
    )


def test_a_command_ends_with_the_message(command, tmp_path: Path, tiny: str) -> None:
    file = tmp_path / "deep.toml"
    file.write_text(tiny + "x = " + "[" * 3000 + "]" * 3000)
    for verb in (["run"], ["compare"], ["data", "info"]):
        result = command(*verb, file)
        assert (result.code, result.err) == (2, f"error: {file}: {DEEP}\n")
    with pytest.raises(CganzooError):
        load_recipe(file)
