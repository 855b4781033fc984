"""Step 6: Candidate -> Verdict. What a model wrote is held against syntax, names, policy, a run and the request.

    static            syntax, names, imports; nothing executed     forbidden_code       kinds of code that a policy forbids
    check             all of it, with a run in the sandbox         request_constraints  what the request promises of values
    next_cell         what a new cell must do beside run           consensus            the choice among several candidates

Knows the nouns only: the namespace, the upstream cells and the notebook's folder arrive as arguments.
"""
