{% set uv_settings = "UV_CACHE_DIR=/tmp/uv-cache UV_LINK_MODE=copy UV_NO_PROGRESS=1 UV_COMPILE_BYTECODE=1" %}
FROM {{ base_image }}
ENV DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8 LC_ALL=C.UTF-8 SHELL=/bin/bash
ARG NB_USER
ARG NB_UID
ENV USER=${NB_USER} HOME=/home/${NB_USER}
RUN getent passwd ${NB_UID} > /dev/null || useradd --create-home --no-log-init --shell /bin/bash --uid ${NB_UID} ${NB_USER}
RUN command -v python3 > /dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends python3 > /dev/null && rm -rf /var/lib/apt/lists/*; }
{% if apt %}
RUN apt-get update -qq && apt-get install -y --no-install-recommends {{ apt | join(" ") }} && rm -rf /var/lib/apt/lists/*
{% endif %}
ARG REPO_DIR=${HOME}
ENV REPO_DIR=${REPO_DIR} VIRTUAL_ENV=/srv/venv
ENV PATH=${HOME}/.local/bin:/srv/venv/bin:${PATH}
RUN install -d -o ${NB_UID} -g ${NB_UID} /srv/venv ${REPO_DIR}
# From here on as the user, who may change the environment in postBuild, as in every image of repo2docker's.
USER ${NB_USER}
RUN --mount=type=bind,source={{ uv }},target=/usr/local/bin/uv \
    --mount=type=cache,id=packmill-uv-user-{{ uid }},uid={{ uid }},target=/tmp/uv-cache \
    {{ uv_settings }} uv venv --quiet --allow-existing --python "$(command -v python3)" /srv/venv
{% if requirements and not local %}
RUN --mount=type=bind,source={{ uv }},target=/usr/local/bin/uv \
    --mount=type=cache,id=packmill-uv-user-{{ uid }},uid={{ uid }},target=/tmp/uv-cache \
    --mount=type=bind,source=src/{{ requirements }},target=/tmp/requirements.txt \
    {{ uv_settings }} uv pip install --requirement /tmp/requirements.txt
{% endif %}
WORKDIR ${REPO_DIR}
COPY --chown={{ uid }}:{{ uid }} src/ ${REPO_DIR}/
{% if (requirements and local) or project %}
RUN --mount=type=bind,source={{ uv }},target=/usr/local/bin/uv \
    --mount=type=cache,id=packmill-uv-user-{{ uid }},uid={{ uid }},target=/tmp/uv-cache \
    {{ uv_settings }} uv pip install{% if requirements and local %} --requirement {{ requirements }}{% endif %}{% if project %} .{% endif +%}
{% endif %}
{% if post_build %}
RUN chmod +x {{ post_build }} && ./{{ post_build }}
{% endif %}
{% if start %}
RUN chmod +x "{{ start }}"
ENV R2D_ENTRYPOINT="{{ start }}"
{% endif %}
CMD ["python3"]
