# packmill's layer: the runner in an environment of its own, and what the environment's build left out of the repository.
FROM {{ environment }}
USER root
RUN --mount=type=bind,source=.,target=/tmp/packmill \
    --mount=type=cache,id=packmill-uv,target=/tmp/packmill-cache \
    sh /tmp/packmill/install.sh
RUN --mount=type=bind,source=.,target=/tmp/packmill \
    /opt/packmill/bin/python -I /tmp/packmill/place.py "{{ folder }}"
{% for name, value in labels.items() %}
LABEL {{ name }}={{ value | replace("$", "\\$") }}
{% endfor %}
{% if replace_entrypoint %}
ENTRYPOINT ["/opt/packmill/bin/packmill-entrypoint"]
{% endif %}
WORKDIR {{ folder }}
USER {{ user }}
