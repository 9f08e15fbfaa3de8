n = 3  # type: ignore
m = 4  # type: ignore[assignment]
k = 5  # noqa: E501
l = 6  # type:ignore
