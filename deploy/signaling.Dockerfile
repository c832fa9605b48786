# The signaling service: WebRTC and HTTP. All its packages come as wheels, so no compiler is needed. It has no torch.
FROM python:3.11.14-slim-bookworm

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore

# docker-compose.yml and the other image use the same number, because both services share a folder of sockets.
RUN groupadd --gid 10001 p2pcamera \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/p2pcamera --shell /usr/sbin/nologin p2pcamera \
    && install --directory --owner=10001 --group=10001 --mode=0700 /run/p2pcamera

# This comes before the code, so that a change of code installs nothing again.
WORKDIR /build
COPY pyproject.toml constraints.txt deploy/requirements.py ./
RUN python requirements.py signaling traces > requirements.txt \
    && pip install --only-binary :all: -c constraints.txt -r requirements.txt \
    && rm -r /build

WORKDIR /app
COPY pyproject.toml README.md LICENSE /app/
COPY shared /app/shared
COPY signaling_service /app/signaling_service
COPY static /app/static
COPY deploy/signaling_health.py /app/deploy/signaling_health.py

# The project is installed in place, so that the service knows its version.
RUN pip install --no-deps --editable . \
    && pip check

# HTTP, and the ports for media that docs/deployment.md sets; the service has none of its own.
EXPOSE 7860/tcp 20000/udp 20000/tcp

USER 10001:10001
# A missing package, or a file that this user may not read, fails here and not in the first call.
RUN python -m signaling_service --help > /dev/null
ENTRYPOINT ["python", "-m", "signaling_service"]
