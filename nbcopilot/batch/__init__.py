"""Work on many notebooks, from one process to a cluster: discover, plan, work, write, note, report.

    discover, git_changes -> Units -> runner (journal, stores) -> executors, cluster -> worker -> tasks -> Outcomes -> report

Layer 3: composes the stages for the batch commands. `tasks` is a pure function of (notebook bytes, options, model), so
that a unit of work can be done again anywhere; survey, prompting, texts and assemble are what it does for `document`.
"""
