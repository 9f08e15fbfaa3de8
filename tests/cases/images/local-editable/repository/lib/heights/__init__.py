from pathlib import Path

highest = int(Path(__file__).with_name('highest.txt').read_text())
