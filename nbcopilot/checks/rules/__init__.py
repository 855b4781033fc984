"""The built-in rules, one a file; the module name begins with the code. See `checks.rule` for what a rule is."""
