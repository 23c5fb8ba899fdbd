# One image for every process: `api` (the default), `worker`, `db upgrade`, `admin …`. Run it with a read-only root:
#   docker run --read-only --tmpfs /tmp --cap-drop ALL --env-file .env -p 8000:8000 reelwright
FROM python:3.11-slim-bookworm AS build
ENV UV_PROJECT_ENVIRONMENT=/opt/reelwright UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /src
RUN pip install --no-cache-dir --disable-pip-version-check uv==0.13.8
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
COPY lua ./lua
COPY migrations ./migrations
COPY worker ./worker
# The exact versions stand in pyproject.toml; the offline crafts come with it, the embedded servers don't.
RUN uv sync --no-dev --no-editable --extra offline

FROM python:3.11-slim-bookworm
# Media processes are shut in by it, where the machine lets it make namespaces.
RUN apt-get update && apt-get install --yes --no-install-recommends bubblewrap && rm -rf /var/lib/apt/lists/*
RUN pip uninstall --yes --quiet --disable-pip-version-check setuptools wheel pip
COPY --from=build /opt/reelwright /opt/reelwright
ENV PATH=/opt/reelwright/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp \
    REELWRIGHT_HOST=0.0.0.0 PORT=8000
WORKDIR /tmp
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=3s --start-period=30s CMD ["python", "-c", \
    "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ['PORT']}/health/live\", timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["reelwright"]
CMD ["api"]
