//! What the store could not do, as problems. A cause is for the log; a client learns what it means for its request.

use super::{Problem, kind};
use crate::store::StorageError;

/// Room is made by people, not by waiting.
const FULL_RETRY_SECONDS: u64 = 30;

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Full(cause) => {
                let detail = "the node's disk is full; nothing was done";
                Self::fault(&kind::DISK_FULL, detail, cause).retry_after(FULL_RETRY_SECONDS)
            }
            StorageError::Overloaded => Self::new(
                &kind::OVERLOADED,
                "too many requests wait to be written; nothing was done",
            )
            .retry_after(1),
            StorageError::Stopped => {
                let detail = "the node takes nothing any more; whether the request has taken effect is not known";
                Self::fault(&kind::STOPPING, detail, error).retry_after(5)
            }
            // The defect itself is reported where it was met.
            StorageError::Undone => Self::new(
                &kind::STORAGE_FAILED,
                "another request took this one with it; nothing was done",
            )
            .retry_after(1),
            StorageError::Busy(_) | StorageError::Disk(_) | StorageError::Corrupt(_) => Self::fault(
                &kind::STORAGE_FAILED,
                "the node's storage failed; nothing was done",
                error,
            )
            .retry_after(5),
            StorageError::Inconsistent(_) | StorageError::Other(_) => Self::fault(
                &kind::INTERNAL,
                "the node's records are not as they should be; nothing was done",
                error,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_503_and_a_defect_is_500() {
        let text = || "the inside of the node".to_owned();
        for (error, status, code) in [
            (StorageError::Full(text()), 503, "disk-full"),
            (StorageError::Overloaded, 503, "overloaded"),
            (StorageError::Stopped, 503, "stopping"),
            (StorageError::Undone, 503, "storage-failed"),
            (StorageError::Busy(text()), 503, "storage-failed"),
            (StorageError::Disk(text()), 503, "storage-failed"),
            (StorageError::Corrupt(text()), 503, "storage-failed"),
            (StorageError::Inconsistent(text()), 500, "internal-error"),
            (StorageError::Other(text()), 500, "internal-error"),
        ] {
            let problem = Problem::from(error);
            assert_eq!((problem.kind().status.as_u16(), problem.kind().code), (status, code));
            assert!(!problem.detail().contains(&text()), "a cause is for the log");
        }
    }
}
