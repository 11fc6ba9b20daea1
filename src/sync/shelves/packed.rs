//! A row in a few bytes: what is not there takes no room, and whole units take less than thousandths.
//!
//! Form: one byte whose bits, lowest first, say which of added, removed, held, freed, debt, repaid, given and accepted
//! follow, in that order. The first six are amounts. `given` and `accepted` are a count and so many pairs of a replica (a
//! place in the document's list of peers) and an amount, in the order of the peers. An amount is a varint (LEB128) of
//! `2 × units` where it is a whole number of units, else of `2 × thousandths + 1`. A register of nothing is left out, so
//! each row has one form only.

use crate::domain::escrow::{Amount, Registers, ReplicaId, Row};

/// The thousandths of one unit.
const UNIT: u64 = 1_000;

/// Why bytes are not a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PackedError {
    /// They end too soon, go on too long, or write a number in a longer form than it needs.
    #[error("a packed row is not in the one form that it has")]
    Malformed,
    /// It names a replica that its document's list of peers does not have.
    #[error("a packed row names peer {0}, which its document does not have")]
    UnknownPeer(u64),
    /// A number is beyond what a register holds.
    #[error("a packed row has a register that is too large")]
    TooLarge,
}

/// A row's bytes. `peer` gives each replica its place in the document's list.
pub(super) fn pack(row: &Row, mut peer: impl FnMut(&ReplicaId) -> u64) -> Vec<u8> {
    let registers = row.registers();
    let mut bytes = vec![0];
    let mut present = 0;
    let plain = [
        registers.added,
        registers.removed,
        registers.held,
        registers.freed,
        registers.debt,
        registers.repaid,
    ];
    for (bit, amount) in plain.into_iter().enumerate() {
        if !amount.is_zero() {
            present |= 1 << bit;
            write_amount(amount, &mut bytes);
        }
    }
    for (bit, entries) in [(6, &registers.given), (7, &registers.accepted)] {
        let mut entries: Vec<_> = entries
            .iter()
            .filter(|(_, amount)| !amount.is_zero())
            .map(|(replica, amount)| (peer(replica), *amount))
            .collect();
        if entries.is_empty() {
            continue;
        }
        entries.sort_unstable_by_key(|(peer, _)| *peer);
        present |= 1 << bit;
        write_number(entries.len() as u64, &mut bytes);
        for (peer, amount) in entries {
            write_number(peer, &mut bytes);
            write_amount(amount, &mut bytes);
        }
    }
    bytes[0] = present;
    bytes
}

/// Reads a row. `peers` is the document's list.
pub(super) fn unpack(bytes: &[u8], peers: &[ReplicaId]) -> Result<Row, PackedError> {
    let (&present, mut rest) = bytes.split_first().ok_or(PackedError::Malformed)?;
    let mut registers = Registers::default();
    let plain = [
        &mut registers.added,
        &mut registers.removed,
        &mut registers.held,
        &mut registers.freed,
        &mut registers.debt,
        &mut registers.repaid,
    ];
    for (bit, register) in plain.into_iter().enumerate() {
        if present & (1 << bit) != 0 {
            *register = read_amount(&mut rest)?;
        }
    }
    for (bit, entries) in [(6, &mut registers.given), (7, &mut registers.accepted)] {
        if present & (1 << bit) == 0 {
            continue;
        }
        let count = read_number(&mut rest)?;
        let mut behind = None;
        for _ in 0..count {
            let peer = read_number(&mut rest)?;
            if count == 0 || behind.is_some_and(|behind| peer <= behind) {
                return Err(PackedError::Malformed);
            }
            behind = Some(peer);
            let replica = usize::try_from(peer).ok().and_then(|at| peers.get(at));
            let replica = replica.ok_or(PackedError::UnknownPeer(peer))?;
            entries.insert(replica.clone(), read_amount(&mut rest)?);
        }
        if count == 0 {
            return Err(PackedError::Malformed);
        }
    }
    if !rest.is_empty() {
        return Err(PackedError::Malformed);
    }
    Ok(registers.into())
}

fn write_amount(amount: Amount, bytes: &mut Vec<u8>) {
    // Twice the greatest amount still fits.
    let parts = amount.parts();
    if parts.is_multiple_of(UNIT) {
        write_number(parts / UNIT * 2, bytes);
    } else {
        write_number(parts * 2 + 1, bytes);
    }
}

/// An amount that is not nothing: nothing has no bytes.
fn read_amount(bytes: &mut &[u8]) -> Result<Amount, PackedError> {
    let number = read_number(bytes)?;
    let parts = if number.is_multiple_of(2) {
        (number / 2).checked_mul(UNIT).ok_or(PackedError::TooLarge)?
    } else if (number / 2).is_multiple_of(UNIT) {
        return Err(PackedError::Malformed);
    } else {
        number / 2
    };
    if parts == 0 {
        return Err(PackedError::Malformed);
    }
    Amount::new(parts).ok_or(PackedError::TooLarge)
}

fn write_number(mut number: u64, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read_number(bytes: &mut &[u8]) -> Result<u64, PackedError> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(PackedError::Malformed)?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        if part << shift >> shift != part {
            return Err(PackedError::TooLarge);
        }
        number |= part << shift;
        if byte & 0x80 == 0 {
            // A last byte of nothing would be a second form of the same number.
            return if byte == 0 && shift > 0 {
                Err(PackedError::Malformed)
            } else {
                Ok(number)
            };
        }
    }
    Err(PackedError::TooLarge)
}
