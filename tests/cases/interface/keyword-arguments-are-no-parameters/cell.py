options = make(
    exist_ok=True,
    size=3,
)
final = 4
