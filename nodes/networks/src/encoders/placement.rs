//! Windows of a Swin's blocks on their maps, shared by Swin-V2 and HTS-AT.

/// Window and shift of a block, after clamping to its map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placement {
    /// Tokens of the map's side.
    pub(super) map: usize,
    pub(super) window: usize,
    pub(super) shift: usize,
}

impl Placement {
    /// Of block `block` of a stage: every second one is shifted by half a window, where there is more than one window.
    pub(super) fn new(map: usize, window_size: usize, block: usize) -> Self {
        let window = window_size.min(map.max(1));
        let shift = if map <= window || block.is_multiple_of(2) { 0 } else { window / 2 };
        Self { map, window, shift }
    }
}
