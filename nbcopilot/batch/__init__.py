"""Documentation of many notebooks: survey (what is missing), prompting, document (pure), runner (files, progress).

Layer 3: composes the stages for the batch commands. `document` is a pure function of (notebook bytes, options,
model), so that a unit of work can be retried anywhere.
"""
