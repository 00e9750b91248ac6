# The processor: `extproc serve`, and every other command. Envoy runs in an image of its own (docker-compose.yml).

FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY extproc extproc
RUN python -m venv /opt/extproc \
    && PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
       /opt/extproc/bin/pip install --no-cache-dir --disable-pip-version-check '.[fast]'

FROM python:3.11-slim
COPY --from=build /opt/extproc /opt/extproc
ENV PATH=/opt/extproc/bin:$PATH PYTHONUNBUFFERED=1
# A volume that is first mounted on one of these folders takes over its owner and mode.
RUN install -d -o 10001 -g 10001 -m 0700 /etc/extproc/keys /etc/extproc/state /var/lib/extproc-root
USER 10001:10001
WORKDIR /etc/extproc
CMD ["extproc", "serve", "-c", "gateway.yaml"]
