# The plugin as `registry: docker` starts it: the CLI appends `serve --network tcp --address 0.0.0.0:7777 …`.
FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS build
WORKDIR /src
RUN python -m venv /plugin
# With the extras iceberg and otel, which cost nothing until they are asked for. Without login: nobody logs in here, and
# botocore loads its awscrt wherever that is installed, for 4 MB.
COPY requirements-image.lock ./
RUN /plugin/bin/python -m pip install --no-cache-dir --disable-pip-version-check --only-binary :all: \
    --require-hashes -r requirements-image.lock
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY src src
RUN /plugin/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-deps .

FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b
LABEL org.opencontainers.image.title="CloudQuery destination for S3" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH="/plugin/bin:$PATH"
COPY --from=build /plugin /plugin
RUN useradd --system --uid 10001 --no-create-home plugin
USER 10001
EXPOSE 7777
ENTRYPOINT ["cloudquery-s3"]
CMD ["serve", "--network", "tcp", "--address", "0.0.0.0:7777"]
