"""Base of the conformance classes: finding the component, running the checks, and the checks of all kinds."""

from __future__ import annotations

import functools
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar
from unittest import SkipTest

import tomli_w

from cganzoo._util.install import install_command
from cganzoo._util.toml import tomllib
from cganzoo.config import Config, parse
from cganzoo.errors import PluginError
from cganzoo.hookspecs import PROJECT
from cganzoo.registry import ALLOW_LIST, Component, Registry, load_plugins
from cganzoo.specs import BuildContext

from .failures import advice, first_lines, place_of

if TYPE_CHECKING:
    from torch import Tensor, nn

T = TypeVar("T")

CHECK = "test_"
"""How the method of a check begins, so that pytest finds it; the rest is the name of the check."""
UNKNOWN_KEYS = "the options accept unknown keys; do not change extra='forbid' of cganzoo.Config"


class Conformance:
    """Base of the conformance classes; one check is one method ``test_<check>`` without arguments.

    A check that does not apply raises :class:`unittest.SkipTest` with the reason. Any other exception is a failure.

    Class attributes:
        kind: of the component, a key of :data:`cganzoo.registry.kinds.KINDS`.
        number_of_checks: how many checks the kind has; a class with fewer fails.
        name: what a recipe writes: ``"my_loss"``, or ``"cganzoo-mine/my_loss"``. The plugin must be installed.
        options: the component's options in the checks, as a recipe's table. They change those of ``small``, a field of
            the specification, which makes a network small in the checks of all who install it.
        expected_failures: checks known to fail, each with the reason. Strict: one that passes is a failure.
    """

    kind: ClassVar[str]
    number_of_checks: ClassVar[int]
    name: ClassVar[str]
    options: ClassVar[Mapping[str, Any]] = {}
    expected_failures: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for check, reason in cls.expected_failures.items():
            if check not in checks(cls):
                raise PluginError(f'there is no check "{check}"; there are: {", ".join(checks(cls))}')
            if "pytest" in sys.modules:  # run() reads expected_failures itself
                _expect_failure(cls, CHECK + check, reason)

    @cached_property
    def component(self) -> Component:
        """The installed component.

        Raises:
            PluginError: it is not installed.
        """
        registry = _installed(tuple(sys.path), os.environ.get(ALLOW_LIST))
        try:
            return registry.get(self.kind, self.name)
        except PluginError as error:
            advice = f"to check the plugin in this folder, install it: {install_command('-e .')}"
            raise PluginError(f"{error}; {advice}") from None

    @cached_property
    def spec(self) -> Any:
        """The component's specification."""
        return self.component.spec

    def config(self, **options: Any) -> Any:
        """The component's options: ``small`` of the spec, changed by those of the class and by ``options``."""
        return parse(self.spec.config, {**self.spec.small, **self.options, **options})

    # --- checks of every kind ---------------------------------------------------------------------------------------

    def test_no_check_is_missing(self) -> None:
        """The class has all checks of the kit: none was overwritten or removed."""
        found = [check for check in checks(type(self)) if getattr(type(self), CHECK + check) is not None]
        problem = f"the class has {len(found)} of the {self.number_of_checks} checks of a {self.kind}"
        assert len(found) >= self.number_of_checks, f"{problem}; list a check that fails in expected_failures"

    def test_registering_imports_no_torch(self) -> None:
        """Registering the component imports no torch and prints nothing."""
        ended = _load_alone(self.component.provider.distribution, tuple(sys.path))
        assert ended.returncode == 0, f"loading the plugin without other plugins fails:\n{ended.stderr}"
        line = [line for line in ended.stderr.splitlines() if line.startswith("HEAVY")][-1]
        heavy, stack = json.loads(line.removeprefix("HEAVY"))
        if heavy:
            problem = f"loading the plugin imports {', '.join(heavy)}; import it inside build"
            raise AssertionError(problem) from RuntimeError(stack)
        printed = (ended.stdout + ended.stderr).replace(line, "").strip()
        assert not printed, f"loading the plugin prints: {printed[:200]}; remove that output"

    def test_options_are_described(self) -> None:
        """Every option has a description."""
        for name, field in self.spec.config.model_fields.items():
            assert field.description, f"option {name} has no description: write Field(..., description=...)"

    def test_schema_is_valid(self) -> None:
        """The options have a JSON Schema, for editors and for ``cganzoo plugins NAME``."""
        schema = self.spec.config.model_json_schema()
        plain = json.loads(json.dumps(schema, allow_nan=False)) == schema
        assert plain, "the options' JSON Schema changes when it is written as JSON; use plain values in Field(...)"
        assert schema.get("additionalProperties") is False, UNKNOWN_KEYS

    def test_options_survive_a_recipe(self) -> None:
        """The options are the same after they were written as TOML, as in a run folder, and read again."""
        config = self.config()
        written = tomli_w.dumps(config.model_dump(mode="json", by_alias=True, exclude_none=True))
        again = parse(self.spec.config, tomllib.loads(written))
        problem = f"written as TOML and read again, the options {config!r} become {again!r}"
        assert again == config, f"{problem}; check the validators of the config class"

    def test_unknown_option_is_refused(self) -> None:
        """A misspelt option is an error."""
        try:
            self.config(no_such_option_of_anyone=1)
        except ValueError:
            return
        raise AssertionError(UNKNOWN_KEYS)


# --- running the checks ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """The result of one check.

    Attributes:
        check: its name.
        what: what it checks, one line.
        status: ``"passed"``, ``"failed"``, ``"expected"`` (in ``expected_failures``) or ``"skipped"``.
        message: the reason, if it did not pass.
        seconds: how long it took.
        place: if it failed, a line of the author's package: ``"cganzoo_x/loss.py:41"`` raised the error, or, if none
            was raised there, ``"cganzoo_x/loss.py:19 (MyLoss)"`` defines what is wrong.
        error: if an error made it fail, type and text of the error; the same for all checks that it makes fail.
    """

    check: str
    what: str
    status: Literal["passed", "failed", "expected", "skipped"]
    message: str
    seconds: float
    place: str = ""
    error: str = ""


def checks(conformance: type[Conformance]) -> list[str]:
    """Names of a class's checks, in the order of definition, those of base classes first."""
    names = (name for owner in reversed(conformance.__mro__) for name in vars(owner) if name.startswith(CHECK))
    return list(dict.fromkeys(name.removeprefix(CHECK) for name in names))


def run(conformance: type[Conformance]) -> Iterator[Outcome]:
    """Run the checks of a conformance class, without pytest, each on a new instance.

    Raises:
        PluginError: there is no such component, or Python removes assertions (``python -O``).
    """
    if not __debug__:
        raise PluginError("the checks are assertions, which python -O removes; run without -O and PYTHONOPTIMIZE")
    component = conformance().component  # one that does not exist is one error, not one for each check
    for check in checks(conformance):
        method = getattr(conformance(), CHECK + check)
        reason = conformance.expected_failures.get(check)
        start = time.perf_counter()
        status: Literal["passed", "failed", "expected", "skipped"] = "passed"
        message = place = cause = ""
        try:
            method()
        except SkipTest as skip:
            status, message = "skipped", str(skip)
        except (Exception, SystemExit) as error:
            own = isinstance(error, AssertionError) and str(error)
            status, message = "failed", str(error) if own else f"raised {type(error).__name__}: {error}"
            message += advice(error)
            place, cause = place_of(component, check, error)
        if reason is not None and status == "failed":
            status, message, place, cause = "expected", reason, "", ""
        elif reason is not None and status == "passed":
            status, message = "failed", f"passes, but is in expected_failures ({reason}); remove it from there"
        what = (method.__doc__ or check).strip().splitlines()[0]
        yield Outcome(check, what, status, message, time.perf_counter() - start, place, cause)


def _expect_failure(cls: type[Conformance], method: str, reason: str) -> None:
    """Mark a copy of an inherited check for pytest, so that other classes keep the unmarked one."""
    import pytest

    original = getattr(cls, method)
    copy = functools.wraps(original)(lambda self: original(self))
    setattr(cls, method, pytest.mark.xfail(reason=reason, strict=True)(copy))


@functools.lru_cache(maxsize=4)
def _installed(path: tuple[str, ...], allowed: str | None) -> Registry:
    """The registry, cached by what decides which plugins are found."""
    return load_plugins()


@functools.lru_cache(maxsize=4)
def _load_alone(distribution: str, path: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Load one distribution in a new process, which prints the heavy modules that this imports, and from where."""
    code = (
        "import json, sys, traceback\n"
        f"sys.path[:] = {path!r}\n"
        "from cganzoo.registry import load_plugins\n"
        "from cganzoo.registry.loading import HEAVY\n"
        "stacks = []\n"
        "class Watch:\n"  # a finder that finds nothing, but sees who imports
        "    def find_spec(name, path=None, target=None):\n"
        "        if name in HEAVY: stacks.append(''.join(traceback.format_stack()))\n"
        "sys.meta_path.insert(0, Watch)\n"
        f"load_plugins({only(distribution)!r})\n"
        "found = [sorted(HEAVY & set(sys.modules)), stacks[0] if stacks else '']\n"
        "sys.stderr.write('HEAVY ' + json.dumps(found) + '\\n')\n"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def only(distribution: str) -> list[str]:
    """The argument with which :func:`load_plugins` loads one distribution; the host's components are always loaded."""
    return [] if distribution == PROJECT else [distribution]


# --- helpers of the checks ------------------------------------------------------------------------------------------


@contextmanager
def explained(problem: str, advice: str = "") -> Iterator[None]:
    """Replace an error in the block by a failure of the check: ``problem raises Error: text; advice``."""
    try:
        yield
    except SkipTest:
        raise
    except Exception as error:
        ending = f"; {advice}" if advice else ""
        raise AssertionError(f"{problem} raises {type(error).__name__}: {first_lines(error)}{ending}") from error


def built(component: Any, base: type[T]) -> T:
    """What a spec's ``build`` returns, which must be an instance of its kind's base class."""
    found, wanted = type(component).__name__, f"{base.__module__}.{base.__name__}"
    assert isinstance(component, base), f"build returns {found}; return a subclass of {wanted}"
    return component


def check_equal(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], problem: str) -> None:
    """Check that all tensors are equal, bit for bit. A message names the first different tensor, then ``problem``."""
    for name, tensor in expected.items():
        assert tensor.equal(found[name]), f"{name} {problem}"


def load_from_checkpoint(restored: nn.Module, saved: nn.Module) -> None:
    """Load the state dict of one module into another one, as from a checkpoint."""
    import torch

    file = io.BytesIO()
    torch.save(saved.state_dict(), file)
    file.seek(0)
    with explained("loading its state_dict from a checkpoint", "keep only tensors and plain values in it"):
        restored.load_state_dict(torch.load(file, weights_only=True))


def build_context(classes: int, image_size: int, channels: int = 3, **others: Any) -> BuildContext:
    """The context in which a component is built, with names for the classes."""
    names = tuple(f"class {label}" for label in range(classes))
    return BuildContext(
        num_classes=classes, image_size=image_size, image_channels=channels, class_names=names, **others
    )


# --- the options of a component -------------------------------------------------------------------------------------


def choices(model: type[Config]) -> list[dict[str, Any]]:
    """The defaults (``{}``), and each other value of every option that is an enumeration or a bool, one at a time."""
    found: list[dict[str, Any]] = [{}]
    schema = model.model_json_schema()
    for name, option in schema.get("properties", {}).items():
        branches = [option, *option.get("anyOf", [])]
        branches = [schema["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part for part in branches]
        named: list[Any] = next((branch["enum"] for branch in branches if "enum" in branch), [])
        if any(branch.get("type") == "boolean" for branch in branches):
            named = [False, True]
        found += [{name: value} for value in named if value != option.get("default")]
    return found


def schedulable(model: type[Config]) -> list[str]:
    """The options that accept a number or a schedule."""
    options = model.model_json_schema().get("properties", {})
    return [name for name, option in options.items() if "'#/$defs/Schedule'" in repr(option)]
