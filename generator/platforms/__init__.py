"""Platforms with OGC API - Processes that packages are deployed to (Part 2: Deploy, Replace, Undeploy; OGC 20-044)."""
