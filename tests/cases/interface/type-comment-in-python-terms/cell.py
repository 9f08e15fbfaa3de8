a = [1]  # type: List[int]
b = None  # type: Optional[str]
c = 1  # type: int | None
d = {}  # type: Dict[str, Any]
e = 'x'  # type: str
