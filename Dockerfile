# The service with the demo model inside. tests/deploy/build_image.sh builds and tries it.
#
#   docker build -t classifyd . && docker run --rm -p 8080:8080 classifyd
#   docker run --rm -p 8080:8080 -v "$PWD/models:/models:ro" classifyd serve --model resnet50

FROM debian:12-slim AS build
WORKDIR /src
# Alone, so that a change of the sources does not fetch the packages again.
COPY deploy/install-deps deploy/
RUN deploy/install-deps run
COPY meson.build meson_options.txt ./
COPY vendor vendor
COPY config config
COPY model model
COPY server server
COPY tests tests
RUN meson setup build && ninja -C build server/classifyd \
    && strip -o /classifyd build/server/classifyd

FROM debian:12-slim
LABEL org.opencontainers.image.title="classifyd" \
      org.opencontainers.image.description="Image classification over HTTP" \
      org.opencontainers.image.version="0.5.1" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="debian:12-slim"
# Security updates of the base first. OpenBLAS comes with a LAPACK that nothing here calls.
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get upgrade --yes \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        ca-certificates libcurl4 libjansson4 libjpeg62-turbo libmicrohttpd12 libopenblas0-pthread \
        libpng16-16 libssl3 libwebp7 libwebpdemux2 zlib1g \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* \
        /usr/lib/*/openblas-pthread/liblapack.so.3 /usr/lib/*/openblas-pthread/libblas.so.3
COPY LICENSE /usr/share/doc/classifyd/copyright
COPY --from=build /classifyd /usr/local/bin/classifyd
# Every address of the container; weight files are looked for in /models, where a volume goes.
ENV CLASSIFYD_SERVER_HOST=* \
    CLASSIFYD_MODEL_DIRS=/models
# A number, so that Kubernetes can tell that it is not root.
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
# For Docker and Compose; Kubernetes has probes of its own. Bash speaks TCP, so no curl is needed.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/${CLASSIFYD_SERVER_PORT:-8080} && printf 'GET /readyz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r -t 2 _ code _ <&3 && [ \"$code\" = 200 ]"]
ENTRYPOINT ["classifyd"]
CMD ["serve"]
