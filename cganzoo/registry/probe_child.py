"""The process in which :mod:`cganzoo.registry.probe` loads plugins."""

from __future__ import annotations

import json
import os
import traceback
from typing import Any

from cganzoo.errors import PluginError

from .description import describe
from .discovery import Provider
from .loading import Loader, built_in, choose, failure_reason
from .registry import Plugin

SLOW = 0.5
"""Seconds from which loading a plugin is noted as slow."""

LONG_SUMMARY = 200
"""Characters from which a summary is noted as long."""


def load_all(skip: int) -> None:
    """Load all plugins except the first ``skip``, and write one line of JSON for each to standard output."""
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a plugin prints must not get among the results

    def send(message: dict[str, Any]) -> None:
        print(json.dumps(message, default=str), file=results, flush=True)

    try:
        wanted, unloaded = choose(None)
    except PluginError as error:
        send({"error": str(error)})
        return
    providers = [*built_in(), *wanted]
    send({"providers": list(map(_plain, providers)), "unloaded": list(map(_plain, unloaded))})
    loader = Loader()
    for provider in providers[:skip]:
        loader.skip(provider)
    for provider in providers[skip:]:
        send(_plugin(loader.load(provider)))


def _plugin(plugin: Plugin) -> dict[str, Any]:
    """One loaded plugin as plain data: its entries of the inventory."""
    provider = _plain(plugin.provider)
    notes = [*plugin.notes]
    if plugin.seconds > SLOW:
        notes.append(f"takes {plugin.seconds:.1f} s to load")
    failures = [{**provider, "reason": one.reason, "traceback": one.traceback} for one in plugin.failures]
    components = []
    for component in plugin.components:
        try:
            components.append(describe(component))
        except Exception as error:
            reason = failure_reason(error, f"describing {component}")
            failures.append({**provider, "reason": reason, "traceback": traceback.format_exc()})
        if len(component.spec.summary) > LONG_SUMMARY:
            notes.append(f"the summary of {component} has {len(component.spec.summary):,} characters")
        if not component.spec.summary.isprintable():
            notes.append(f"the summary of {component} holds control characters")
    return {
        "plugins": [{**provider, "seconds": round(plugin.seconds, 4), "imported_torch": plugin.imported_torch}],
        "components": components,
        "notes": [{**provider, "note": note} for note in notes],
        "failures": failures,
    }


def _plain(provider: Provider) -> dict[str, Any]:
    fields = ("distribution", "version", "entry_point", "module", "location", "wants_host")
    return {name: getattr(provider, name) for name in fields}
