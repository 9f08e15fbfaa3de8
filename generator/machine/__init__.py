"""The machine as packmill uses it: what is installed, and what can be removed."""
