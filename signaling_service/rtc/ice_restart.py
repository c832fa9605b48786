"""ICE restart (RFC 8445 section 9): another name and password for the sockets of a call that goes on.

aioice has none. Here its checks begin anew, and the nominated pair stays: media takes the old way until the
other side nominates a pair of the new checks. Where it never does, the consent that is asked for on the old
way fails, and the call ends (RFC 7675).
"""

from __future__ import annotations

import re

import aioice.ice
from aioice.utils import random_string
from aiortc import RTCIceTransport

from signaling_service.errors import UnusableCandidates
from signaling_service.rtc.aiortc_patches import USER_NAME_CHARACTERS
from signaling_service.sockets.call_transport import CallTransport

PASSWORD_CHARACTERS = 22
"""128 bits and more, as RFC 8445 section 5.3 asks for."""
_NAME = re.compile(r"^a=ice-ufrag:(.*?)\r?$", re.M)
_PASSWORD = re.compile(r"^a=ice-pwd:(.*?)\r?$", re.M)
_TOLD = ("a=mid:", "a=candidate:")
_END = "a=end-of-candidates"
_State = aioice.ice.CandidatePair.State


def name_in(sdp: str) -> str:
    """Return the first user name of a description or fragment; empty where it has none."""
    found = _NAME.search(sdp)
    return found[1].strip() if found else ""


def credentials_in(fragment: str) -> tuple[str, str] | None:
    """Return name and password of a fragment; None where it has none. Raises UnusableCandidates."""
    names = {one.strip() for one in _NAME.findall(fragment)}
    passwords = {one.strip() for one in _PASSWORD.findall(fragment)}
    if not names and not passwords:
        return None
    if len(names) != 1 or len(passwords) != 1:
        raise UnusableCandidates("expected one ice-ufrag and one ice-pwd for all sections")
    name, password = names.pop(), passwords.pop()
    try:
        aioice.ice.validate_username(name)
        aioice.ice.validate_password(password)
    except ValueError as exc:
        raise UnusableCandidates(str(exc)) from exc
    return name, password


def restart(transport: RTCIceTransport, remote_name: str, remote_password: str) -> tuple[str, str]:
    """Begin the checks anew with another side of this name and password; return those of this side."""
    connection = transport._connection
    former = connection.local_username.encode()
    connection._local_username = random_string(USER_NAME_CHARACTERS)
    connection._local_password = random_string(PASSWORD_CHARACTERS)
    for protocol in connection._protocols:
        if isinstance(protocol.transport, CallTransport):
            protocol.transport.renames(former, connection.local_username.encode())
    connection.remote_username, connection.remote_password = remote_name, remote_password
    for pair in connection._check_list:
        if pair.task is not None:
            pair.task.cancel()
    connection._check_list.clear()
    connection._nominating.clear()
    connection._early_checks.clear()
    connection._remote_candidates.clear()
    connection._remote_candidates_end = False
    transport.iceGatherer._remote_candidates_end = False
    return connection.local_username, connection.local_password


def begin_checks(connection: aioice.ice.Connection) -> None:
    """Check what has come since a restart: aioice begins checks of its own only while it first connects."""
    for pair in connection._check_list:
        if pair.state in (_State.FROZEN, _State.WAITING):
            connection.check_start_task(pair)


def answering_fragment(answer_sdp: str, name: str, password: str) -> str:
    """Return what a restart is answered (RFC 9725 section 4.3.3): this side's candidates, with new names."""
    first = answer_sdp.find("m=")
    lines = [line for line in answer_sdp[:first].splitlines() if line.startswith("a=group:BUNDLE")]
    section = answer_sdp[first:].split("\r\nm=")[0].splitlines()
    told = [line for line in section if line.startswith(_TOLD)]
    credentials = [f"a=ice-ufrag:{name}", f"a=ice-pwd:{password}"]
    return "\r\n".join([*lines, section[0], *credentials, *told, _END, ""])
