"""Summarize the year of a city: a module next to the notebook, imported as in Jupyter."""

from statistics import mean


def summary(temperatures):
    """Mean, coldest and warmest month and the range of twelve monthly temperatures in degrees Celsius."""
    return {
        "mean": round(mean(temperatures), 1),
        "coldest": min(temperatures),
        "warmest": max(temperatures),
        "range": round(max(temperatures) - min(temperatures), 1),
    }
