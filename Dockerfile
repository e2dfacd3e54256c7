# One image for every service of docker-compose.yml: facewire, and coturn and Redis from the same Debian release.
FROM python:3.11-slim-bookworm

# OpenCV's wheel needs libgl1 and libglib2.0-0 from the system.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends coturn redis-server libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --system --uid 10001 --home-dir /facewire facewire
WORKDIR /facewire

COPY . /tmp/facewire
RUN pip install --no-cache-dir '/tmp/facewire[cpu,call,server,demo]' && rm -rf /tmp/facewire
COPY docker /facewire/docker

# A new named volume gets the owner of the folder it is mounted on.
RUN mkdir keys out && chown facewire keys out
USER facewire
EXPOSE 8787
CMD ["facewire", "--help"]
