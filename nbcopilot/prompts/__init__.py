"""Stage 2: Context -> Prompt. Pure: the same Context gives the same bytes."""
