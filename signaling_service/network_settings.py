"""The settings of how browsers reach this service: addresses, ports, STUN and TURN servers, certificate."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode

from shared.operator_settings import split
from signaling_service.setting_types import NAMING, IceServer

AUTO = "auto"


class NetworkSettings(BaseSettings):
    """The part of `config.Settings` that says how browsers reach this service."""

    ice_addresses: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="addresses to offer as candidates, comma-separated (default: every interface's)"
    )
    ice_servers: Annotated[tuple[IceServer, ...], NoDecode] = Field(
        (), description="STUN and TURN servers: URLs, comma-separated, or a JSON list of RTCIceServer"
    )
    public_ip: str | None = Field(
        None,
        description="address to announce in place of this host's own, where 1:1 NAT maps it: of IPv4, "
        "of IPv6, or one of each, comma-separated; auto: ask the STUN server of ice-servers at start",
    )
    udp_port: int | None = Field(
        None,
        ge=1024,
        le=65535,
        description="the one UDP port for media of all calls (further processes take the next ones)",
    )
    udp_port_range: str | None = Field(
        None, description="FIRST-LAST: UDP ports for media, one for each call (default: those of the system)"
    )
    tcp_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="TCP port for media of pages that cannot use UDP (further processes take the next ones)",
    )
    ssl_certfile: Path | None = Field(None, description="certificate chain (PEM): serve HTTPS")
    ssl_keyfile: Path | None = Field(None, description="its private key (PEM)")

    @field_validator("ice_addresses", mode="before")
    @classmethod
    def _ice_addresses(cls, value: Any) -> Any:
        addresses = split(value) if isinstance(value, str) else value
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
        return [{"urls": url} for url in split(value)]

    @field_validator("public_ip")
    @classmethod
    def _public_ip(cls, value: str | None) -> str | None:
        if value is None or value == AUTO:
            return value
        try:
            addresses = [ipaddress.ip_address(part) for part in split(value)]
        except ValueError as exc:
            raise ValueError(f"{value!r}: expected IP addresses or {AUTO}") from exc
        if not addresses or len({address.version for address in addresses}) < len(addresses):
            raise ValueError(f"{value!r}: expected an IPv4 address, an IPv6 address, or one of each")
        if any(one.is_unspecified or one.is_loopback or one.is_multicast for one in addresses):
            raise ValueError(f"{value!r}: no other host can reach it")
        return ",".join(map(str, addresses))

    @field_validator("udp_port_range")
    @classmethod
    def _udp_port_range(cls, value: str | None) -> str | None:
        if value is None:
            return value
        first, _, last = value.partition("-")
        if not (first.isdecimal() and last.isdecimal() and 1024 <= int(first) <= int(last) <= 65535):
            raise ValueError(f"{value!r}: expected FIRST-LAST within 1024-65535")
        return value

    @field_validator("ssl_certfile", "ssl_keyfile")
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError(f"no file {value}")
        return value

    @property
    def public_addresses(self) -> tuple[str, ...]:
        """What is announced in place of this host's addresses: at most one of each family."""
        assert self.public_ip != AUTO  # Asking for it is the entry point's.
        return tuple(split(self.public_ip or ""))

    @property
    def udp_ports(self) -> range | None:
        """Ports for media; None leaves them to the system."""
        if self.udp_port_range is None:
            return None
        first, _, last = self.udp_port_range.partition("-")
        return range(int(first), int(last) + 1)

    @model_validator(mode="after")
    def _one_choice_of_ports(self) -> NetworkSettings:
        if self.udp_port is not None and self.udp_port_range is not None:
            raise ValueError(
                NAMING.named("udp_port", "expected without --udp-port-range: one port, or a range")
            )
        return self

    @model_validator(mode="after")
    def _pair(self) -> NetworkSettings:
        if (self.ssl_certfile is None) != (self.ssl_keyfile is None):
            raise ValueError("ssl-certfile and ssl-keyfile belong together")
        return self

    @model_validator(mode="after")
    def _can_ask(self) -> NetworkSettings:
        if self.public_ip == AUTO and not any(server.stun_urls for server in self.ice_servers):
            text = f"{AUTO} needs a stun: server in ice-servers; no other is asked"
            raise ValueError(NAMING.named("public_ip", text))
        return self
