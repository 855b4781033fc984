"""What the model sees: which cells, variables, texts and passages, within the budget, and what was left out."""
