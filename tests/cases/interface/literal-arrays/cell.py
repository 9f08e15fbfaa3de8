from typing import Literal, Optional
bands = ["red"]  # type: Literal["red", "nir"][]
maybe: Optional[list[Literal["a", "b"]]] = None
levels: list[Literal[1, 2]] = [2]
units = ["m/s"]  # type: Literal["m/s", "km/h"][]
holes: list[Optional[Literal["a"]]] = ["a", None]
nested: list[list[Literal["a"]]] = [["a"]]
one_or_more: Literal["a"] | list[Literal["a"]] = "a"
