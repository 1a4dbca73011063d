"""How scores were measured: the protocol, and the fingerprints by which two scores are comparable. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def fingerprint(value: Any) -> str:
    """16 hexadecimal digits of the SHA-256 of a JSON value, which does not depend on the order of keys."""
    return _digest(json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False))


def cache_key(value: Any) -> str:
    """Like :func:`fingerprint`, but of other JSON text. It names cache files, so it must never change."""
    return _digest(json.dumps(value, sort_keys=True))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def with_fingerprints(protocol: Mapping[str, Any]) -> dict[str, Any]:
    """A protocol and its fingerprints: ``"fingerprint"`` of all of it, and ``"fingerprints"`` by metric.

    The fingerprint of a metric depends on everything except the other metrics, so two scores with the same name and
    the same fingerprint are comparable. Fingerprints that are already there are computed again; a run of cganzoo 0.1
    has only the first.
    """
    content = _content(protocol)
    metrics: Mapping[str, Any] = content.get("metrics", {})
    each = {name: fingerprint({**content, "metrics": {name: options}}) for name, options in metrics.items()}
    return {"fingerprint": fingerprint(content), "fingerprints": each, **content}


def common_fingerprint(protocol: Mapping[str, Any]) -> str:
    """The fingerprint of a protocol without its metrics. It is one short value, for display with a table of scores."""
    return fingerprint({**_content(protocol), "metrics": {}})


def _content(protocol: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in protocol.items() if key not in ("fingerprint", "fingerprints")}
