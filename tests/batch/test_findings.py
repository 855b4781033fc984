"""What code and outputs say of themselves: every sentence is true of them, and numbers come from outputs only."""

from __future__ import annotations

import ast

import pytest

from nbcopilot.batch.findings import phrases, results, shown, steps
from nbcopilot.batch.findings.material import Told, gather

SERIES = "region\nnorth    12.5\nsouth     7.25\nName: amount, dtype: float64"
LONG = "city\n" + "\n".join(f"town{i}    {i * 1.5}" for i in range(9)) + "\ndtype: float64"
FRAME = "   store       eur    n\n0  Essen  18410.92  173\n1  Trier  17173.03  165"
WIDE = "store     Essen     Jena\nmonth                   \n2024-01  3118.40  2656.03\n2024-02  2606.51  2324.72"
STATISTICS = "           m2         rent\ncount  150.0   150.0\nmean    63.6   902.5\nstd     33.5   464.0\nmin     20.0   381.0\nmax    132.0  1960.0"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("df.groupby('region')['amount'].sum().sort_values()", "sum of `amount` by `region`"),
        ("df['a'].mean()", "mean of `a`"),
        ("df.amount.max()", "highest `amount`"),
        ("df['ms'].quantile(0.95)", "95 % quantile of `ms`"),
        ("df['day'].value_counts().idxmax()", "`day` with the highest number of rows"),
        ("df.groupby('k')['x'].mean().idxmin()", "`k` with the lowest mean of `x`"),
        ("df.set_index('day')['x'].resample('MS').sum()", "sum of `x` by month"),
        ("df.pivot_table(index='m', columns='s', values='x', aggfunc='sum')", "sum of `x` by `m` and `s`"),
        ("df['cups'] * (df['price'] - 1)", "`cups` × (`price` − 1)"),
        ("df[df['level'] == 'ERROR']", "`df` where `level` is ERROR"),
        ("len(df)", "number of rows in `df`"),
        ("{k: score(k) for k in range(3)}", "`score` by `k`"),
        ("df.apply(lambda row: row.a)", None),
        ("df.groupby(lambda x: x)['a'].sum()", None),
    ],
)
def test_an_expression_is_a_phrase_or_nothing(code: str, said: str | None) -> None:
    assert phrases.phrase(ast.parse(code, mode="eval").body) == said


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("df = pd.read_csv('sales.csv')", ["The data come from `sales.csv`"]),
        ("bunch = load_diabetes(as_frame=True)", ["The data come from `load_diabetes()`"]),
        ("con = sqlite3.connect('shop.db')", ["The data come from `shop.db`"]),
        ("d = pd.read_sql('select a from sale', con)", ["The rows come from the table `sale`"]),
        ("df['revenue'] = df['cups'] * df['price']", ["`revenue` is `cups` × `price`"]),
        ("df['late'] = df['wait'] > 10", ["`late` marks the rows where `wait` > 10"]),
        ("df = df[df['kwh'].between(5, 60)]", ["Only rows where `kwh` is from 5 to 60 are kept"]),
        ("bad = df[df['kind'] == 'x']", ["`bad` holds the rows where `kind` is x"]),
        ("a, b = train_test_split(X, test_size=0.25)", ["25 % of the data are held out for testing"]),
        ("model = Ridge(alpha=1).fit(df[['a', 'b']], df['y'])", ["`Ridge` is fitted to predict `y` from `a` and `b`"]),
        ("df['x'].plot.hist(title='Waits')", ["Histogram of `x`, “Waits”"]),
        ("plt.scatter(df['a'], df['b'])\nplt.xlabel('age')\nplt.title('Both')", ["Scatter plot of `b` against `a`, “Both” (x: age)"]),
        ("ax = fig.add_subplot(111)\nax.plot(losses)", ["Line chart of `losses`"]),
        ("df.to_csv('out.csv')", ["`df` is saved as `out.csv`"]),
        ("def show(a):\n    plt.plot(a)", []),
        ("plt.plot([0, 1], [3, 4])", ["Line chart"]),
        ("import os\nx = 3\ny = f(x)\nprint(y)", []),
    ],
)  # fmt: skip
def test_steps_are_what_syntax_does_not_show_at_once(source: str, said: list[str]) -> None:
    assert [step.text for step in steps.steps(source, steps.definitions(source))] == said


def test_a_split_is_followed_to_the_columns_behind_it() -> None:
    source = (
        "X = df[['age', 'stay']]\ny = df['back']\nX_tr, X_te, y_tr, y_te = train_test_split(X, y, stratify=y)\n"
        "model = LogisticRegression()\nmodel.fit(X_tr, y_tr)"
    )
    said = [step.text for step in steps.steps(source, steps.definitions(source))]
    assert said == [
        "A part of the data is held out for testing, with the same shares of `back` in both parts",
        "`LogisticRegression` is fitted to predict `back` from `age` and `stay`",
    ]


@pytest.mark.parametrize(
    ("source", "output", "said"),
    [
        ("m = df.groupby('region')['amount'].sum()\nprint(m)", SERIES, ["Sum of `amount` by `region`: north 12.5 and south 7.25"]),
        ("df.groupby('city')['x'].mean()", LONG, ["Mean of `x` by `city`: highest for town8 (12), lowest for town0 (0)"]),
        ("print(f'{u:.1f} % more at weekends')", "30.4 % more at weekends", ["30.4 % more at weekends"]),
        ("print(t.statistic, t.pvalue)", "-3.1665 0.00212\n", ["`statistic`: −3.167; `pvalue`: 0.00212"]),
        ("df.groupby('band')['y'].agg(['mean', 'count']).round(1)", "      mean  count\nband             \nlow    1.5     19\nhigh   2.5     15", ["Mean of `y` by `band`: low 1.5 and high 2.5", "Count of `y` by `band`: low 19 and high 15"]),
        ("s = {a: cross_val_score(m(a), X).mean() for a in grid}\nbest = max(s, key=s.get)\nbest", "np.float64(100.0)", ["`a` with the highest mean of `cross_val_score`: 100"]),
        ("pd.Series(model.coef_, index=names)", "bmi    7.16\nhdl   -2.28\ndtype: float64", ["`coef_`: bmi 7.16 and hdl −2.28"]),
        ("df['x'].mean()", "np.float64(0.315)", ["Mean of `x`: 0.315"]),
        ("best\n", "'2024-06-03'", ["`best`: 2024-06-03"]),
        ("pd.read_sql('select store, sum(eur) as eur, count(*) as n from sale group by store', c)", FRAME, ["Sum of `eur` by `store`: Essen 18411 and Trier 17173", "Number of rows by `store`: Essen 173 and Trier 165"]),
        ("w = d.pivot(index='month', columns='store', values='eur')\nw", WIDE, ["`eur` by `month` and `store`: highest for Essen, 2024-01 (3118), lowest for Jena, 2024-02 (2325)"]),
        ("flats.describe()", STATISTICS, ["150 rows", "`m2` from 20 to 132, mean 63.6; `rent` from 381 to 1960, mean 902.5"]),
        ("df.head()", FRAME, []),
        ("df", FRAME, []),
        ("print('total', 1)\nplt.plot(x)", "total 1\n[<matplotlib.lines.Line2D at 0x7fc91b47f090>]", ["total 1"]),
        ("1 + 1", "2", []),
        ("print('got', url)", "got https://example.org/data/2024.zip", []),
        ("x = 3", "", []),
        ("for i in range(3):\n    print(i)", "0\n1\n2", []),
    ],
)  # fmt: skip
def test_results_name_the_numbers_of_an_output(source: str, output: str, said: list[str]) -> None:
    found = results.results(source, [output] if output else [], steps.definitions(source))
    assert [one.text for one in found] == said


def test_of_a_long_log_only_the_last_line_is_said() -> None:
    log = "\n".join(f"epoch {i} loss {1 / (i + 1):.3f}" for i in range(20))
    found = results.results("for i in range(20):\n    print(f'epoch {i} loss {l:.3f}')", [log], {})
    assert [one.text for one in found] == ["epoch 19 loss 0.050"]


def test_an_output_that_the_code_cannot_have_printed_says_nothing() -> None:
    source = "print(f'AUC {auc:.3f}')"
    assert results.is_of_another_run(source, ["accuracy 0.91"])
    assert results.results(source, ["accuracy 0.91"], {}) == []
    assert not results.is_of_another_run(source, ["AUC 0.631"])
    assert gather([Told(source, ("accuracy 0.91",))], {}).of_another_run


def test_the_size_of_the_data_stands_with_where_they_come_from() -> None:
    source = "df = pd.read_csv('a.csv')\ndf.shape"
    found = gather([Told(source, ("(1200, 3)",))], steps.definitions(source))
    assert found.sentences() == ["The data come from `a.csv`: 1,200 rows, 3 columns."]


def test_what_a_docstring_says_is_the_purpose() -> None:
    found = gather([Told('def area(r):\n    """The area of a circle.\n\n    r: cm\n    """\n    return r')], {})
    assert found.sentences() == ["`area`: The area of a circle."]


def test_findings_stay_when_a_text_is_long() -> None:
    source = "df['a'] = df['b'] * 2\ndf['c'] = df['b'] * 3\nprint(f'Mean {m}')"
    found = gather([Told(source, ("Mean 4.5",))], {})
    assert found.sentences(1) == ["Result: Mean 4.5."]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (79.709302, "79.71"),
        (18410.92, "18411"),
        (-3.16655, "−3.167"),
        (2.0, "2"),
        (0.00002, "2e-05"),
        (1e100, "1e+100"),
    ],
)
def test_numbers_are_rounded_as_people_read_them(value: float, text: str) -> None:
    assert shown.rounded(value) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "{",
        "dtype: x",
        "a b\n1",
        "{1: 'a'}",
        "[1 rows x 2 columns]",
        "<Axes: >",
        "1e999",
        "{1: 1e999}",
    ],
)
def test_odd_outputs_say_nothing_and_raise_nothing(text: str) -> None:
    assert results.results("x", [text], {}) == []
