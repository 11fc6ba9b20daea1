//! What bounds a carrier.

/// What bounds a carrier.
#[derive(Debug, Clone)]
pub struct CarrierLimits {
    /// How many parcels may be under way on a link.
    pub in_flight_max: usize,
    /// The most bytes of a sealed parcel.
    pub parcel_bytes_max: usize,
    /// The most documents that are asked for at once to be packed.
    pub pack_documents_max: usize,
    /// The most documents in an offer.
    pub offer_documents_max: usize,
    /// How long an answer may take before the question is repeated, in milliseconds; doubled each time.
    pub answer_timeout_ms: u64,
    /// How often in a row nobody may answer before the link is left alone until it is opened again.
    pub tries_max: u32,
    /// The longest that a document which is refused is left alone, in milliseconds.
    pub refused_pause_max_ms: u64,
    /// The least time between two sync points while rows are touched all the time, in milliseconds.
    pub sync_point_pause_ms: u64,
}

impl Default for CarrierLimits {
    fn default() -> Self {
        Self {
            in_flight_max: 4,
            parcel_bytes_max: 60 << 10,
            pack_documents_max: 256,
            offer_documents_max: 4_000,
            answer_timeout_ms: 5_000,
            tries_max: 6,
            refused_pause_max_ms: 600_000,
            sync_point_pause_ms: 2_000,
        }
    }
}

impl CarrierLimits {
    /// How long to wait the `tries`-th time.
    pub(super) fn pause_ms(&self, tries: u32) -> u64 {
        (self.answer_timeout_ms << tries.min(16)).min(self.refused_pause_max_ms)
    }
}
