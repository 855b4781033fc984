"""Tests with evidence: what a model wrote is run and weighed, what it left out is filled with recorded behaviour.

    split       test source -> single tests and what they share     under_test  what can be called, calls written out
    strengthen  run, sort, fill, measure -> TestReport              compose     recorded behaviour -> pytest functions
    offer       TestReport -> the cell and its Verdict

Everything that executes does so in the sandbox, through a Runner.
"""
