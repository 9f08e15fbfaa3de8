"""A run of a package as a Workflow Run RO-Crate (https://w3id.org/ro/wfrun/workflow/0.5)."""
