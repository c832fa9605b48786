"""The settings of who may call: origins, proxies, the key, tokens, filters."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode

from shared.operator_settings import split
from signaling_service.access.jwks import Jwks
from signaling_service.access.origins import checked, host_of, is_loopback
from signaling_service.access.secret_files import secret_in
from signaling_service.access.token_keys import key_from_setting
from signaling_service.access.tokens import Keys, OneKey, Tokens
from signaling_service.setting_types import NAMING


class AccessSettings(BaseSettings):
    """The part of `config.Settings` that says who may call, and what for."""

    host: str = Field("127.0.0.1", description="address of the HTTP server")
    origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="other sites whose pages may call, comma-separated, as https://meet.example; * for all. "
        "Without a key, else only this service's own pages, those on loopback and the extension may",
    )
    frame_ancestors: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="sites that may embed the pages of viewers (/watch/NAME), comma-separated; * for all "
        "(default: this service's own pages)",
    )
    open: bool = Field(
        False, description="let everybody who reaches this service use it: beyond loopback without a key"
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="addresses or networks of proxies whose X-Forwarded-For, -Proto, -Prefix are believed, "
        "comma-separated",
    )
    api_key: str | None = Field(
        None, min_length=1, repr=False, description="token that every caller must bring"
    )
    api_key_file: Path | None = Field(None, description="file with that token")

    allowed_filters: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="filters that callers may use, comma-separated, the default one first "
        "(default: all that workers serve)",
    )

    token_key: str | None = Field(
        None,
        min_length=1,
        repr=False,
        description="key that tokens are checked with: a secret of 32 bytes or more, a public key (PEM), or "
        "the path of a file with either",
    )
    token_jwks: str | None = Field(
        None, description="https:// address of a JWK set with the public keys that tokens are checked with"
    )
    token_issuer: str | None = Field(None, min_length=1, description="the only iss of tokens that is taken")
    token_audience: str = Field(
        "p2pcamera",
        min_length=1,
        description="what this service is called in the aud of tokens; with token-jwks they must name it",
    )
    max_connecting_per_address: int = Field(
        16,
        ge=1,
        le=1000,
        description="offers of one address that may wait to be connected; a newer one takes the turn of the "
        "oldest",
    )

    @field_validator("allowed_filters", mode="before")
    @classmethod
    def _allowed_filters(cls, value: Any) -> Any:
        return split(value) if isinstance(value, str) else value

    @field_validator("origins", "frame_ancestors", mode="before")
    @classmethod
    def _origins(cls, value: Any) -> Any:
        return tuple(checked(origin) for origin in (split(value) if isinstance(value, str) else value))

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _trusted_proxies(cls, value: Any) -> Any:
        networks = split(value) if isinstance(value, str) else value
        for network in networks:
            ipaddress.ip_network(network)
        return networks

    @field_validator("api_key")
    @classmethod
    def _api_key(cls, value: str | None) -> str | None:
        if value is not None:
            _check_key(value)
        return value

    @field_validator("api_key_file")
    @classmethod
    def _api_key_file(cls, value: Path | None) -> Path | None:
        if value is not None:
            _check_key(secret_in(value))
        return value

    @field_validator("token_key")
    @classmethod
    def _token_key(cls, value: str | None) -> str | None:
        if value is not None:
            key_from_setting(value)
        return value

    @field_validator("token_jwks")
    @classmethod
    def _token_jwks(cls, value: str | None) -> str | None:
        if value is not None:
            scheme, _, rest = value.partition("://")
            is_local = scheme == "http" and is_loopback(host_of(rest.partition("/")[0]))
            if not rest or not (scheme == "https" or is_local):
                raise ValueError("expected an https:// address")
        return value

    @model_validator(mode="after")
    def _one_token_key(self) -> AccessSettings:
        if self.token_key is not None and self.token_jwks is not None:
            raise ValueError(NAMING.named("token_jwks", "expected alone, or --token-key alone"))
        if self.token_issuer is not None and not self.has_tokens:
            raise ValueError(NAMING.named("token_issuer", "expected with --token-key or --token-jwks"))
        return self

    @model_validator(mode="after")
    def _one_key(self) -> AccessSettings:
        if self.api_key is not None and self.api_key_file is not None:
            raise ValueError(NAMING.named("api_key_file", "expected alone, or --api-key alone"))
        return self

    @model_validator(mode="after")
    def _is_open_on_purpose(self) -> AccessSettings:
        if not (self.is_guarded or self.open or is_loopback(self.host.lower())):
            raise ValueError(
                NAMING.named(
                    "host",
                    f"whoever reaches {self.host} could use this service: expected --api-key-file or a token "
                    "key with it, or --open, which lets everybody",
                )
            )
        return self

    @property
    def key(self) -> str | None:
        """The token that every caller must bring, wherever it was said; reads the file."""
        return self.api_key if self.api_key_file is None else secret_in(self.api_key_file)

    @property
    def allowed(self) -> frozenset[str] | None:
        """Filters that callers may use; None: all that workers serve."""
        return frozenset(self.allowed_filters) or None

    @property
    def is_guarded(self) -> bool:
        """Callers must prove who they are."""
        return self.api_key is not None or self.api_key_file is not None or self.has_tokens

    @property
    def has_tokens(self) -> bool:
        return self.token_key is not None or self.token_jwks is not None

    @property
    def tokens(self) -> Tokens | None:
        """What checks tokens, where they are taken; reads the file of the key."""
        keys: Keys
        if self.token_jwks is not None:
            keys = Jwks(self.token_jwks)
        elif self.token_key is not None:
            keys = OneKey(key_from_setting(self.token_key))
        else:
            return None
        # The keys of a set sign for other services too.
        needs_audience = self.token_jwks is not None or "token_audience" in self.model_fields_set
        return Tokens(keys, self.token_issuer, self.token_audience, needs_audience=needs_audience)


def _check_key(key: str) -> None:
    """Refuse one that no caller can send: headers have ASCII alone, and no space at their ends."""
    if re.fullmatch(r"[!-~]([ -~]*[!-~])?", key) is None:
        raise ValueError("expected one line of ASCII without space at its ends: openssl rand -hex 24")
