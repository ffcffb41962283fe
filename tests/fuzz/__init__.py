"""Random Numba functions, their derivatives checked in every way, and failures cut down to a few lines.

    python -m fuzz --count 1500 --inputs 8 --log /tmp/fuzz.jsonl      in tests/, resumes where the log ends
    python -m fuzz --show 17                                          the program of a seed

`programs` writes them, `checking` asks what is wrong with one, `shrinking` cuts it down. What is found goes to the
pool.
"""
