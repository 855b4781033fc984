# %%
import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import cross_val_score, train_test_split

# %%
bunch = load_diabetes(as_frame=True, scaled=False)
df = bunch.frame.rename(columns={"s1": "total_cholesterol", "s2": "ldl", "s3": "hdl", "s6": "glucose"})
df.describe().loc[["mean", "min", "max"]].round(1)

# %%
df["bmi_band"] = pd.cut(df["bmi"], [0, 25, 30, 60], labels=["normal", "over", "obese"])
df.groupby("bmi_band", observed=True)["target"].agg(["mean", "count"]).round(1)

# %%
features = ["age", "bmi", "bp", "total_cholesterol", "ldl", "hdl", "glucose"]
X_train, X_test, y_train, y_test = train_test_split(df[features], df["target"], test_size=0.25, random_state=0)
X_train.shape, X_test.shape

# %%
alphas = np.logspace(-2, 3, 6)
scores = {alpha: cross_val_score(Ridge(alpha=alpha), X_train, y_train, cv=5).mean() for alpha in alphas}
best = max(scores, key=scores.get)
best

# %%
model = Ridge(alpha=best).fit(X_train, y_train)
predicted = model.predict(X_test)
print(f"R2 {r2_score(y_test, predicted):.2f}, mean absolute error {mean_absolute_error(y_test, predicted):.1f}")

# %%
pd.Series(model.coef_, index=features).sort_values(key=abs, ascending=False).round(2)

# %%
ax = pd.DataFrame({"measured": y_test, "predicted": predicted}).plot.scatter("measured", "predicted", figsize=(4, 4))
ax.axline((0, 0), slope=1, color="grey", linewidth=1)
