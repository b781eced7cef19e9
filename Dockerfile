# reelfleet with a small ffmpeg, for one role or the whole fleet: docker-compose.yml says how.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p reelfleet

# Debian's own ffmpeg loads some two hundred libraries, at every start and into the image.
FROM debian:bookworm-slim AS ffmpeg
COPY tools/install tools/ffmpeg /tools/
RUN apt-get update -qq && /tools/ffmpeg /ffmpeg

FROM debian:bookworm-slim
# What this ffmpeg links against, and what confines it. prlimit and setpriv are in the base.
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        bubblewrap ca-certificates libdav1d6 libx264-164 libzimg2 zlib1g \
    && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log \
    && groupadd --gid 10001 reelfleet \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin reelfleet \
    # A new volume takes the owner of the folder that it is mounted over.
    && install -d -o reelfleet -g reelfleet /data /secrets /signing
COPY --from=ffmpeg /ffmpeg/ffmpeg /ffmpeg/ffprobe /usr/local/bin/
COPY --from=build /src/target/release/reelfleet /usr/local/bin/
# Fails the build, not the first video.
RUN reelfleet --version && ffmpeg -hide_banner -version && ffprobe -hide_banner -version
USER reelfleet
# Everything that is kept is below ./data.
WORKDIR /
ENV LISTEN_ADDR=0.0.0.0:8080
EXPOSE 8080
# For the API; a worker listens nowhere.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["reelfleet", "healthcheck", "--url", "http://127.0.0.1:8080"]
ENTRYPOINT ["reelfleet"]
CMD ["api"]
