"""Settings: read once, from flags and `SIGNALING_...` variables, into one frozen object."""

from __future__ import annotations

import ipaddress
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, CliApp, NoDecode, SettingsConfigDict, SettingsError

from shared import endpoints
from shared.errors import EndpointError

PREFIX = "SIGNALING_"


class IceServer(BaseModel):
    """One STUN or TURN server, as `RTCIceServer` of W3C WebRTC names its parts.

    With `secret` (the TURN server's shared secret, coturn's `static-auth-secret`) every answer of
    `/ice-servers` carries credentials of its own that end after an hour.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    urls: str | list[str]
    username: str | None = None
    credential: str | None = None
    secret: str | None = None

    @field_validator("urls")
    @classmethod
    def _urls(cls, value: str | list[str]) -> str | list[str]:
        for url in [value] if isinstance(value, str) else value:
            if not url.startswith(("stun:", "stuns:", "turn:", "turns:")):
                raise ValueError(f"{url!r}: expected stun:HOST, turn:HOST or their s: forms")
        return value


class Settings(BaseSettings):
    """Everything that an operator can choose."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        cli_prog_name="python -m signaling_service",
        cli_kebab_case=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
    )

    host: str = Field("127.0.0.1", description="address of the HTTP server")
    port: int = Field(7860, ge=1, le=65535, description="port of the HTTP server")
    results_bind: str = Field(
        "tcp://127.0.0.1:5556", description="endpoint to which workers send results and status"
    )
    ice_addresses: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="addresses to offer as candidates, comma-separated (default: every interface's)"
    )
    ice_servers: Annotated[tuple[IceServer, ...], NoDecode] = Field(
        (), description="STUN and TURN servers: URLs, comma-separated, or a JSON list of RTCIceServer"
    )
    public_ip: str | None = Field(None, description="not available yet: refused")
    udp_port_range: str | None = Field(None, description="not available yet: refused")
    ssl_certfile: Path | None = Field(None, description="certificate chain (PEM): serve HTTPS")
    ssl_keyfile: Path | None = Field(None, description="its private key (PEM)")
    max_sessions: int = Field(10, ge=1, le=1000, description="sessions at a time")
    default_filter: str = Field("ink", min_length=1, description="filter of an offer that names none")
    api_key: str | None = Field(None, min_length=1, description="token that every caller must bring")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="how much to log")

    @field_validator("results_bind")
    @classmethod
    def _results_bind(cls, value: str) -> str:
        try:
            endpoint = endpoints.parse(value)
        except EndpointError as exc:
            raise ValueError(str(exc)) from exc
        if endpoint.transport == "tcp" and not endpoint.port:
            raise ValueError("expected a fixed port, since workers are told it")
        return value

    @field_validator("ice_addresses", mode="before")
    @classmethod
    def _ice_addresses(cls, value: Any) -> Any:
        addresses = _split(value) if isinstance(value, str) else value
        for address in addresses:
            ipaddress.ip_address(address)
        return addresses

    @field_validator("ice_servers", mode="before")
    @classmethod
    def _ice_servers(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith(("[", "{")):
            servers = json.loads(value)
            return servers if isinstance(servers, list) else [servers]
        return [{"urls": url} for url in _split(value)]

    @field_validator("public_ip", "udp_port_range")
    @classmethod
    def _refused(cls, value: str | None) -> None:
        if value is not None:
            raise ValueError("not available in this version; leave it out")

    @field_validator("ssl_certfile", "ssl_keyfile")
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError(f"no file {value}")
        return value

    @model_validator(mode="after")
    def _pair(self) -> Settings:
        if (self.ssl_certfile is None) != (self.ssl_keyfile is None):
            raise ValueError("ssl-certfile and ssl-keyfile belong together")
        return self


def read_settings(arguments: Sequence[str]) -> Settings:
    """Read flags, then the environment; prints every fault by its name and exits with 2 if there is one."""
    try:
        return CliApp.run(Settings, cli_args=list(arguments))
    except ValidationError as exc:
        for error in exc.errors():
            sys.stderr.write(f"{_fault(error)}\n")
    except SettingsError as exc:
        sys.stderr.write(f"{exc}\n")
    raise SystemExit(2)


def _fault(error: Any) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    if not error["loc"]:
        return message
    name = str(error["loc"][0])
    return f"--{name.replace('_', '-')} / {PREFIX}{name.upper()}: {message}"


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
