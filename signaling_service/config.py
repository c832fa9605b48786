"""Settings: read once, from flags and `SIGNALING_...` variables, into one frozen object."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import CliApp, CliSettingsSource, NoDecode, SettingsConfigDict, SettingsError

from shared import endpoints, link_keys
from shared.frame import MAX_SIDE, MIN_SIDE
from shared.help_words import in_words
from shared.link_keys import LinkKeys
from shared.log_lines import LogFormat
from shared.operator_settings import refuse, split, told_as_value
from shared.run_dir import RESULTS_NAME, run_dir
from shared.traces import check_traces
from signaling_service.access.settings import AccessSettings
from signaling_service.cores import usable_cores
from signaling_service.media.bitrate import LEAST_BITS_PER_S, START_BITS_PER_S, BitrateProfile
from signaling_service.media.picture_size import LARGEST
from signaling_service.network_settings import NetworkSettings
from signaling_service.setting_types import NAMING, VIDEO_CODECS, Bitrate, VideoCodec

MAX_PORT = 65535
MAX_PROCESSES = 32
"""Half of the places to which a worker sends results."""
CORES_PER_PROCESS = 2
"""What one process can use: decoding and encoding run beside its event loop."""


def _sensible_processes() -> int:
    return max(1, min(MAX_PROCESSES, int(usable_cores() / CORES_PER_PROCESS)))


class Settings(NetworkSettings, AccessSettings):
    """Everything that an operator can choose."""

    model_config = SettingsConfigDict(
        env_prefix=NAMING.prefix,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        cli_prog_name="python -m signaling_service",
        cli_kebab_case=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_implicit_flags=True,
    )

    port: int = Field(7860, ge=1, le=65535, description="port of the HTTP server")
    results_bind: str = Field(
        default_factory=lambda: f"ipc://{run_dir(os.environ) / RESULTS_NAME}",
        description="endpoint to which workers send results and status "
        f"(default: {RESULTS_NAME} in this user's run folder)",
    )
    link_keys: Path | None = Field(
        None,
        description="folder of the link's keys, which a tcp:// endpoint needs; "
        "`python -m signaling_service keys DIR` makes them",
    )
    min_bitrate: Bitrate = Field(
        LEAST_BITS_PER_S, description="bits per second that each way of a session never falls under"
    )
    start_bitrate: Bitrate = Field(
        START_BITS_PER_S,
        description="bits per second with which each way begins, within the other two; "
        "no more than 1M where the page gives transport-wide feedback",
    )
    max_bitrate: Bitrate | None = Field(
        None, description="bits per second that no way goes over (default: what the picture's size is worth)"
    )
    video_codecs: Annotated[tuple[VideoCodec, ...], NoDecode] = Field(
        VIDEO_CODECS, description="codecs that sessions may use, comma-separated, the preferred one first"
    )
    processes: int = Field(
        default_factory=_sensible_processes,
        ge=1,
        le=MAX_PROCESSES,
        description="media processes behind the one port (default: one for every two cores)",
    )
    max_sessions: int | None = Field(
        None, ge=1, le=1000, description="sessions at a time (default: as many as the measured load allows)"
    )
    max_viewers: int = Field(
        50,
        ge=1,
        le=10_000,
        description="viewers of one published picture at a time; of all together four times as many",
    )
    max_width: int = Field(
        LARGEST.width, ge=MIN_SIDE, le=MAX_SIDE, description="pixels of a camera's picture, either way round"
    )
    max_height: int = Field(LARGEST.height, ge=MIN_SIDE, le=MAX_SIDE, description="the other side of it")
    max_fps: float = Field(60, ge=1, le=240, description="frames a second of one camera that go to workers")
    default_filter: str = Field("ink", min_length=1, description="filter of an offer that names none")
    drain_seconds: float = Field(
        10,
        ge=0,
        le=3600,
        description="how long SIGTERM leaves calls to move to another service; 0: they end at once",
    )
    wait_seconds: float = Field(
        0,
        ge=0,
        le=3600,
        description="how long a start waits for ports and sockets that another service still has",
    )
    trace_every: int | None = Field(
        None,
        ge=1,
        description="one frame in so many of each session is traced by OpenTelemetry; the variables OTEL_... "
        "say where its spans go (default: no frame)",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="how much to log")
    log_format: LogFormat = Field("text", description="json: each line of the log is one JSON object")

    @field_validator("results_bind")
    @classmethod
    def _results_bind(cls, value: str) -> str:
        with told_as_value():
            endpoint = endpoints.parse(value)
        if endpoint.transport == "tcp" and not endpoint.port:
            raise ValueError("expected a fixed port, since workers are told it")
        return value

    @field_validator("link_keys")
    @classmethod
    def _link_keys(cls, value: Path | None) -> Path | None:
        if value is not None:
            with told_as_value():
                link_keys.load(value, "service")
        return value

    @field_validator("trace_every")
    @classmethod
    def _trace_every(cls, value: int | None) -> int | None:
        if value is not None:
            with told_as_value():
                check_traces()
        return value

    @field_validator("video_codecs", mode="before")
    @classmethod
    def _video_codecs(cls, value: Any) -> Any:
        names = split(value) if isinstance(value, str) else value
        known = get_args(VideoCodec)
        for name in names:
            if name not in known:
                raise ValueError(f"{name!r}: expected a comma-separated list of {', '.join(known)}")
        if not names or len(set(names)) < len(names):
            raise ValueError("expected each codec once, and at least one")
        return names

    @property
    def keys(self) -> LinkKeys | None:
        """What this service proves itself with, and knows workers by; reads the files."""
        return None if self.link_keys is None else link_keys.load(self.link_keys, "service")

    @property
    def bitrates(self) -> BitrateProfile:
        """The bounds of each session; a beginning that nobody chose gives way to them."""
        start = max(self.start_bitrate, self.min_bitrate)
        if self.max_bitrate is not None:
            start = min(start, self.max_bitrate)
        return BitrateProfile(self.min_bitrate, start, self.max_bitrate)

    @model_validator(mode="after")
    def _bitrates_rise(self) -> Settings:
        is_chosen = "start_bitrate" in self.model_fields_set
        names = ["min_bitrate", *(["start_bitrate"] if is_chosen else []), "max_bitrate"]
        chosen = [(name, getattr(self, name)) for name in names if getattr(self, name) is not None]
        for (low, low_rate), (high, high_rate) in pairwise(chosen):
            if low_rate > high_rate:
                than = f"{high_rate} is less than --{low.replace('_', '-')}, {low_rate}"
                raise ValueError(NAMING.named(high, than))
        return self

    @model_validator(mode="before")
    @classmethod
    def _default_of_those_allowed(cls, values: Any) -> Any:
        allowed = values.get("allowed_filters") if isinstance(values, dict) else None
        names = split(allowed) if isinstance(allowed, str) else allowed
        return {"default_filter": names[0], **values} if names else values

    @model_validator(mode="after")
    def _default_is_allowed(self) -> Settings:
        if self.allowed is not None and self.default_filter not in self.allowed:
            raise ValueError(
                NAMING.named("default_filter", f"{self.default_filter!r} is none of --allowed-filters")
            )
        return self

    @model_validator(mode="after")
    def _tcp_has_keys(self) -> Settings:
        if self.results_bind.startswith("tcp://") and self.link_keys is None:
            raise ValueError(
                NAMING.named(
                    "link_keys",
                    f"expected with --results-bind {self.results_bind}, the loopback's too, since whoever "
                    "reaches it could take part; `python -m signaling_service keys DIR` makes them (on one "
                    "host leave the endpoint out)",
                )
            )
        return self

    @model_validator(mode="after")
    def _enough_ports(self) -> Settings:
        for name in ("udp_port", "tcp_port"):
            first = getattr(self, name)
            if first is not None and (last := first + self.processes - 1) > MAX_PORT:
                raise ValueError(
                    NAMING.named(name, f"{self.processes} processes would need ports up to {last}")
                )
        return self

    @model_validator(mode="after")
    def _http_has_its_port(self) -> Settings:
        first = self.tcp_port
        if first is not None and first <= self.port < first + self.processes:
            raise ValueError(
                NAMING.named("tcp_port", f"expected without {self.port}, which is the HTTP server's")
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
