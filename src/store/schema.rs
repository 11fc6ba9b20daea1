//! The database's versions. Migrations are appended, never changed.

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

/// `application_id` of a node's database: 'FMnd'.
pub(super) const APPLICATION_ID: i64 = 0x464d_6e64;

const STEPS: &[M<'static>] = &[
    M::up(include_str!("../../migrations/node/0001_node.sql")),
    M::up(include_str!("../../migrations/node/0002_left_incarnations.sql")),
    M::up(include_str!("../../migrations/node/0003_movements.sql")),
    M::up(include_str!("../../migrations/node/0004_room.sql")),
    M::up(include_str!("../../migrations/node/0005_feed_epochs.sql")),
    M::up(include_str!("../../migrations/node/0006_shelves.sql")),
    M::up(include_str!("../../migrations/node/0007_documents.sql")),
    M::up(include_str!("../../migrations/node/0008_relay.sql")),
    M::up(include_str!("../../migrations/node/0010_rights.sql")),
    M::up(include_str!("../../migrations/node/0011_history.sql")),
    M::up(include_str!("../../migrations/node/0012_alerts.sql")),
    M::up(include_str!("../../migrations/node/0013_pickups.sql")),
    M::up(include_str!("../../migrations/node/0014_transfers.sql")),
    M::up(include_str!("../../migrations/node/0015_retired.sql")),
    M::up(include_str!("../../migrations/node/0016_standby.sql")),
    M::up(include_str!("../../migrations/node/0018_counts.sql")),
    M::up(include_str!("../../migrations/node/0020_known_at_mark.sql")),
    M::up(include_str!("../../migrations/node/0021_early_answers.sql")),
    M::up(include_str!("../../migrations/node/0022_history_in_parts.sql")),
    M::up(include_str!("../../migrations/node/0028_carts.sql")),
];

/// The version that this program writes.
pub(super) const VERSION: usize = STEPS.len();

/// What a file says it is.
pub(super) enum Found {
    /// No tables: new, or a crash came before the first migration.
    Empty,
    /// A node's database of a version that this program knows.
    Known,
    /// A node's database of a newer program.
    Newer(i64),
    /// Somebody else's database.
    Foreign,
}

pub(super) fn inspect(connection: &Connection) -> rusqlite::Result<Found> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (id, version) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    Ok(match (id, version, tables) {
        (0, 0, 0) => Found::Empty,
        (APPLICATION_ID, version, _) if usize::try_from(version).is_ok_and(|version| version <= VERSION) => {
            Found::Known
        }
        (APPLICATION_ID, version, _) => Found::Newer(version),
        _ => Found::Foreign,
    })
}

/// Brings the database to this program's version, in one transaction.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), rusqlite_migration::Error> {
    Migrations::from_slice(STEPS).to_latest(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_migrations_run() {
        Migrations::from_slice(STEPS).validate().unwrap();
    }
}
