# talkbench on a CPU:
#   docker build -t talkbench .
#   docker run --rm -v talkbench:/cache -v "$PWD:/work" talkbench weights pull demo
#   docker run --rm -v talkbench:/cache -v "$PWD:/work" talkbench run --method mcnet --dataset demo --protocol talkbench-offline
FROM python:3.12-slim AS wheel
WORKDIR /source
COPY . .
# Hashes are those of other wheels than the CPU-only ones; versions are the pinned ones.
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && sed -n 's/^\([A-Za-z0-9._-]*==[^ ]*\) .*/\1/p' constraints.txt > /wheels/versions.txt

FROM python:3.12-slim
# What OpenCV, which py-feat needs, loads from the system.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=wheel /wheels /wheels
RUN set -- /wheels/*.whl \
    && pip install --no-cache-dir --constraint /wheels/versions.txt --index-url https://download.pytorch.org/whl/cpu \
        torch torchvision \
    && pip install --no-cache-dir --constraint /wheels/versions.txt "$1[full]" \
    && useradd --uid 1000 --create-home talkbench \
    && install --directory --owner talkbench /cache /work
ENV TALKBENCH_HOME=/cache
USER 1000
WORKDIR /work
ENTRYPOINT ["bench"]
CMD ["--help"]
