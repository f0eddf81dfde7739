# One image for each service: docker build --build-arg SERVICE=rag .
FROM python:3.11-slim

ARG SERVICE
LABEL org.opencontainers.image.title="alonchat-${SERVICE}" \
      org.opencontainers.image.description="AlonChat, a self-hosted Chat API: the service ${SERVICE}" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --create-home --home-dir /data alonchat
WORKDIR /app

# The packages change rarely, so they are a layer of their own.
COPY requirements/${SERVICE}.txt requirements.txt
RUN pip install --no-cache-dir --require-hashes --no-deps --only-binary :all: -r requirements.txt

COPY pyproject.toml README.md LICENSE ./
COPY libs libs
COPY alonchat alonchat
COPY services/__init__.py services/__main__.py services/
COPY services/${SERVICE} services/${SERVICE}
RUN pip install --no-cache-dir --no-deps --no-build-isolation .

USER alonchat
# No library of any service calls home; see libs/runtime/silence.py.
ENV ORT_DISABLE_TELEMETRY=1 HF_HUB_DISABLE_TELEMETRY=1 HF_HUB_OFFLINE=1 DO_NOT_TRACK=1
ENV SERVICE=${SERVICE} DATA_DIR=/data HOST=0.0.0.0 LOG_FORMAT=json PYTHONUNBUFFERED=1
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=20s --start-period=60s CMD alonchat doctor --service "$SERVICE"
CMD ["sh", "-c", "exec alonchat serve \"$SERVICE\""]
