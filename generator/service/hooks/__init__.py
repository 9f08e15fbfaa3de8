"""Notify other services of pipelines and jobs: payloads, requests and repeated attempts."""
