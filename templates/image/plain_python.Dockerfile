# The environment of a repository, by packmill: system packages, then what Python needs, made in a stage that is thrown away.
FROM {{ base_image }} AS system
ENV DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8 LC_ALL=C.UTF-8 SHELL=/bin/bash
ARG NB_USER=jovyan
ARG NB_UID=1000
ENV USER=${NB_USER} HOME=/home/${NB_USER}
# The files that every engine mounts while something runs, so that none of them comes and goes with the time of a build.
ADD stubs.tar /
RUN --mount=type=bind,source=tools,target=/mnt \
    command -v python3 > /dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends python3 > /dev/null; } && \
    { getent passwd ${NB_UID} > /dev/null || SOURCE_DATE_EPOCH=315532800 python3 /mnt/settle.py \
        useradd --create-home --no-log-init --shell /bin/bash --uid ${NB_UID} ${NB_USER}; }
{% if apt %}
RUN --mount=type=bind,source=tools,target=/mnt \
    python3 /mnt/settle.py sh -c "apt-get update -qq && apt-get install -y --no-install-recommends {{ apt | join(' ') }}"
{% endif %}
ARG REPO_DIR=${HOME}
ENV REPO_DIR=${REPO_DIR} VIRTUAL_ENV=/srv/venv
ENV PATH=${HOME}/.local/bin:/srv/venv/bin:${PATH}

FROM system AS builder
{% if compilers %}
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends {{ compilers | join(' ') }} > /dev/null
{% endif %}
RUN --mount=type=bind,source=tools,target=/mnt \
    --mount=type=bind,source=inputs,target=/media \
    --mount=type=cache,id=packmill-uv-{{ own_cache }},target=/var/tmp \
    python3 /mnt/install_environment.py resolve
RUN --mount=type=bind,source=tools,target=/mnt \
    --mount=type=bind,source=inputs,target=/media \
    --mount=type=cache,id=packmill-uv-{{ own_cache if builds else "wheels" }},target=/var/tmp \
    python3 /mnt/install_environment.py install

FROM system
COPY --from=builder /packmill-root /
LABEL org.packmill.repository="{{ "inside" if post_build or local else "beside" }}"
WORKDIR ${REPO_DIR}
{% if post_build %}
COPY --chown={{ uid }}:{{ uid }} repository/ ${REPO_DIR}/
{% endif %}
USER ${NB_USER}
{% if post_build %}
RUN chmod +x {{ post_build }} && ./{{ post_build }}
{% endif %}
{% if start %}
ENV R2D_ENTRYPOINT="{{ start }}"
{% endif %}
CMD ["python3"]
