"""One program under test in a process of its own: reads one JSON order a line, answers with one JSON line of times.

    python -m nbcopilot.engine.bench.worker nbcopilot MODEL THREADS
    python worker.py llama.cpp FILE.gguf THREADS          (stands alone: that interpreter needs llama-cpp-python only)

Order: {"prompts": [text], "max_tokens": n}. Answer: {"first", "seconds", "tokens", "prompt_tokens", "peak_bytes", "text"}:
seconds to the first token of the first prompt and to the end of all; tokens of all answers; `text` of the first.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any


def main(program: str, model: str, threads: int) -> None:
    """Answer orders until the input ends."""
    answer = _nbcopilot(model, threads) if program == "nbcopilot" else _llama_cpp(model, threads)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        found = answer(order["prompts"], order["max_tokens"])
        unit = 1 if sys.platform == "darwin" else 1024
        found["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        print(json.dumps(found), flush=True)


def _nbcopilot(model: str, threads: int) -> Any:
    from nbcopilot.config import Config
    from nbcopilot.engine.local import load
    from nbcopilot.inference import Prompt, Sampling

    # 0 threads: as many as are free, as users have it.
    engine = load(model, Config(model=model, threads=threads))

    def answer(prompts: list[str], max_tokens: int) -> dict[str, Any]:
        began = time.perf_counter()
        first, tokens, prompt_tokens, text = 0.0, 0, 0, ""
        for position, chunk in engine.generate_batch(
            [Prompt(text=p) for p in prompts], Sampling(max_tokens=max_tokens)
        ):
            first = first or time.perf_counter() - began
            text += chunk.text if position == 0 else ""
            if chunk.usage is not None:
                tokens += chunk.usage.completion_tokens
                prompt_tokens += chunk.usage.prompt_tokens
                if position == 0:
                    first = chunk.usage.first_token_seconds
        return {
            "first": first,
            "seconds": time.perf_counter() - began,
            "tokens": tokens,
            "prompt_tokens": prompt_tokens,
            "text": text,
        }

    return answer


def _llama_cpp(model: str, threads: int) -> Any:
    import llama_cpp

    engine = llama_cpp.Llama(model, n_ctx=4096, n_threads=threads, n_threads_batch=threads, verbose=False)

    def answer(prompts: list[str], max_tokens: int) -> dict[str, Any]:
        began = time.perf_counter()
        first, tokens, prompt_tokens = 0.0, 0, 0
        said: list[int] = []
        for number, prompt in enumerate(prompts):
            ids = engine.tokenize(prompt.encode(), add_bos=False, special=True)
            prompt_tokens += len(ids)
            count = 0
            # generate() keeps the longest common beginning of the last prompt: its own prefix cache.
            for token in engine.generate(ids, temp=0.0, top_k=1, repeat_penalty=1.0):
                first = first or time.perf_counter() - began
                count += 1
                if number == 0:
                    said.append(token)
                if count >= max_tokens or token == engine.token_eos():
                    break
            tokens += count
        seconds = time.perf_counter() - began
        text = engine.detokenize(said).decode(errors="replace")
        return {"first": first, "seconds": seconds, "tokens": tokens, "prompt_tokens": prompt_tokens, "text": text}

    return answer


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
