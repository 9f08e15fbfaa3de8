"""RO-Crates: a workflow, its metadata and its files as linked data (https://www.researchobject.org/ro-crate/)."""
