#!/bin/sh
# Run a command in a network namespace of its own, so that its peers need no network and meet no firewall:
#
#     tests/in_namespace.sh COMMAND [ARGUMENT...]
#
# Inside there are lo and a veth pair with 10.77.0.1, which gives WebRTC a host address that is not loopback,
# and P2PCAMERA_TEST_NAMESPACE=1 says so. Where the system forbids namespaces the command runs as it is.

if [ "$1" = --inside ]; then
    shift
    ip link set lo up &&
        ip link add p2pcamera0 type veth peer name p2pcamera1 &&
        ip address add 10.77.0.1/24 dev p2pcamera0 &&
        ip link set p2pcamera0 up &&
        ip link set p2pcamera1 up || exit 1
    P2PCAMERA_TEST_NAMESPACE=1
    export P2PCAMERA_TEST_NAMESPACE
    exec "$@"
fi

# Set by an outer call of this script, or by who wants the loopback route.
if [ -n "$P2PCAMERA_TEST_NAMESPACE" ]; then
    exec "$@"
fi

# A dry run first, since a failure of the setting-up could not be told from a failure of the command.
for how in "--net" "--user --map-root-user --net"; do
    # shellcheck disable=SC2086
    if unshare $how sh "$0" --inside true 2>/dev/null; then
        exec unshare $how sh "$0" --inside "$@"
    fi
done
echo "in_namespace.sh: no network namespace can be made here, going on without" >&2
exec "$@"
