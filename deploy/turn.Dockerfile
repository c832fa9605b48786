# The relay of docker-compose.yml's profile `turn`: Debian's coturn, with which tests/e2e/networks/test_turn.py is run.
FROM debian:bookworm-slim

# Of Debian's packages a release has one version each, so none is pinned.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends coturn \
    && rm -rf /var/lib/apt/lists/*
COPY deploy/turn.sh /app/turn.sh

EXPOSE 3478/udp 3478/tcp 5349/tcp
USER 10001:10001
ENTRYPOINT ["sh", "/app/turn.sh"]
