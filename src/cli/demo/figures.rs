//! The same sales as three parties counted them, and whether they agree.

use std::fmt;

use crate::domain::ids::SiteId;
use crate::domain::money::{Currency, Minor};

/// What somebody counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Figures {
    /// How many sales.
    pub(super) sales: u64,
    /// How many refunds.
    pub(super) refunds: u64,
    /// Sales less refunds.
    pub(super) money: Minor,
}

impl Figures {
    /// What came after `before`, which was counted earlier by the same party.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            sales: self.sales.saturating_sub(before.sales),
            refunds: self.refunds.saturating_sub(before.refunds),
            money: Minor(self.money.0.saturating_sub(before.money.0)),
        }
    }

    /// Counts a sale.
    pub(super) fn sold(&mut self, total: Minor) {
        self.add(1, total, 0, Minor::default());
    }

    /// Counts a refund.
    pub(super) fn took_back(&mut self, total: Minor) {
        self.add(0, Minor::default(), 1, total);
    }

    /// Counts sales of `sold` in all and refunds of `refunded` in all.
    pub(super) fn add(&mut self, sales: u64, sold: Minor, refunds: u64, refunded: Minor) {
        self.sales += sales;
        self.refunds += refunds;
        self.money = Minor(self.money.0.saturating_add(sold.0).saturating_sub(refunded.0));
    }
}

/// One site as everybody counted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SiteFigures {
    pub(super) site: SiteId,
    /// What its tills heard "ok" for.
    pub(super) tills: Figures,
    /// What its node has.
    pub(super) node: Figures,
    /// What headquarters has.
    pub(super) hq: Figures,
    /// What the node took while its link was cut, where the run cut it.
    pub(super) cut: Option<Figures>,
}

impl SiteFigures {
    /// Whether tills, node and headquarters agree, to the last minor unit.
    pub(super) fn meet(&self) -> bool {
        self.tills == self.node && self.node == self.hq
    }
}

/// The end of a run, as a table for people. It says of every site whether the figures meet.
#[derive(Debug)]
pub(super) struct Summary<'a> {
    pub(super) sites: &'a [SiteFigures],
    pub(super) currency: Currency,
}

impl Summary<'_> {
    /// Whether all figures meet and something was sold at every site: a run without sales proves nothing.
    pub(super) fn is_good(&self) -> bool {
        !self.sites.is_empty() && self.sites.iter().all(|site| site.meet() && site.node.sales > 0)
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let money = |amount: Minor| amount.of(self.currency).to_decimal().to_string();
        let mut row = |site: &str, who: &str, sales: &str, refunds: &str, money: &str| {
            let row = format!("{site:<12}{who:<24}{sales:>7}{refunds:>9}{money:>13}");
            writeln!(f, "{}", row.trim_end())
        };
        row("site", "counted by", "sales", "refunds", self.currency.code())?;
        for site in self.sites {
            let counted = [
                (site.site.as_str(), "its tills", Some(site.tills)),
                ("", "its node", Some(site.node)),
                ("", "  of it with no link", site.cut),
                ("", "headquarters", Some(site.hq)),
            ];
            for (name, who, figures) in counted {
                let Some(figures) = figures else { continue };
                let (sales, refunds) = (figures.sales.to_string(), figures.refunds.to_string());
                row(name, who, &sales, &refunds, &money(figures.money))?;
            }
            let sales = i128::from(site.hq.sales) - i128::from(site.node.sales);
            let refunds = i128::from(site.hq.refunds) - i128::from(site.node.refunds);
            let difference = Minor(site.hq.money.0.saturating_sub(site.node.money.0));
            row(
                "",
                "difference",
                &sales.to_string(),
                &refunds.to_string(),
                &money(difference),
            )?;
            row(
                "",
                if site.meet() {
                    "THE FIGURES MEET"
                } else {
                    "THE FIGURES DIFFER"
                },
                "",
                "",
                "",
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(sales: u64, refunds: u64, money: i64) -> Figures {
        Figures {
            sales,
            refunds,
            money: Minor(money),
        }
    }

    fn site(tills: Figures, node: Figures, hq: Figures) -> SiteFigures {
        SiteFigures {
            site: "harbour".parse().unwrap(),
            tills,
            node,
            hq,
            cut: Some(figures(1, 0, 500)),
        }
    }

    fn is_good(sites: &[SiteFigures]) -> bool {
        Summary {
            sites,
            currency: "EUR".parse().unwrap(),
        }
        .is_good()
    }

    #[test]
    fn one_cent_one_sale_or_one_refund_is_a_difference() {
        let same = figures(10, 1, 12_345);
        assert!(is_good(&[site(same, same, same)]));
        for other in [figures(9, 1, 12_345), figures(10, 2, 12_345), figures(10, 1, 12_346)] {
            assert!(!is_good(&[site(other, same, same)]), "{other:?}");
            assert!(!is_good(&[site(same, other, same)]), "{other:?}");
            assert!(!is_good(&[site(same, same, other)]), "{other:?}");
            assert!(
                !is_good(&[site(same, same, same), site(same, same, other)]),
                "{other:?}"
            );
        }
    }

    #[test]
    fn a_run_without_sales_proves_nothing() {
        let none = Figures::default();
        assert!(!is_good(&[]));
        assert!(!is_good(&[site(none, none, none)]));
    }

    #[test]
    fn the_table_names_what_differs() {
        let sites = [site(
            figures(10, 1, 12_345),
            figures(10, 1, 12_345),
            figures(9, 1, 11_345),
        )];
        let table = Summary {
            sites: &sites,
            currency: "EUR".parse().unwrap(),
        }
        .to_string();
        insta::assert_snapshot!(table, @r"
        site        counted by                sales  refunds          EUR
        harbour     its tills                    10        1       123.45
                    its node                     10        1       123.45
                      of it with no link          1        0         5.00
                    headquarters                  9        1       113.45
                    difference                   -1        0       -10.00
                    THE FIGURES DIFFER
        ");
    }
}
