//! How much of a picture is decoded.

/// Pixels of a picture that is still decoded: as many as common cameras make. One at a time takes about 150 MiB.
pub const MAX_PIXELS: u64 = 12_500_000;
/// Of either side.
pub const MAX_SIDE: u32 = 16_384;
