"""The compiled part of the engine: four small C files, built on the user's machine, called through ctypes.

Why it exists, and what torch could not do: docs/decisions/. Where there is no compiler, `transformer` takes over.
"""
