#!/bin/sh
# Starts coturn as a relay to this project's service, and to nothing else. docker-compose.yml runs it in the profile
# `turn`, and docs/deployment.md explains each variable. With the word `health` it asks the relay that runs. The settings go into a file, since a command line shows secrets.
set -eu

if [ "${1:-}" = health ]; then
    address=${TURN_ADDRESSES:-127.0.0.1}
    exec turnutils_stunclient -p "${TURN_PORT:-3478}" "${address%%,*}"
fi

fail() {
    echo "turn: $1" >&2
    exit 2
}

# One line for each part of a comma-separated list.
each() {
    for part in $(echo "$2" | tr ',' ' '); do
        echo "$1=$part"
    done
}

[ -n "${TURN_SECRET:-}" ] || fail "TURN_SECRET is missing: the secret of SIGNALING_ICE_SERVERS (openssl rand -hex 24)"
[ -n "${TURN_PEERS:-}" ] || fail "TURN_PEERS is missing: the addresses that the service tells browsers"
[ "${#TURN_SECRET}" -ge 16 ] || fail "TURN_SECRET has less than 16 characters"
case "$TURN_SECRET,$TURN_PEERS,${TURN_ADDRESSES:-},${TURN_EXTERNAL_IP:-},${TURN_REALM:-}" in
*[!A-Za-z0-9+/=_.,:-]*) fail "a value has a character that none of them needs" ;;
esac
[ -n "${TURN_CERTFILE:-}" ] || [ -z "${TURN_KEYFILE:-}" ] || fail "TURN_CERTFILE and TURN_KEYFILE belong together"
[ -z "${TURN_CERTFILE:-}" ] || [ -n "${TURN_KEYFILE:-}" ] || fail "TURN_CERTFILE and TURN_KEYFILE belong together"
# coturn would go on without TLS.
for file in "${TURN_CERTFILE:-}" "${TURN_KEYFILE:-}"; do
    [ -z "$file" ] || [ -r "$file" ] || fail "$file of TURN_CERTFILE and TURN_KEYFILE cannot be read"
done

folder=${TURN_RUN_DIR:-/tmp}
settings=$folder/turnserver.conf
umask 077
{
    echo "use-auth-secret"
    echo "static-auth-secret=$TURN_SECRET"
    echo "realm=${TURN_REALM:-p2pcamera}"
    echo "listening-port=${TURN_PORT:-3478}"
    echo "tls-listening-port=${TURN_TLS_PORT:-5349}"
    echo "min-port=${TURN_FIRST_RELAY_PORT:-49160}"
    echo "max-port=${TURN_LAST_RELAY_PORT:-49359}"
    each listening-ip "${TURN_ADDRESSES:-}"
    each relay-ip "${TURN_ADDRESSES:-}"
    each external-ip "${TURN_EXTERNAL_IP:-}"
    if [ -n "${TURN_CERTFILE:-}" ]; then
        echo "cert=$TURN_CERTFILE"
        echo "pkey=$TURN_KEYFILE"
        echo "no-tlsv1"
        echo "no-tlsv1_1"
    else
        echo "no-tls"
    fi
    # Whoever has credentials could reach all that this host reaches: the service is enough.
    echo "denied-peer-ip=0.0.0.0-255.255.255.255"
    echo "denied-peer-ip=::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
    each allowed-peer-ip "$TURN_PEERS"
    case ",$TURN_PEERS," in
    *,127.*) echo "allow-loopback-peers" ;;
    esac
    echo "no-multicast-peers"
    echo "no-tcp-relay"
    echo "no-dtls"
    echo "no-cli"
    echo "no-rfc5780"
    echo "no-software-attribute"
    echo "fingerprint"
    echo "stale-nonce=600"
    # A page asks for one relay at each of its addresses, by each protocol.
    echo "user-quota=${TURN_RELAYS_OF_A_PAGE:-24}"
    echo "total-quota=${TURN_RELAYS:-200}"
    # Bytes a second of one relay: twice what the largest picture takes.
    echo "max-bps=${TURN_MAX_BYTES_PER_S:-1000000}"
    echo "pidfile=$folder/turnserver.pid"
    echo "userdb=$folder/turndb"
    echo "log-file=stdout"
    echo "simple-log"
} >"$settings"
exec turnserver -c "$settings"
