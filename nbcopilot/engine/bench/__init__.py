"""Speed against another program on the same weights: `prompts` are asked of two `worker` processes by `figures`.

Not part of any request. `nbcopilot bench` (cli/bench.py) is the way in.
"""
