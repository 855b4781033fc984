# %% [markdown]
# # Exploring a DataFrame by generated cells
#
# Every question below is put to a model that runs on this machine. It sees the schema of `wine`, not its rows.
# The answer is checked in a sandbox before the cell appears.

# %%
%load_ext nbcopilot

# %%
from sklearn.datasets import load_wine

wine = load_wine(as_frame=True).frame
wine["cultivar"] = wine["target"].map({0: "A", 1: "B", 2: "C"})
wine.shape

# %%
%%generate
the mean alcohol and mean color_intensity of each cultivar in wine

# %%
%%generate
a DataFrame named strongest with the 5 wines of wine that have the highest alcohol, only the columns alcohol, malic_acid and cultivar

# %%
%%generate --show-context
which numeric column of wine correlates most with alcohol?

# %%
%%generate
the Series named correlations: the correlation of every numeric column of wine with alcohol, without alcohol itself, sorted from highest to lowest

# %%
%%generate
a scatter plot of alcohol against color_intensity in wine: loop over wine.groupby("cultivar"), so that each cultivar has its colour and its entry in the legend; label the axes

# %%
%%generate
Write a function outliers(frame, column) that returns the rows of frame whose value in column lies more than 3 standard deviations from the mean.

# %%
outliers(wine, "malic_acid")[["malic_acid", "cultivar"]]

# %%
%explain outliers
