"""Steps 5 and 6: Completion -> Candidate -> Verdict. What a model wrote is believed only after it was read and run.

    extract   code or markdown out of the answer          static    syntax, names, imports, nothing executed
    policy    kinds of code that a file may forbid        sandbox   a run in a child that cannot harm
    check     all of it, as a Verdict                     evidence  tests with coverage and mutation score

Knows the nouns only: the namespace, the upstream cells and the notebook's folder arrive as arguments.
"""
