# %% [markdown]
# # Explaining and testing an algorithm
#
# `%%explain` never runs the code. `%%testgen` runs it, writes tests, and shows what the tests are worth.

# %%
%load_ext nbcopilot

# %%
%%explain
def edit_distance(a, b):
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        current = [i]
        for j, y in enumerate(b, 1):
            current.append(min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (x != y)))
        previous = current
    return previous[-1]

# %%
%%testgen
def edit_distance(a, b):
    """The least number of insertions, deletions and replacements that turn a into b.

    >>> edit_distance("kitten", "sitting")
    3
    """
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        current = [i]
        for j, y in enumerate(b, 1):
            current.append(min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (x != y)))
        previous = current
    return previous[-1]

# %%
%%generate
Write a function closest(word, candidates) that returns the candidate with the least edit_distance to word; the first one wins a tie; None when candidates is empty.

# %%
closest("pyhton", ["java", "python", "perl"])

# %%
%testgen closest

# %%
%document closest
