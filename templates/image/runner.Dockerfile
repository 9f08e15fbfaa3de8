# packmill's runner, made in an environment that is like the one it is for, as an image that holds nothing else.
FROM {{ builder }} AS builder
USER root
RUN --mount=type=bind,source=.,target=/tmp/packmill \
    --mount=type=cache,id=packmill-uv,target=/tmp/packmill-cache \
    RUNNER_PYTHON="{{ runner_python }}" KERNEL_PYTHON="{{ kernel_python }}" sh /tmp/packmill/install.sh
FROM scratch
COPY --from=builder /packmill-root /
LABEL org.packmill.holds="runner"
CMD ["/opt/packmill/bin/packmill-runner"]
