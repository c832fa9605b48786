"""Settings: read once, from flags and `INFERENCE_...` variables, into one frozen object."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    CliApp,
    CliSettingsSource,
    NoDecode,
    SettingsConfigDict,
    SettingsError,
)

from inference_service.weights.folder import default_folder
from shared import endpoints, link_keys
from shared.help_words import in_words
from shared.link_keys import LinkKeys
from shared.log_lines import LogFormat
from shared.operator_settings import Naming, refuse, split, told_as_value
from shared.run_dir import RESULTS_NAME, run_dir
from shared.traces import check_traces

NAMING = Naming("INFERENCE_")
MAX_BATCH = 256
_DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?")
NEEDS_KEYS = (
    "expected with tcp:// endpoints, the loopback's too, since whoever reaches them could take part; "
    "`python -m signaling_service keys DIR` makes them (on one host leave the endpoints out)"
)
_ANY_HOST = {"*", "0.0.0.0", "::"}  # noqa: S104 - compared with, never bound


class Settings(BaseSettings):
    """Everything that an operator can choose."""

    model_config = SettingsConfigDict(
        env_prefix=NAMING.prefix,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        cli_prog_name="python -m inference_service",
        cli_kebab_case=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_implicit_flags=True,
    )

    filters: Annotated[tuple[str, ...], NoDecode] = Field(
        ("ink",), description="filters to load at start, comma-separated; others load on first use"
    )
    device: str = Field(
        "auto",
        description="auto (the GPU that fewest workers of this host have, else cpu), cpu, cuda or cuda:N",
    )
    signaling: Annotated[tuple[str, ...], NoDecode] = Field(
        default_factory=lambda: (f"ipc://{run_dir(os.environ) / RESULTS_NAME}",),
        description="where results and status go, comma-separated; a DNS name means all its addresses "
        f"(default: {RESULTS_NAME} in this user's run folder)",
    )
    frames_bind: str = Field(
        "",
        description="endpoint for frames; a * in an ipc path becomes the worker's id (default: a socket of "
        "its own beside that of the first --signaling)",
    )
    frames_advertise: str | None = Field(
        None, description="how signaling services reach it (default: the bound endpoint)"
    )
    link_keys: Path | None = Field(
        None,
        description="folder of the link's keys, which tcp:// endpoints need; "
        "`python -m signaling_service keys DIR` makes them",
    )
    max_batch: int = Field(32, ge=1, le=MAX_BATCH, description="most frames in one batch")
    max_wait_ms: float = Field(
        1000, ge=50, le=10_000, description="a frame that has waited for longer is dropped, not filtered"
    )
    hang_s: float = Field(
        60, ge=5, le=3600, description="a batch that lasts for longer ends the worker, with code 3"
    )
    load_hang_s: float = Field(
        600,
        ge=10,
        le=36_000,
        description="a filter of whose loading nothing is heard for longer is given up; others load on",
    )
    filter_memory_mb: int | None = Field(
        None,
        ge=1,
        description="most memory that loaded filters may hold together, in MiB; those unused for longest "
        "are let go (default: what the device has)",
    )
    weights_dir: Path = Field(
        default_factory=default_folder, description="where downloaded weights lie (default: a cache folder)"
    )
    no_kernels: bool = Field(
        False,
        description="on a GPU, do everything by torch's operators, also where a Triton kernel is faster",
    )
    filter_settings: Annotated[dict[str, dict[str, Any]], NoDecode] = Field(
        {}, description='a JSON object of filters and their settings: {"densepose": {"short_side": 800}}'
    )
    test_params: bool = Field(
        False, description="give invert and passthrough busy_ms, by which any caller makes this worker slow"
    )
    http_host: str = Field(
        "127.0.0.1", min_length=1, description="where /metrics and /healthz listen, if there is an http-port"
    )
    http_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="port of /metrics and /healthz; 0 takes a free one, which the log names (default: none)",
    )
    traces: bool = Field(
        False,
        description="make spans of the frames that a signaling service traces (OpenTelemetry); the "
        "variables OTEL_... say where they go",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="how much to log")
    log_format: LogFormat = Field("text", description="json: each line of the log is one JSON object")

    @field_validator("filters", mode="before")
    @classmethod
    def _filters(cls, value: Any) -> Any:
        return _split(value)

    @field_validator("device")
    @classmethod
    def _device(cls, value: str) -> str:
        if not _DEVICE.fullmatch(value):
            raise ValueError(f"expected auto, cpu, cuda or cuda:N, not {value!r}")
        return value

    @field_validator("filter_settings", mode="before")
    @classmethod
    def _filter_settings(cls, value: Any) -> Any:
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError as exc:
                raise ValueError(f"expected a JSON object: {exc}") from exc
        if not isinstance(value, dict) or not all(isinstance(one, dict) for one in value.values()):
            raise ValueError("expected a JSON object with an object for each filter")
        return value

    @field_validator("traces")
    @classmethod
    def _traces(cls, value: bool) -> bool:
        if value:
            with told_as_value():
                check_traces()
        return value

    @field_validator("signaling", mode="before")
    @classmethod
    def _signaling(cls, value: Any) -> Any:
        texts = _split(value)
        if not texts:
            raise ValueError("expected at least one endpoint")
        for text in texts:
            endpoint = _endpoint(text)
            if endpoint.host in _ANY_HOST or (endpoint.transport == "tcp" and not endpoint.port):
                raise ValueError(f"{text!r}: expected the host and port of a signaling service")
        return texts

    @field_validator("frames_bind", "frames_advertise")
    @classmethod
    def _frames(cls, value: str | None) -> str | None:
        if value:
            _endpoint(value)
        return value

    @field_validator("link_keys")
    @classmethod
    def _link_keys(cls, value: Path | None) -> Path | None:
        if value is not None:
            with told_as_value():
                link_keys.load(value, "worker")
        return value

    @property
    def keys(self) -> LinkKeys | None:
        """What this worker proves itself with, and knows signaling services by; reads the files."""
        return None if self.link_keys is None else link_keys.load(self.link_keys, "worker")

    @property
    def frames(self) -> str:
        """`frames_bind`, or the default for it."""
        if self.frames_bind:
            return self.frames_bind
        folder = endpoints.parse(self.signaling[0]).host.rpartition("/")[0]
        return f"ipc://{folder}/worker-*.ipc"

    @model_validator(mode="after")
    def _one_transport(self) -> Settings:
        transports = {endpoints.parse(text).transport for text in self.signaling}
        if len(transports) > 1:
            raise ValueError(NAMING.named("signaling", "expected tcp:// alone or ipc:// alone"))
        if not self.frames_bind and "tcp" in transports:
            raise ValueError(
                NAMING.named("frames_bind", "expected with a tcp:// signaling, as tcp://ADDRESS:*")
            )
        if self.frames_bind and endpoints.parse(self.frames_bind).transport not in transports:
            raise ValueError(NAMING.named("frames_bind", "expected the transport of --signaling"))
        if "tcp" in transports and self.link_keys is None:
            raise ValueError(NAMING.named("link_keys", NEEDS_KEYS))
        return self

    @model_validator(mode="after")
    def _reachable(self) -> Settings:
        bound = endpoints.parse(self.frames)
        if self.frames_advertise is None:
            if bound.host in _ANY_HOST:
                raise ValueError(
                    NAMING.named(
                        "frames_advertise",
                        f"expected with --frames-bind {self.frames_bind}, which says nothing of how to reach "
                        "this host",
                    )
                )
            return self
        advertised = endpoints.parse(self.frames_advertise)
        if advertised.transport != bound.transport or advertised.host in _ANY_HOST:
            raise ValueError(
                NAMING.named(
                    "frames_advertise",
                    f"expected an address of --frames-bind {self.frames_bind}, not {self.frames_advertise}",
                )
            )
        return self


def read_settings(arguments: Sequence[str]) -> Settings:
    """Read flags, then the environment; prints every fault by its name and exits with 2 if there is one."""
    try:
        return CliApp.run(Settings, cli_args=list(arguments), cli_settings_source=_flags())
    except ValidationError as exc:
        refuse(NAMING.told(error) for error in exc.errors())
    except SettingsError as exc:
        refuse([str(exc)])


def _flags() -> CliSettingsSource[Any]:
    flags = CliSettingsSource[Any](Settings)
    in_words(flags.root_parser)
    return flags


def _split(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(dict.fromkeys(split(value)))


def _endpoint(text: str) -> endpoints.Endpoint:
    with told_as_value():
        return endpoints.parse(text)
