"""Tests with evidence: what a model wrote is run and weighed, what it left out is filled with recorded behaviour.

    split      test source -> single tests and what they share        observed   inputs -> characterisation tests
    compose    recorded behaviour -> pytest functions                 strengthen all of it -> TestReport

Everything that executes does so in the sandbox, through a Runner.
"""
