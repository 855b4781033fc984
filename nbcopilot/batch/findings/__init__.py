"""What code and outputs say of themselves, as values and plain sentences: no model, nothing is run.

phrases   an expression as a noun phrase: `df.groupby("k")["x"].mean()` -> "mean of `x` by `k`"
shown     the text of an output as a value: a number, a series, a table, printed lines
steps     what a cell does to the data: files, columns, rows kept, fitted models, charts
results   which number in the outputs is what
"""
