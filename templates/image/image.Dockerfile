# The last layers of an image: packmill's runner, which is the same in all images of a base, and the repository.
FROM {{ environment }}
USER root
COPY --from={{ runner }} /runner/ /
COPY --from={{ runner }} /staging/ /
{% if inside %}
RUN --mount=type=bind,source=.,target=/tmp/packmill \
    /opt/packmill/bin/python -I /tmp/packmill/place.py "{{ folder }}" {{ time }}
{% else %}
ADD repository.tar /
{% endif %}
LABEL{% for name, value in labels.items() %} \
    {{ name }}={{ value | replace("$", "\\$") }}
{%- endfor %}

{% if replace_entrypoint %}
ENTRYPOINT ["/opt/packmill/bin/packmill-entrypoint"]
{% endif %}
{% if workdir != folder %}
WORKDIR {{ folder }}
{% endif %}
USER {{ user }}
