# Contains only the service: no compiler, no package cache; not run as root.
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
COPY requirements/server.txt requirements/server.txt
# Wheels only, each checked against its hash. The layer is reused while the lock file is unchanged.
RUN python3 -m venv /opt/venv \
 && /opt/venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-compile --require-hashes --no-deps \
    --only-binary :all: -r requirements/server.txt
COPY pyproject.toml README.md LICENSE THIRD-PARTY-NOTICES.md CHANGELOG.md ./
COPY src src
RUN /opt/venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-compile --no-deps --no-build-isolation . \
 && /opt/venv/bin/python -m pip uninstall --yes --quiet hatchling editables pathspec pluggy trove-classifiers packaging \
 # Descriptions of other AWS services, source maps and sources of compiled modules are never read.
 && find /opt/venv/lib/python3*/site-packages/botocore/data -mindepth 1 -maxdepth 1 -type d \
    ! -name s3 ! -name sts ! -name sso ! -name sso-oidc -exec rm -r {} + \
 && find /opt/venv/lib \( -name '*.js.map' -o -name '*.c' -o -name '*.pyx' -o -name '*.pxd' \) -delete \
 && /opt/venv/bin/python -m pip uninstall --yes --quiet pip \
 && /opt/venv/bin/python -m compileall -q -j 0 /opt/venv/lib

FROM ${PYTHON_IMAGE} AS minio
COPY requirements/minio.txt requirements/minio.txt
RUN python3 -m pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps --only-binary :all: \
    --target /opt/minio -r requirements/minio.txt

FROM ${PYTHON_IMAGE} AS service
COPY --from=build /opt/venv /opt/venv
COPY deploy/health-check.sh /opt/health-check.sh
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin obscura \
 && install --directory --owner obscura --group obscura --mode 0700 /data
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    OBSCURA_BACKUP_HOST=0.0.0.0 \
    OBSCURA_BACKUP_DATA_DIR=/data
USER obscura
VOLUME /data
EXPOSE 8400 8401
# During the first minute failures do not count, because a slow machine needs time to start.
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=3 CMD ["bash", "/opt/health-check.sh"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["obscura-backup"]
CMD ["serve"]

# For `init-bucket --minio-user`: with MinIO's SDK, and so with Argon2 and a cipher library, which the service has not.
FROM service AS admin
COPY --from=minio /opt/minio /opt/minio
ENV PYTHONPATH=/opt/minio
HEALTHCHECK NONE
CMD ["init-bucket", "--minio-user"]

# What `docker build` makes without --target.
FROM service
