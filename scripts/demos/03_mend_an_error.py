# %% [markdown]
# # Mending an error

# %%
%load_ext nbcopilot

# %%
import pandas as pd

sales = pd.DataFrame({
    "city": ["Oslo", "Bergen", "Oslo", "Bergen", "Oslo"],
    "month": ["2026-01", "2026-01", "2026-02", "2026-02", "2026-03"],
    "amount": [120.0, 80.0, 150.0, 95.0, 170.0],
})
sales

# %% tags=raises-exception
monthly = sales.groupby("Month")["amount"].sum()
monthly

# %%
%fix

# %% tags=raises-exception
def running_mean(values, window):
    return [sum(values[i:i + window]) / window for i in range(len(values))]

assert running_mean([1, 2, 3, 4], 2) == [1.5, 2.5, 3.5]

# %%
%fix the result must have len(values) - window + 1 items

# %%
running_mean([1, 2, 3, 4], 2)
