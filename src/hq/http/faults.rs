//! What headquarters could not do, as problems: the one place that maps its errors.

use crate::hq::{PublishError, RepairError, RetireError, SettleError, StorageError, TokenError};
use crate::http::problem::{Problem, kind};

/// Room is made by people, not by waiting.
const FULL_RETRY_SECONDS: u64 = 30;

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Full => {
                let detail = "headquarters' disk is full; nothing was done";
                Self::fault(&kind::DISK_FULL, detail, error).retry_after(FULL_RETRY_SECONDS)
            }
            StorageError::Closed => {
                Self::new(&kind::STOPPING, "headquarters takes nothing any more; nothing was done").retry_after(5)
            }
            StorageError::TooLarge(number) => Self::new(
                &kind::INVALID_PARAMETER,
                format!("{number} is larger than any number here"),
            ),
            StorageError::Undone | StorageError::Failed(_) => {
                let detail = "headquarters' storage failed; nothing was done";
                Self::fault(&kind::STORAGE_FAILED, detail, error).retry_after(5)
            }
            StorageError::Damaged(_) => {
                let detail = "headquarters' records are not as they should be; nothing was done";
                Self::fault(&kind::INTERNAL, detail, error)
            }
        }
    }
}

impl From<SettleError> for Problem {
    fn from(error: SettleError) -> Self {
        let kind = match &error {
            SettleError::Storage(storage) => return storage.clone().into(),
            SettleError::Unknown { .. } => &kind::INCARNATION_NOT_FOUND,
            SettleError::Counted { .. } | SettleError::Excluded { .. } => &kind::ALREADY_SETTLED,
            SettleError::Words(_) => &kind::WORDS_MISSING,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<RetireError> for Problem {
    fn from(error: RetireError) -> Self {
        let kind = match &error {
            RetireError::Storage(storage) => return storage.clone().into(),
            RetireError::UnknownNode(_) => &kind::NODE_NOT_FOUND,
            RetireError::UnknownIncarnation { .. } => &kind::INCARNATION_NOT_FOUND,
            RetireError::NotItsParent { .. } | RetireError::Own(_) => &kind::NOT_ITS_PARENT,
            RetireError::NotCounted(_) => &kind::NOT_SETTLED,
            RetireError::Already { .. } => &kind::ALREADY_RETIRED,
            RetireError::NotRetired(_) => &kind::NOT_RETIRED,
            RetireError::Behind => &kind::FIGURES_BEHIND,
            RetireError::Words(_) => &kind::WORDS_MISSING,
            RetireError::Row { .. } => &kind::RETIREMENT_ROW,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<RepairError> for Problem {
    fn from(error: RepairError) -> Self {
        let kind = match &error {
            RepairError::Storage(storage) => return storage.clone().into(),
            RepairError::NotSetAside(_) => &kind::RECORD_NOT_FOUND,
            RepairError::Done(_) => &kind::RECORD_DEALT_WITH,
            RepairError::Replacement(_) => &kind::REPLACEMENT_UNUSABLE,
            RepairError::Words(_) => &kind::WORDS_MISSING,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        let kind = match &error {
            PublishError::Storage(storage) => return storage.clone().into(),
            PublishError::Name(_) => &kind::FEED_NAME,
            PublishError::TooLarge { .. } | PublishError::Entry { .. } => &kind::FEED_ENTRY,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        let kind = match &error {
            TokenError::Storage(storage) => return storage.clone().into(),
            TokenError::Name(_) => &kind::TOKEN_NAME,
            TokenError::NameTaken(_) => &kind::TOKEN_NAME_TAKEN,
        };
        Self::new(kind, error.to_string())
    }
}
