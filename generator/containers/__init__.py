"""Talk to container engines and registries: the only code that does."""
