use proptest::prelude::*;

use super::*;

fn units(units: i64) -> Quantity {
    Quantity::from_thousandths(units * 1_000)
}

fn line(name: &str) -> CartLineId {
    name.parse().unwrap()
}

fn add(name: &str, quantity: i64) -> CartEdit {
    CartEdit::Add {
        line: line(name),
        sku: "1001".parse().unwrap(),
        quantity: units(quantity),
    }
}

#[test]
fn each_step_does_what_it_says() {
    let mut cart = Cart::default();
    cart.apply(add("a", 1)).unwrap();
    cart.apply(add("b", 2)).unwrap();
    cart.apply(CartEdit::Change {
        line: line("a"),
        by: units(3),
    })
    .unwrap();
    cart.apply(CartEdit::Change {
        line: line("b"),
        by: units(-2),
    })
    .unwrap();
    assert_eq!(cart.lines.len(), 1, "a line of which nothing is left goes");
    assert_eq!(cart.lines[0].quantity, units(4));
    let quantity = Quantity::from_thousandths(250);
    cart.apply(CartEdit::SetQuantity {
        line: line("a"),
        quantity,
    })
    .unwrap();
    assert_eq!(cart.lines[0].quantity, quantity);
    cart.apply(CartEdit::Remove { line: line("a") }).unwrap();
    assert_eq!(cart, Cart::default());
}

#[test]
fn refusals_leave_the_cart_as_it_was() {
    let mut cart = Cart::default();
    cart.apply(add("a", 1)).unwrap();
    let before = cart.clone();
    let too_much = CartEdit::Change {
        line: line("a"),
        by: Quantity::from_thousandths(i64::MAX),
    };
    let none = CartEdit::SetQuantity {
        line: line("a"),
        quantity: units(0),
    };
    for (edit, code) in [
        (add("a", 1), "cart-line-exists"),
        (add("b", 0), "cart-quantity"),
        (too_much, "cart-quantity"),
        (none, "cart-quantity"),
        (CartEdit::Remove { line: line("z") }, "no-such-cart-line"),
    ] {
        assert_eq!(cart.apply(edit).unwrap_err().code(), code);
        assert_eq!(cart, before);
    }
    for number in 1..crate::domain::sale::LINES_MAX {
        cart.apply(add(&format!("l{number}"), 1)).unwrap();
    }
    assert_eq!(cart.apply(add("more", 1)).unwrap_err().code(), "too-many-lines");
}

proptest! {
    /// Whatever order the node hears two tills in, each line is there with all that was added to it.
    #[test]
    fn tills_that_edit_at_once_lose_nothing(
        steps in proptest::collection::vec((0usize..2, 0usize..3, 1i64..5), 0..40),
        order in any::<u64>(),
    ) {
        let edits = |till: usize| {
            let mine = steps.iter().filter(move |(of, ..)| *of == till);
            let begin = (0..3).map(move |at| add(&format!("t{till}-{at}"), 1));
            let more = mine.map(move |(_, at, by)| CartEdit::Change { line: line(&format!("t{till}-{at}")), by: units(*by) });
            begin.chain(more).collect::<Vec<_>>()
        };
        let (mut first, mut second) = (edits(0).into_iter(), edits(1).into_iter());
        let (mut cart, mut bits) = (Cart::default(), order);
        loop {
            let next = if bits & 1 == 0 { first.next().or_else(|| second.next()) } else { second.next().or_else(|| first.next()) };
            bits = bits.rotate_right(1);
            let Some(edit) = next else { break };
            cart.apply(edit).unwrap();
        }
        prop_assert_eq!(cart.lines.len(), 6);
        let all: i64 = cart.lines.iter().map(|line| line.quantity.thousandths()).sum();
        prop_assert_eq!(all, (6 + steps.iter().map(|(.., by)| by).sum::<i64>()) * 1_000);
    }
}
