"""Stage: words of the request linked to the live state; links become the first lines of the answer and checks."""
