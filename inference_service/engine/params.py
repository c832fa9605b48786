"""Parameters: kept by their hash, and checked once by the model of each filter of a chain."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from inference_service.errors import BadParams
from inference_service.filters.base import Filter, Params
from shared import wire
from shared.errors import WireError
from shared.wire import FrameHeader

MAX_KEPT = 1024
MAX_KEPT_BYTES = 64 << 20
MAX_CHECKED = 1024


class KeptParams:
    """Parameters by `params_id`, the longest unused ones forgotten first. Safe for several threads."""

    def __init__(self, max_kept: int = MAX_KEPT, max_bytes: int = MAX_KEPT_BYTES) -> None:
        self._max_kept = max_kept
        self._max_bytes = max_bytes
        self._kept: OrderedDict[bytes, tuple[dict[str, Any], int]] = OrderedDict()
        self._size_bytes = 0
        self._lock = threading.Lock()

    def keep(self, header: FrameHeader) -> None:
        """Remember what a frame brings, also of a frame that a newer one is about to replace.

        Raises WireError where the hash is not theirs: one session must not name another's parameters.
        """
        if header.params is None or self.get(header.params_id) is not None:
            return
        try:
            is_theirs = wire.params_id(header.params) == header.params_id
        except (TypeError, ValueError, RecursionError) as exc:
            raise WireError("malformed", "parameters are not JSON values") from exc
        if not is_theirs:
            raise WireError("malformed", "params_id is not the hash of the parameters")
        size_bytes = wire.params_size_bytes(header.params)
        with self._lock:
            if header.params_id in self._kept:
                return
            self._kept[header.params_id] = (header.params, size_bytes)
            self._size_bytes += size_bytes
            while len(self._kept) > self._max_kept or self._size_bytes > self._max_bytes:
                _, (_, forgotten_bytes) = self._kept.popitem(last=False)
                self._size_bytes -= forgotten_bytes

    def get(self, params_id: bytes) -> dict[str, Any] | None:
        """Return the parameters, None where they are not known or no longer."""
        with self._lock:
            found = self._kept.get(params_id)
            if found is None:
                return None
            self._kept.move_to_end(params_id)
            return found[0]


@dataclass(frozen=True, slots=True)
class ChainParams:
    """The checked parameters of a chain, one model per filter, in its order."""

    models: tuple[Params, ...]
    batch_key: str
    """Equal for two frames of a chain exactly where their parameters may share a batch."""


@dataclass(frozen=True, slots=True)
class _Checked:
    """What came of a check, and how large the parameters are that it refers to."""

    outcome: ChainParams | BadParams
    size_bytes: int


_Key = tuple[tuple[tuple[str, type[Params]], ...], bytes]
"""The chain's filters with their models, and `params_id`."""


class CheckedParams:
    """Checks each set of parameters once per chain. One thread only."""

    def __init__(self, max_checked: int = MAX_CHECKED, max_bytes: int = MAX_KEPT_BYTES) -> None:
        self._max_checked = max_checked
        self._max_bytes = max_bytes
        self._checked: OrderedDict[_Key, _Checked] = OrderedDict()
        self._size_bytes = 0

    def check(self, chain: Sequence[Filter], params_id: bytes, params: Mapping[str, Any]) -> ChainParams:
        """Return one model per filter; raises BadParams with the field's name."""
        # With the models, since a filter that is loaded anew may have another one.
        key = (tuple((one.name, one.Params) for one in chain), params_id)
        found = self._checked.get(key)
        if found is None:
            found = self._remember(key, _outcome(chain, params), wire.params_size_bytes(params))
        else:
            self._checked.move_to_end(key)
        if isinstance(found.outcome, BadParams):
            # A new one each time: raising the kept one again would make its traceback grow.
            raise BadParams(found.outcome.field, found.outcome.expected)
        return found.outcome

    def _remember(self, key: _Key, outcome: ChainParams | BadParams, size_bytes: int) -> _Checked:
        made = self._checked[key] = _Checked(outcome, size_bytes)
        self._size_bytes += size_bytes
        while len(self._checked) > self._max_checked or self._size_bytes > self._max_bytes:
            _, forgotten = self._checked.popitem(last=False)
            self._size_bytes -= forgotten.size_bytes
        return made


def _outcome(chain: Sequence[Filter], params: Mapping[str, Any]) -> ChainParams | BadParams:
    try:
        return _check(chain, params)
    except BadParams as exc:
        return exc


def _check(chain: Sequence[Filter], params: Mapping[str, Any]) -> ChainParams:
    if len(chain) == 1:
        models: tuple[Params, ...] = (_model(chain[0], params, ""),)
    else:
        names = [one.name for one in chain]
        for name in params:
            if name not in names:
                raise BadParams(name[:64], f"not a filter of this chain ({', '.join(names)})")
        models = tuple(_model(one, params.get(one.name, {}), f"{one.name}.") for one in chain)
    keys = [_batch_key(one, model) for one, model in zip(chain, models, strict=True)]
    return ChainParams(models, json.dumps(keys))


def _model(one: Filter, params: Any, prefix: str) -> Params:
    if not isinstance(params, Mapping):
        raise BadParams(prefix.rstrip("."), "expected an object")
    try:
        return one.Params.model_validate(dict(params))
    except ValidationError as exc:
        error = exc.errors(include_url=False, include_context=False)[0]
        field = prefix + ".".join(str(part)[:64] for part in error["loc"])
        raise BadParams(field.rstrip("."), str(error["msg"])[:300]) from exc
    except Exception as exc:
        # A validator of the filter's own raised something that pydantic lets pass.
        raise BadParams(prefix.rstrip("."), f"could not be checked ({type(exc).__name__})") from exc


def _batch_key(one: Filter, model: Params) -> str:
    return model.model_dump_json(include=None if one.equal_params is None else set(one.equal_params))
