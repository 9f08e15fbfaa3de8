"""All effects, thin: processes, git, the container engine, CWL engines. No decisions live here."""
