"""How the commands show a :class:`~cganzoo.errors.DamageWarning`: one yellow line on standard error."""

from __future__ import annotations

import warnings
from typing import Any

from cganzoo.console.streams import print_labelled
from cganzoo.errors import DamageWarning


def show_damage_warnings() -> None:
    """Show each warning of damage as one line, and other warnings as before; call in ``warnings.catch_warnings()``."""
    others = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any, **named: Any) -> None:
        if issubclass(category, DamageWarning):
            print_labelled("[yellow]warning:[/]", str(message))
        else:
            others(message, category, *rest, **named)

    warnings.simplefilter("always", DamageWarning)
    warnings.showwarning = show
