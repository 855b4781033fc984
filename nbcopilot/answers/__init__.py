"""Step 5: Completion -> Candidate. Code or Markdown taken out of a model's answer: fences, code, prose. Text only."""
