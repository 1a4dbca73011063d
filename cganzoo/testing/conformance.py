"""What every conformance class shares: finding the component, running its checks, and the checks of any kind."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal
from unittest import SkipTest

import tomli_w

from cganzoo._util.toml import tomllib
from cganzoo.config import parse
from cganzoo.errors import PluginError
from cganzoo.registry import ALLOW_LIST, Component, Registry, load_plugins

CHECK = "test_"
"""How the name of a check's method begins, so that pytest finds it; the rest is the check's name."""


class Conformance:
    """Base of the conformance classes; one check is one method ``test_<check>`` without arguments.

    A check that does not apply raises :class:`unittest.SkipTest` with the reason; one that fails raises anything else.

    Class attributes:
        kind: of the component, a key of :data:`cganzoo.registry.kinds.KINDS`.
        number_of_checks: how many checks the kind has: a green run with fewer is not a whole one.
        name: what a recipe writes: ``"my_loss"``, or ``"cganzoo-mine/my_loss"``. The plugin must be installed.
        options: the component's options in the checks, as a recipe's table; say, to make a network small.
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
                raise TypeError(
                    f'{cls.__name__}.expected_failures: there is no check "{check}"; there are: '
                    f"{', '.join(checks(cls))}"
                )
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
            raise PluginError(f"{error}; if it is the one at hand, install it first: pip install -e .") from None

    @cached_property
    def spec(self) -> Any:
        """Its specification."""
        return self.component.spec

    def config(self, **options: Any) -> Any:
        """Its options: those of the class, changed by ``options``."""
        return parse(self.spec.config, {**self.options, **options})

    # --- checks of every kind ---------------------------------------------------------------------------------------

    def test_no_check_is_missing(self) -> None:
        """Every check of the kit is there: none was overwritten or taken out."""
        found = [check for check in checks(type(self)) if getattr(type(self), CHECK + check) is not None]
        assert len(found) >= self.number_of_checks, (
            f"{len(found)} of the {self.number_of_checks} checks of a {self.kind} are left; a check that is known to "
            "fail belongs in expected_failures, with its reason"
        )

    def test_registering_imports_no_torch(self) -> None:
        """Registering the component imports no torch and prints nothing."""
        code = (
            "import sys\n"
            f"sys.path[:] = {sys.path!r}\n"
            "from cganzoo.registry import load_plugins\n"
            f"registry = load_plugins([{self.component.provider.distribution!r}])\n"
            "from cganzoo.registry.loading import HEAVY\n"
            "heavy = sorted(HEAVY & set(sys.modules))\n"
            "sys.stderr.write('HEAVY ' + ' '.join(heavy) + '\\n')\n"
        )
        if self.component.provider.distribution == "cganzoo":
            code = code.replace("['cganzoo']", "[]")  # the host's own components come with any registry
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, f"loading the plugin alone fails:\n{ended.stderr}"
        lines = [line for line in ended.stderr.splitlines() if line.startswith("HEAVY")]
        heavy = lines[-1].removeprefix("HEAVY").split()
        assert not heavy, f"loading the plugin imports {', '.join(heavy)}; import it inside build"
        said = (ended.stdout + ended.stderr).replace(lines[-1], "").strip()
        assert not said, f"loading the plugin prints: {said[:200]}"

    def test_options_are_described(self) -> None:
        """Every option has a description and, where it is no choice that must be made, a default."""
        for name, field in self.spec.config.model_fields.items():
            assert field.description, f"option {name} has no description: write Field(..., description=...)"

    def test_schema_is_valid(self) -> None:
        """The options have a JSON Schema, for editors and for ``cganzoo plugins NAME``."""
        schema = self.spec.config.model_json_schema()
        assert json.loads(json.dumps(schema, allow_nan=False)) == schema, "the schema is not plain JSON"
        assert schema.get("additionalProperties") is False, "the options must refuse unknown keys, as Config does"

    def test_options_survive_a_recipe(self) -> None:
        """The options come back the same from the TOML that a run folder keeps."""
        config = self.config()
        written = tomli_w.dumps(config.model_dump(mode="json", by_alias=True, exclude_none=True))
        again = parse(self.spec.config, tomllib.loads(written))
        assert again == config, f"written as TOML and read again, the options differ: {config!r} became {again!r}"

    def test_unknown_option_is_refused(self) -> None:
        """A misspelt option is an error."""
        try:
            self.config(no_such_option_of_anyone=1)
        except ValueError:
            return
        raise AssertionError("an option that does not exist is accepted; leave extra='forbid' of Config as it is")


@dataclass(frozen=True)
class Outcome:
    """How one check ended.

    Attributes:
        check: its name.
        what: what it asks, one line.
        status: ``"passed"``, ``"failed"``, ``"expected"`` (a failure that was announced) or ``"skipped"``.
        message: why, where it did not pass.
        seconds: how long it took.
    """

    check: str
    what: str
    status: Literal["passed", "failed", "expected", "skipped"]
    message: str
    seconds: float


def checks(conformance: type[Conformance]) -> list[str]:
    """Names of a class's checks, in the order they are written, the common ones first."""
    found: dict[str, None] = {}
    for owner in reversed(conformance.__mro__):
        found.update(dict.fromkeys(name.removeprefix(CHECK) for name in vars(owner) if name.startswith(CHECK)))
    return list(found)


def run(conformance: type[Conformance]) -> Iterator[Outcome]:
    """Run the checks of a conformance class, without pytest, each on a new instance.

    Raises:
        PluginError: there is no such component.
    """
    if not __debug__:
        raise RuntimeError("the checks are assertions, and python -O takes assertions out; run them without -O")
    conformance().component  # noqa: B018 - a component that does not exist is one error, not one for each check
    for check in checks(conformance):
        method = getattr(conformance(), CHECK + check)
        reason = conformance.expected_failures.get(check)
        start = time.perf_counter()
        status: Literal["passed", "failed", "expected", "skipped"] = "passed"
        message = ""
        try:
            method()
        except SkipTest as skip:
            status, message = "skipped", str(skip)
        except (Exception, SystemExit) as error:
            status, message = "failed", _told(error)
        if reason is not None and status == "failed":
            status, message = "expected", reason
        elif reason is not None and status == "passed":
            status, message = "failed", f"passes, though expected to fail ({reason}); take it out of expected_failures"
        what = (method.__doc__ or check).strip().splitlines()[0]
        yield Outcome(check, what, status, message, time.perf_counter() - start)


def _told(error: BaseException) -> str:
    if isinstance(error, AssertionError) and str(error):
        return str(error)
    return f"raised {type(error).__name__}: {error}"


def _expect_failure(cls: type[Conformance], method: str, reason: str) -> None:
    """Mark a copy of an inherited check, so that the other classes' stays as it is."""
    if "pytest" not in sys.modules:  # run() reads expected_failures itself
        return
    import pytest

    original = getattr(cls, method)

    @functools.wraps(original)
    def check(self: Conformance) -> None:
        original(self)

    setattr(cls, method, pytest.mark.xfail(reason=reason, strict=True)(check))


@functools.lru_cache(maxsize=4)
def _installed(path: tuple[str, ...], allowed: str | None) -> Registry:
    """The registry, once for each state of what it is found by."""
    return load_plugins()
