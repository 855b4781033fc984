"""Code run in a child process that cannot harm, and a report of what happened. `worker/` is what runs inside."""
