# The inference service, for two kinds of host. `--target gpu` has torch with CUDA and detectron2. It is the last stage,
# and so the default. `--target cpu` has neither.
#
# TORCH_SPEC and TORCH_INDEX_URL choose another torch, for instance one built for an older CUDA:
#   --build-arg TORCH_INDEX_URL=https://download.pytorch.org/whl/cu126 --build-arg CUDA=12.6

FROM python:3.11.14-slim-bookworm AS base

# HOME is the volume for weights, because torch, diffusers and compiled kernels all cache below it.
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    HOME=/var/lib/p2pcamera

# docker-compose.yml and the other image use the same number, because both services share a folder of sockets. A new
# volume takes its owner from the folder here.
RUN groupadd --gid 10001 p2pcamera \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/p2pcamera --shell /usr/sbin/nologin p2pcamera \
    && install --directory --owner=10001 --group=10001 --mode=0700 /run/p2pcamera /var/lib/p2pcamera

WORKDIR /build
COPY pyproject.toml constraints.txt deploy/requirements.py ./


FROM base AS cpu-packages
ARG TORCH_SPEC=torch
# constraints.txt names the version. Its local part, +cpu, sorts above PyPI's plain version.
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu
RUN python requirements.py inference cpu models traces > requirements.txt \
    && pip install --only-binary :all: ${TORCH_INDEX_URL:+--extra-index-url "$TORCH_INDEX_URL"} \
        -c constraints.txt "$TORCH_SPEC" -r requirements.txt


FROM base AS gpu-packages
ARG TORCH_SPEC=torch
# This needs no index of its own: PyPI's torch for Linux is built with CUDA.
ARG TORCH_INDEX_URL
RUN python requirements.py inference models traces > requirements.txt \
    && pip install --only-binary :all: ${TORCH_INDEX_URL:+--extra-index-url "$TORCH_INDEX_URL"} \
        -c constraints.txt "$TORCH_SPEC" -r requirements.txt
# detectron2 and DensePose need these at run time. Two of them come as source, but are plain Python.
COPY deploy/detectron2-needs.txt ./
RUN pip install ${TORCH_INDEX_URL:+--extra-index-url "$TORCH_INDEX_URL"} \
        -c constraints.txt "$TORCH_SPEC" -r detectron2-needs.txt


# Compilers and git stay in this stage. It starts from the torch that will import the compiled code.
FROM gpu-packages AS detectron2
# Of Debian's packages a release has one version each, so none is pinned.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ git ninja-build \
    && rm -rf /var/lib/apt/lists/*
COPY deploy/detectron2.txt ./
RUN FORCE_CUDA=0 pip wheel --no-deps --no-build-isolation --wheel-dir /wheels -r detectron2.txt


FROM cpu-packages AS cpu
WORKDIR /app
RUN rm -r /build
COPY pyproject.toml README.md LICENSE /app/
COPY shared /app/shared
COPY inference_service /app/inference_service
COPY deploy/inference_health.py /app/deploy/inference_health.py
# The project is installed in place, so that the worker knows its version.
RUN pip install --no-deps --editable . \
    && pip check
USER 10001:10001
# A missing package, or a file that this user may not read, fails here and not in the first call.
RUN python -m inference_service --help > /dev/null
ENTRYPOINT ["python", "-m", "inference_service"]


FROM gpu-packages AS gpu
# Triton's kernels are compiled on the card that they run on, and their launcher is a piece of C.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
# The CUDA that torch is built for. The container toolkit refuses to start on a driver that is too old for it.
ARG CUDA=13.0
# Batches of many sizes would otherwise leave holes in a GPU's memory.
ENV NVIDIA_REQUIRE_CUDA="cuda>=${CUDA}" \
    PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True
WORKDIR /app
COPY --from=detectron2 /wheels /build/wheels
RUN pip install --no-deps --no-index /build/wheels/*.whl \
    && rm -r /build
COPY pyproject.toml README.md LICENSE /app/
COPY shared /app/shared
COPY inference_service /app/inference_service
COPY deploy/inference_health.py /app/deploy/inference_health.py
RUN pip install --no-deps --editable . \
    && pip check
USER 10001:10001
# A torch that is not for the CUDA which the image demands fails here and not on the first host.
RUN python -c "import torch; assert torch.version.cuda == '${CUDA}', torch.version.cuda" \
    && python -c "import densepose, detectron2, detectron2.model_zoo" \
    && python -m inference_service --help > /dev/null
ENTRYPOINT ["python", "-m", "inference_service"]
