//! Times as the API writes them.

use crate::http::sync::instant;

/// An instant; nothing where it has never come.
pub(super) fn instant_if_any(unix_ms: u64) -> Option<String> {
    (unix_ms > 0).then(|| instant(unix_ms))
}
