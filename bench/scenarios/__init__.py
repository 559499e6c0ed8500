"""One module per scenario; each has `measure(**arguments)` that returns figures by name and runs once in a process of its own."""
