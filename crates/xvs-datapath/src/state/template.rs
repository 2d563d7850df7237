//! States of templates (kernel `IP_VS_CTPL_S_*`).

/// None of its connections was ever established.
pub const NONE: u8 = 0;
/// One was, or was replied to.
pub const ASSURED: u8 = 1;
