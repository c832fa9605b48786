"""Ports, addresses and certificate of a service that is to start here, or that runs."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import zmq
from cryptography import x509

from shared import binding, sockets
from shared.errors import BindError
from shared.gate import Gate
from signaling_service.access.origins import is_loopback
from signaling_service.config import Settings
from signaling_service.http.listening import PortNotTaken, listen
from signaling_service.rtc.aiortc_patches import own_addresses
from signaling_service.sockets.udp_socket import BUFFERS_BYTES
from signaling_service.tools.finding import Finding, bad, ok, warn

EXPIRES_SOON = timedelta(days=14)
BUFFER_LIMITS = {
    "rmem_max": BUFFERS_BYTES[socket.SO_RCVBUF],
    "wmem_max": BUFFERS_BYTES[socket.SO_SNDBUF],
}


def http_port(settings: Settings, *, is_running: bool) -> Finding:
    """Look whether the HTTP port can be had, unless our own service has it."""
    where = f"{settings.host}, port {settings.port}"
    if is_running:
        return ok("http port", f"this service runs at {where}")
    try:
        for one in listen(settings.host, settings.port):
            one.close()
    except PortNotTaken as exc:
        return bad(
            "http port",
            str(exc),
            f"stop what has it (`ss -ltnp 'sport = :{settings.port}'` names it), or choose another --port",
        )
    return ok("http port", f"{where} is free")


def results_endpoint(settings: Settings, *, is_running: bool) -> Finding:
    """Look whether workers' results could be received, unless our own service does so."""
    if is_running:
        return ok("link", f"the running service receives results at {settings.results_bind}")
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    gate = Gate(context, settings.keys)
    try:
        gate.open()
        taken = sockets.sub_results(context, gate)
        try:
            bound = binding.bind(taken, settings.results_bind)
        except BindError as exc:
            return bad("link", str(exc), "stop the other service, or choose another --results-bind")
        finally:
            taken.close(linger=0)
        bound.release()
    finally:
        gate.close()
        context.destroy(linger=0)
    return ok("link", f"results can be received at {settings.results_bind}")


def udp_ports(settings: Settings, *, is_running: bool) -> Iterator[Finding]:
    """Look whether the ports for media can be had, and whether their buffers are large enough."""
    addresses = list(settings.ice_addresses) or own_addresses()
    if not addresses:
        yield bad(
            "addresses",
            "this host has no address that a browser could reach",
            "connect it to a network, or name an address in --ice-addresses",
        )
        return
    yield ok("addresses", f"browsers are told {', '.join(addresses)}")
    if settings.udp_port is not None:
        ports = range(settings.udp_port, settings.udp_port + settings.processes)
        yield from _fixed_ports(ports, addresses, is_running=is_running)
        yield from _buffers()
    elif (chosen := settings.udp_ports) is not None:
        free = sum(all(_is_free(address, port) for address in addresses) for port in chosen)
        if free == 0:
            yield bad("udp ports", f"no port of {settings.udp_port_range} is free", "name a wider range")
        else:
            yield ok("udp ports", f"{free} of {len(chosen)} ports are free: so many further calls")
    else:
        yield ok("udp ports", "the system chooses one for each call; --udp-port needs one rule of a firewall")


def certificate(settings: Settings, now: datetime | None = None) -> Finding:
    """Look whether pages of other hosts would be given a camera, and for how long."""
    now = now or datetime.now(UTC)
    if settings.ssl_certfile is None or settings.ssl_keyfile is None:
        if is_loopback(settings.host):
            return ok("certificate", "none is needed on loopback; a proxy may end TLS")
        return warn(
            "certificate",
            "browsers give a camera to localhost and to HTTPS pages alone",
            "set --ssl-certfile and --ssl-keyfile, or put a proxy that ends TLS before this service",
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile)
        found = x509.load_pem_x509_certificates(Path(settings.ssl_certfile).read_bytes())[0]
    except (OSError, ValueError, IndexError) as exc:
        reason = exc.reason if isinstance(exc, ssl.SSLError) else getattr(exc, "strerror", None) or exc
        return bad(
            "certificate",
            f"{settings.ssl_certfile} with {settings.ssl_keyfile} cannot be used: {reason}",
            "give a PEM file with the whole chain, and the key that belongs to its first certificate",
        )
    ends = found.not_valid_after_utc
    names = f"{settings.ssl_certfile} for {', '.join(_names(found)) or 'no name'}"
    if ends <= now:
        return bad("certificate", f"{names} has expired on {ends:%Y-%m-%d}", "renew it")
    if found.not_valid_before_utc > now:
        begins = found.not_valid_before_utc
        return bad("certificate", f"{names} is valid from {begins:%Y-%m-%d} on", "look at this host's clock")
    if ends - now < EXPIRES_SOON:
        return warn("certificate", f"{names} expires on {ends:%Y-%m-%d}", "renew it now")
    return ok("certificate", f"{names}, until {ends:%Y-%m-%d}")


def _names(found: x509.Certificate) -> list[str]:
    try:
        extension = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in extension.value]


def _fixed_ports(ports: range, addresses: list[str], *, is_running: bool) -> Iterator[Finding]:
    named = str(ports[0]) if len(ports) == 1 else f"{ports[0]} to {ports[-1]}"
    if is_running:
        yield ok("udp ports", f"the running service has {named}")
        return
    taken = [port for port in ports if not all(_is_free(address, port) for address in addresses)]
    if taken:
        yield bad(
            "udp ports",
            f"UDP port {taken[0]} is taken",
            f"stop what has it (`ss -lunp 'sport = :{taken[0]}'` names it), or choose another --udp-port",
        )
    else:
        yield ok("udp ports", f"{named} can be had; a firewall must let UDP in there")


def _buffers(folder: Path = Path("/proc/sys/net/core")) -> Iterator[Finding]:
    small = {}
    for name, needed_bytes in BUFFER_LIMITS.items():
        try:
            if int((folder / name).read_text()) < needed_bytes:
                small[name] = needed_bytes
        except (OSError, ValueError):
            continue
    if small:
        wanted = " ".join(f"net.core.{name}={needed_bytes}" for name, needed_bytes in small.items())
        yield warn(
            "udp buffers",
            "the system lets the one port's buffers be too small for many calls",
            f"sysctl {wanted}",
        )


def _is_free(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as one:
            one.bind((address, port))
    except OSError:
        return False
    return True
