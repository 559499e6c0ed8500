"""Which isolation this machine allows: levels A, B, C1 and C0, found out by doing. `levels.py` chooses, `probing.py` tries, `advice.py`
says what to install or set for more."""
